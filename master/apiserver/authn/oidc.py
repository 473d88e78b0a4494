"""OpenID Connect: users of an identity provider, by the ID tokens that it has signed."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jwt

from master.apiserver.authn.base import Credentials
from master.configuration import ConfigurationError
from master.registry.base import User
from timonel.api.errors import Unauthorized

log = logging.getLogger(__name__)

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"})
"""What a provider may sign with: keys that only it has."""
RESERVED = "system:"
"""Names that begin so are the cluster's own; no provider can give them."""
FETCH_SECONDS = 10.0
FETCH_BYTES = 1 << 20
AGAIN_AFTER = 10.0
"""Seconds until the keys are fetched again for a token that names an unknown one."""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Which provider is believed, and how its claims become a user; as Kubernetes' --oidc-* flags."""

    issuer: str
    client_id: str
    username_claim: str = "sub"
    username_prefix: str | None = None
    """``-`` is none; not given: the issuer and ``#``, but none for the claim ``email``."""
    groups_claim: str = ""
    groups_prefix: str = ""
    required_claims: Mapping[str, str] = field(default_factory=dict)
    algorithms: Sequence[str] = ("RS256",)
    jwks: str = ""
    """A file or an https URL with the provider's keys; not given: the provider's discovery document says where."""
    ca_file: Path | None = None
    """Who signed the provider's certificate; the system's authorities by default."""


class OpenIdConnect:
    """Believes the ID tokens of one provider.

    Raises:
        ConfigurationError: the settings cannot be right.
    """

    def __init__(self, settings: OidcSettings) -> None:
        _check(settings)
        self._settings = settings
        self._keys = _Keys(settings)
        self._prefix = _username_prefix(settings)

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        token = credentials.bearer
        if token.count(".") != 2:
            return None
        try:
            if jwt.decode(token, options={"verify_signature": False}).get("iss") != self._settings.issuer:
                return None
        except jwt.PyJWTError:
            return None
        claims = await self._verified(token)
        try:
            return self._user(claims)
        except _BadClaim as error:
            log.info("a token of %s was refused: %s", self._settings.issuer, error)
            raise Unauthorized from None

    async def _verified(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that the provider has signed for this cluster.

        Raises:
            Unauthorized: it has not.
        """
        settings = self._settings
        try:
            candidates = await self._keys.candidates(jwt.get_unverified_header(token).get("kid"))
        except jwt.PyJWTError:
            raise Unauthorized from None
        problem: Exception = jwt.InvalidKeyError("the provider has no such key")
        for key in candidates:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=list(settings.algorithms),
                    issuer=settings.issuer,
                    audience=settings.client_id,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except jwt.PyJWTError as error:
                problem = error
        log.info("a token of %s was refused: %s", settings.issuer, problem)
        raise Unauthorized

    def _user(self, claims: Mapping[str, Any]) -> User:
        settings = self._settings
        for name, value in settings.required_claims.items():
            if claims.get(name) != value:
                raise _BadClaim(f"the claim {name} is not {value!r}")
        username = claims.get(settings.username_claim)
        if not isinstance(username, str) or not username:
            raise _BadClaim(f"the claim {settings.username_claim} is no name")
        if settings.username_claim == "email" and claims.get("email_verified", True) is not True:
            raise _BadClaim("the e-mail address is not verified")
        name = self._prefix + username
        if name.startswith(RESERVED):
            raise _BadClaim(f"the name {name} is the cluster's own")
        groups = [settings.groups_prefix + group for group in _groups(claims, settings.groups_claim)]
        return User(name, groups=tuple(group for group in groups if not group.startswith(RESERVED)))


class _BadClaim(Exception):
    """A token's claims make no user."""


class _Keys:
    """The provider's keys: fetched when they are needed first, and again when a token names an unknown one."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._keys: list[jwt.PyJWK] = []
        self._fetched: float | None = None
        self._lock = asyncio.Lock()

    async def candidates(self, key_id: str | None) -> list[jwt.PyJWK]:
        """The keys by which a token may be signed that names a key, or none.

        Raises:
            Unauthorized: the keys cannot be had.
        """
        found = self._named(key_id)
        if found:
            return found
        async with self._lock:
            if self._fetched is None or time.monotonic() - self._fetched > AGAIN_AFTER:
                await self._fetch()
        return self._named(key_id)

    def _named(self, key_id: str | None) -> list[jwt.PyJWK]:
        return [key for key in self._keys if key_id is None or key.key_id == key_id]

    async def _fetch(self) -> None:
        self._fetched = time.monotonic()
        try:
            document = await asyncio.to_thread(partial(_read_keys, self._settings))
            self._keys = list(jwt.PyJWKSet.from_dict(document).keys)
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            log.warning("the keys of the identity provider %s cannot be read: %s", self._settings.issuer, error)
            raise Unauthorized from None


def _read_keys(settings: OidcSettings) -> dict[str, Any]:
    """The key set, from where the settings or the provider say."""
    where = settings.jwks
    if not where:
        document = _fetch(f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration", settings)
        if document.get("issuer") != settings.issuer:
            raise ValueError(f"its discovery document is of the issuer {document.get('issuer')!r}")
        where = str(document["jwks_uri"])
    if where.startswith("https://"):
        return _fetch(where, settings)
    return _mapping(Path(where).read_bytes())


def _fetch(url: str, settings: OidcSettings) -> dict[str, Any]:
    if not url.startswith("https://"):
        raise ValueError(f"{url} is no https URL")
    import urllib.request  # slow to import, and only a provider that is asked over the network needs it

    context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS, context=context) as answer:
        return _mapping(answer.read(FETCH_BYTES))


def _mapping(text: bytes) -> dict[str, Any]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def _groups(claims: Mapping[str, Any], claim: str) -> Iterable[str]:
    """A group, or several."""
    value = claims.get(claim) if claim else None
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(group, str) for group in value):
        return value
    raise _BadClaim(f"the claim {claim} is neither a group nor a list of groups")


def _username_prefix(settings: OidcSettings) -> str:
    if settings.username_prefix is None:
        return "" if settings.username_claim == "email" else f"{settings.issuer}#"
    return "" if settings.username_prefix == "-" else settings.username_prefix


def _check(settings: OidcSettings) -> None:
    if not settings.issuer.startswith("https://"):
        raise ConfigurationError(f"--oidc-issuer-url must be an https URL, not {settings.issuer!r}")
    if not settings.client_id:
        raise ConfigurationError("--oidc-issuer-url needs --oidc-client-id: for whom the provider makes its tokens")
    unknown = set(settings.algorithms) - ALGORITHMS
    if unknown:
        known = ", ".join(sorted(ALGORITHMS))
        raise ConfigurationError(f"--oidc-signing-algs knows {known}; not {', '.join(sorted(unknown))}")
