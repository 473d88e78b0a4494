"""Authentication: who sends a request, by the credentials that came with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from multidict import CIMultiDictProxy

from master.registry.base import User
from timonel.api.errors import Unauthorized

AUTHENTICATED = "system:authenticated"

Headers = CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request proves or claims about its sender."""

    certificate: bytes = b""
    """The client's certificate, DER, which TLS has verified against the authorities that it believes; empty: none."""
    bearer: str = ""
    """The token of the Authorization header."""
    audiences: tuple[str, ...] = ()
    """Whom the token must be for, any of these; none: the API server."""
    headers: Headers | None = None
    """Those of the request."""


class Authenticator(Protocol):
    """One way to prove who one is."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """The sender; None when these credentials are not of this authenticator's kind.

        Raises:
            Unauthorized: they are, and they are bad.
        """
        ...


class Union:
    """Asks authenticators in order; the first that knows the sender has decided."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = authenticators

    async def authenticate(self, credentials: Credentials) -> User | None:
        """The sender; None when the request has no credentials at all.

        Raises:
            Unauthorized: there are credentials, but none proves anything.
        """
        for authenticator in self._authenticators:
            user = await authenticator.authenticate(credentials)
            if user is not None:
                return _authenticated(user)
        if credentials.bearer:
            raise Unauthorized("invalid bearer token")
        return None


def _authenticated(user: User) -> User:
    if AUTHENTICATED in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))


def bearer_token(authorization: str) -> str:
    """The token in an Authorization header; empty when it has none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
