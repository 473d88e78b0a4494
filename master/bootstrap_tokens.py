"""Bootstrap tokens, in Kubernetes' own form: Secrets `bootstrap-token-<id>` in kube-system.

A token is `<id>.<secret>`, six and sixteen characters of a-z0-9; its Secret holds both halves, the moment of its end
and what it may be used for. Beyond Kubernetes, the annotation `timonel.io/uses-left` limits how often it may be used: a
token for one node has 1.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timonel.api.types import core_v1

NAMESPACE = "kube-system"
SECRET_TYPE = "bootstrap.kubernetes.io/token"
USES_LEFT = "timonel.io/uses-left"
BOOTSTRAPPERS = "system:bootstrappers"
"""The group of all bearers."""
DEFAULT_LIFETIME = timedelta(hours=24)

_NAME_PREFIX = "bootstrap-token-"
_ALPHABET = string.ascii_lowercase + string.digits
_GROUP = re.compile(BOOTSTRAPPERS + r":[a-z0-9:-]{0,255}[a-z0-9]")
_FORM = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")


class TokenRefused(Exception):
    """A token does not admit its bearer; the text says why."""


class TokenUnknown(TokenRefused):
    """No such token. Whether the id or the secret is wrong is not told."""


class TokenExpired(TokenRefused):
    """The token was right, but its time is over."""


class TokenUsedUp(TokenRefused):
    """The token was right, but it has been used as often as it may be."""


class TokenNotForJoining(TokenRefused):
    """The token was right, but it is not for authentication."""


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """A token's two halves."""

    id: str
    secret: str

    @classmethod
    def new(cls) -> BootstrapToken:
        """A random token."""
        id_, secret = ("".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (6, 16))
        return cls(id_, secret)

    @classmethod
    def parse(cls, text: str) -> BootstrapToken:
        """The token that `text` is.

        Raises:
            TokenUnknown: it has not the form of a token.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise TokenUnknown("a bootstrap token has the form abcdef.0123456789abcdef")
        return cls(*match.groups())

    @property
    def secret_name(self) -> str:
        """The name of its Secret in kube-system."""
        return _NAME_PREFIX + self.id

    def __str__(self) -> str:
        return f"{self.id}.{self.secret}"


def to_secret(
    token: BootstrapToken, expires: datetime | None, uses: int | None = None, description: str = ""
) -> core_v1.Secret:
    """The Secret that makes `token` valid until `expires` (None: for ever), `uses` times (None: any number)."""
    from timonel.api.types import core_v1, meta_v1  # who makes a token starts processes, and would wait for these

    data = {"token-id": token.id, "token-secret": token.secret, "usage-bootstrap-authentication": "true"}
    if expires is not None:
        data["expiration"] = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if description:
        data["description"] = description
    return core_v1.Secret(
        metadata=meta_v1.ObjectMeta(
            name=token.secret_name,
            namespace=NAMESPACE,
            annotations={} if uses is None else {USES_LEFT: str(uses)},
        ),
        type=SECRET_TYPE,
        data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    )


def check(token: BootstrapToken, secret: core_v1.Secret | None, now: datetime) -> None:
    """Return when `token` admits its bearer, by what its Secret (None: there is none) says.

    Raises:
        TokenRefused: it does not; the subclass and the text say why. An outsider who guesses learns nothing from it.
    """
    data = _values(secret)
    expected = data.get("token-secret", "")
    right = hmac.compare_digest(expected.encode(), token.secret.encode())
    if not right or secret is None or secret.type != SECRET_TYPE or data.get("token-id") != token.id:
        raise TokenUnknown(f'bootstrap token "{token.id}" is not valid: it may be mistyped or have been deleted')
    if data.get("usage-bootstrap-authentication") != "true":
        raise TokenNotForJoining(f'bootstrap token "{token.id}" is not for authentication')
    expiration = data.get("expiration", "")
    if expiration and not _is_before(now, expiration):
        raise TokenExpired(f'bootstrap token "{token.id}" expired at {expiration}: make a new one')
    if uses_left(secret) == 0:
        raise TokenUsedUp(f'bootstrap token "{token.id}" has been used up: make a new one')


def groups(secret: core_v1.Secret | None) -> tuple[str, ...]:
    """The groups that the bearer is in.

    Raises:
        TokenRefused: the Secret names one that is none of bootstrappers.
    """
    named = _values(secret).get("auth-extra-groups", "")
    extra = [group.strip() for group in named.split(",")] if named else []
    for group in extra:
        if not _GROUP.fullmatch(group):
            raise TokenNotForJoining(f'a bootstrap token\'s extra groups begin with "{BOOTSTRAPPERS}:", not "{group}"')
    return (BOOTSTRAPPERS, *extra)


def ends(secret: core_v1.Secret) -> datetime | None:
    """When a token's Secret is over; None for those without an end, and for other Secrets."""
    text = _values(secret).get("expiration", "") if secret.type == SECRET_TYPE else ""
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        return None
    return end if end.tzinfo else None


def uses_left(secret: core_v1.Secret) -> int | None:
    """How often the token may still be used; None is without limit, and what is no number counts as 0."""
    text = secret.metadata.annotations.get(USES_LEFT)
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() else 0


def use(secret: core_v1.Secret) -> bool:
    """Count one use in `secret`, in place; False when its uses are not counted and it need not be written."""
    left = uses_left(secret)
    if left is None:
        return False
    secret.metadata.annotations[USES_LEFT] = str(max(left - 1, 0))
    return True


def _is_before(now: datetime, expiration: str) -> bool:
    try:
        return now < datetime.fromisoformat(expiration)
    except (ValueError, TypeError):
        return False


def _values(secret: core_v1.Secret | None) -> dict[str, str]:
    """The Secret's data, decoded; what cannot be decoded is left out."""
    values: dict[str, str] = {}
    for key, value in (secret.data if secret is not None else {}).items():
        try:
            values[key] = base64.b64decode(value).decode()
        except ValueError:
            continue
    return values
