"""ServiceAccount tokens: JWTs with Kubernetes' claims, signed with the cluster's key (ES256).

The claims are those of Kubernetes' bound tokens: besides the registered ones, `kubernetes.io` names the namespace, the
ServiceAccount and what the token is bound to (a Pod and its Node, or a Secret). A token ends when it expires and as
soon as what it is bound to, or its account, is gone or has been replaced, which the uid tells.
"""

import base64
import hashlib
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from master.registry.base import User
from master.registry.objects import APIObject, Reader
from master.registry.subresources import MintedToken, TokenClaims
from timonel.api import time as api_time
from timonel.api.fields import quoted
from timonel.api.types import core_v1

ALGORITHM = "ES256"
DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local"
DEFAULT_LIFETIME = 3600
SHORTEST_LIFETIME = 600
LONGEST_LIFETIME = 365 * 24 * 3600
"""Seconds. What asks for more gets this much, as with Kubernetes' --service-account-max-token-expiration."""

USER_PREFIX = "system:serviceaccount:"
GROUP = "system:serviceaccounts"

LEGACY_ISSUER = "kubernetes/serviceaccount"
"""The issuer of the tokens in secrets."""
LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
"""Labels of such a secret, each a day: when its token was used last, and since when it is not taken any more."""

_CLAIM = "kubernetes.io"
_LEGACY = f"{_CLAIM}/serviceaccount/"
_EXTRA = "authentication.kubernetes.io/"


class TokenInvalid(Exception):
    """A token cannot be believed; the text says why."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that a token names, with the uid that it must still have."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Identity:
    """For whom a token speaks, and what it is bound to."""

    namespace: str
    account: Reference
    pod: Reference | None = None
    node: Reference | None = None
    secret: Reference | None = None
    token_id: str = ""
    legacy: bool = False
    """Whether the token is that of its secret."""

    @property
    def username(self) -> str:
        """The user's name, `system:serviceaccount:<namespace>:<name>`."""
        return f"{USER_PREFIX}{self.namespace}:{self.account.name}"

    def user(self) -> User:
        """The user with the groups and the extra attributes that Kubernetes gives it."""
        extra: dict[str, tuple[str, ...]] = {}
        for kind, bound in (("pod", self.pod), ("node", self.node)):
            if bound is not None:
                extra |= {f"{_EXTRA}{kind}-name": (bound.name,), f"{_EXTRA}{kind}-uid": (bound.uid,)}
        if self.token_id:
            extra[f"{_EXTRA}credential-id"] = (f"JTI={self.token_id}",)
        groups = (GROUP, f"{GROUP}:{self.namespace}", "system:authenticated")
        return User(self.username, self.account.uid, groups, extra)


@dataclass(frozen=True, slots=True)
class Token:
    """A minted token and when it expires."""

    text: str
    expires: datetime


class Existing(Protocol):
    """Looks up what tokens name."""

    async def uid(self, plural: str, namespace: str, name: str) -> str | None:
        """The uid of one of the core `serviceaccounts`, `pods`, `secrets` or `nodes` (no namespace); None if absent."""
        ...


class TokenIssuer:
    """Mints and verifies tokens.

    Args:
        key_pem: the private key, ECDSA P-256, PEM.
        issuer: the `iss` claim, an https URL.
        audiences: who the API server is; a token for none of these does not authenticate to it.
    """

    def __init__(self, key_pem: bytes, issuer: str = DEFAULT_ISSUER, audiences: Sequence[str] = ()) -> None:
        key = serialization.load_pem_private_key(key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"the key that signs ServiceAccount tokens must be ECDSA, not {type(key).__name__}")
        self._key = key
        self._public = key.public_key()
        self._key_id = _key_id(self._public)
        self.issuer = issuer
        self.audiences = tuple(audiences) or (issuer,)

    def mint(self, identity: Identity, audiences: Iterable[str] = (), seconds: int = DEFAULT_LIFETIME) -> Token:
        """A new token for `identity` (its `token_id` is made here) that lives for `seconds`.

        Without `audiences` the token is for the API server.
        """
        issued = int(time.time())
        expires = issued + min(max(seconds, SHORTEST_LIFETIME), LONGEST_LIFETIME)
        payload = {
            "iss": self.issuer,
            "sub": identity.username,
            "aud": list(audiences) or list(self.audiences),
            "iat": issued,
            "nbf": issued,
            "exp": expires,
            "jti": str(uuid.uuid4()),
            _CLAIM: _private_claims(identity),
        }
        text = jwt.encode(payload, self._key, ALGORITHM, headers={"kid": self._key_id})
        return Token(text, datetime.fromtimestamp(expires, UTC))

    def mint_for_secret(self, account: core_v1.ServiceAccount, secret: core_v1.Secret) -> str:
        """A token that lives as long as the account and the secret that holds it, with the claims that such ones have.

        ``secret.uid`` is ours: Kubernetes compares the token with the secret's content instead.
        """
        identity = Identity(account.metadata.namespace or "", _named(account), secret=_named(secret))
        claims = {
            "namespace": identity.namespace,
            "secret.name": secret.metadata.name,
            "secret.uid": secret.metadata.uid,
            "service-account.name": account.metadata.name,
            "service-account.uid": account.metadata.uid,
        }
        payload = {"iss": LEGACY_ISSUER, "sub": identity.username, **{_LEGACY + key: claims[key] for key in claims}}
        return jwt.encode(payload, self._key, ALGORITHM, headers={"kid": self._key_id})

    def is_ours(self, token: str) -> bool:
        """Whether the token names this issuer. Nothing about it has been checked yet."""
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            return issuer in (self.issuer, LEGACY_ISSUER)
        except jwt.PyJWTError:
            return False

    async def verify(self, token: str, existing: Existing, audiences: Iterable[str] = ()) -> Identity:
        """For whom the token speaks.

        Args:
            token: the JWT's text.
            existing: looks up what the token names.
            audiences: whom the token must be for, any of these; the API server by default.

        Raises:
            TokenInvalid: a wrong signature, issuer, audience or time, or something that it names is gone.
        """
        identity = self.read(token, audiences)
        await _check_existing(identity, existing)
        return identity

    def read(self, token: str, audiences: Iterable[str] = ()) -> Identity:
        """As `verify`, without asking whether what the token names still exists."""
        wanted = list(audiences) or list(self.audiences)
        try:
            payload = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                issuer=[self.issuer, LEGACY_ISSUER],
                options={"require": ["iss", "sub"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenInvalid("service account token has expired") from error
        except jwt.PyJWTError as error:
            raise TokenInvalid(f"service account token: {error}") from error
        if payload["iss"] == LEGACY_ISSUER:
            payload = {"aud": self.audiences, "exp": 0, **payload, _CLAIM: _from_legacy(payload)}
        if not {"aud", "exp"} <= payload.keys():
            raise TokenInvalid("service account token: it has no audience, or no end")
        meant = [payload["aud"]] if isinstance(payload["aud"], str) else payload["aud"]
        if not set(meant) & set(wanted):
            raise TokenInvalid(
                f"token audiences {_listed(meant)} is invalid for the target audiences {_listed(wanted)}"
            )
        return _identity(payload)

    def jwks(self) -> dict[str, Any]:
        """The key set that lets others verify tokens (`/openid/v1/jwks`)."""
        numbers = self._public.public_numbers()
        key = {"use": "sig", "kty": "EC", "kid": self._key_id, "alg": ALGORITHM, "crv": "P-256"}
        return {"keys": [key | {"x": _base64url(numbers.x.to_bytes(32)), "y": _base64url(numbers.y.to_bytes(32))}]}

    def discovery(self, jwks_uri: str) -> dict[str, Any]:
        """The OpenID discovery document (`/.well-known/openid-configuration`)."""
        return {
            "issuer": self.issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }


class RegistryObjects:
    """Looks objects up in the registry; an `Existing`."""

    KINDS: Mapping[str, type[APIObject]] = {
        "serviceaccounts": core_v1.ServiceAccount,
        "pods": core_v1.Pod,
        "nodes": core_v1.Node,
        "secrets": core_v1.Secret,
    }

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def uid(self, plural: str, namespace: str, name: str) -> str | None:
        """See `Existing`. What the caches have not seen yet is looked for in the store."""
        kind = self.KINDS[plural]
        found = self._reader.cached(kind, namespace, name) or await self._reader.current(kind, namespace, name)
        return found.metadata.uid if found is not None else None


class RegistryMinter:
    """Mints what the registry's token subresource asks for; a `TokenMinter`."""

    def __init__(self, issuer: TokenIssuer, existing: Existing) -> None:
        self._issuer = issuer
        self._existing = existing
        self.audiences = issuer.audiences

    async def mint(self, claims: TokenClaims) -> MintedToken:
        """See `TokenMinter`."""
        bound = {claims.bound_kind: Reference(claims.bound_name, claims.bound_uid)}
        node = bound.get("Node")
        if claims.node_name and (uid := await self._existing.uid("nodes", "", claims.node_name)):
            node = Reference(claims.node_name, uid)
        account = Reference(claims.service_account, claims.uid)
        identity = Identity(claims.namespace, account, bound.get("Pod"), node, bound.get("Secret"))
        token = self._issuer.mint(identity, claims.audiences, claims.seconds)
        return MintedToken(token.text, api_time.text(token.expires))


async def _check_existing(identity: Identity, existing: Existing) -> None:
    """A pod's token only tells its node, as in Kubernetes: it ends with the pod."""
    named = [
        ("serviceaccounts", "service account", identity.namespace, identity.account),
        ("pods", "pod", identity.namespace, identity.pod),
        ("nodes", "node", "", identity.node if identity.pod is None else None),
        ("secrets", "secret", identity.namespace, identity.secret),
    ]
    for plural, kind, namespace, reference in named:
        if reference is None:
            continue
        uid = await existing.uid(plural, namespace, reference.name)
        if uid is None and plural == "serviceaccounts":
            raise TokenInvalid(f'{plural} "{reference.name}" not found')
        if uid is None:
            raise TokenInvalid("service account token has been invalidated")
        if uid != reference.uid:
            claim = "claim" if plural == "serviceaccounts" else f"service account {kind} ref claim"
            raise TokenInvalid(f"{kind} UID ({uid}) does not match {claim} ({reference.uid})")


def _listed(audiences: Iterable[str]) -> str:
    return f"[{' '.join(quoted(str(audience)) for audience in audiences)}]"


def _private_claims(identity: Identity) -> dict[str, Any]:
    claims: dict[str, Any] = {"namespace": identity.namespace, "serviceaccount": _reference_claim(identity.account)}
    for kind, bound in (("pod", identity.pod), ("node", identity.node), ("secret", identity.secret)):
        if bound is not None:
            claims[kind] = _reference_claim(bound)
    return claims


def _reference_claim(reference: Reference) -> dict[str, str]:
    return {"name": reference.name, "uid": reference.uid}


def _identity(payload: Mapping[str, Any]) -> Identity:
    try:
        claims = payload[_CLAIM]
        identity = Identity(
            str(claims["namespace"]),
            _reference(claims["serviceaccount"]),
            **{kind: _reference(claims[kind]) for kind in ("pod", "node", "secret") if kind in claims},
            token_id=str(payload.get("jti", "")),
            legacy=payload["iss"] == LEGACY_ISSUER,
        )
    except (KeyError, TypeError) as error:
        raise TokenInvalid(f"service account token: the claim {_CLAIM} is not complete") from error
    if payload["sub"] != identity.username:
        raise TokenInvalid("service account token: its subject and its claims name different accounts")
    return identity


def _from_legacy(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a secret's token as those of others are."""
    of = {key.removeprefix(_LEGACY): value for key, value in payload.items() if key.startswith(_LEGACY)}
    pairs = {"serviceaccount": "service-account", "secret": "secret"}
    named = {kind: {part: of.get(f"{key}.{part}", "") for part in ("name", "uid")} for kind, key in pairs.items()}
    return {"namespace": of.get("namespace", ""), **named}


def _named(obj: core_v1.ServiceAccount | core_v1.Secret) -> Reference:
    return Reference(obj.metadata.name or "", obj.metadata.uid or "")


def _reference(claim: Mapping[str, Any]) -> Reference:
    return Reference(str(claim["name"]), str(claim["uid"]))


def _key_id(key: ec.EllipticCurvePublicKey) -> str:
    info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _base64url(hashlib.sha256(info).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
