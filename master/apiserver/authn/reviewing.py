"""Verifies tokens for TokenReviews: by the same authenticators as those of requests."""

from collections.abc import Sequence

import jwt

from master.apiserver.authn.base import Authenticator, Credentials
from master.registry.subresources import VerifiedToken
from master.serviceaccounts import USER_PREFIX
from timonel.api.errors import Unauthorized


class TokenReviewer:
    """Says whose tokens are.

    Args:
        authenticator: knows the tokens.
        audiences: who the API server is. All tokens are for these, but those of ServiceAccounts, which say it.
    """

    def __init__(self, authenticator: Authenticator, audiences: Sequence[str]) -> None:
        self._authenticator = authenticator
        self._audiences = tuple(audiences)

    async def verify(self, token: str, audiences: Sequence[str]) -> VerifiedToken:
        """See `TokenVerifier`."""
        wanted = tuple(audiences) or self._audiences
        user = await self._authenticator.authenticate(Credentials(bearer=token, audiences=wanted))
        if user is None:
            raise Unauthorized("invalid bearer token")
        meant = _audiences(token) if user.name.startswith(USER_PREFIX) else ()
        meant = meant or self._audiences
        found = tuple(audience for audience in wanted if audience in meant)
        if wanted and not found:
            raise Unauthorized("invalid bearer token")
        return VerifiedToken(user, found)


def _audiences(token: str) -> Sequence[str]:
    """Whom a ServiceAccount's token, which has been verified, is for; none for one from the file of static tokens."""
    try:
        claim = jwt.decode(token, options={"verify_signature": False}).get("aud", ())
    except jwt.PyJWTError:
        return ()
    return [claim] if isinstance(claim, str) else list(claim)
