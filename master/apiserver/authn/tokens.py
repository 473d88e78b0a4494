"""Bearer tokens: ServiceAccount JWTs, bootstrap tokens, and a static file."""

import csv
import hmac
from datetime import UTC, datetime
from pathlib import Path

from master import bootstrap_tokens
from master.apiserver.authn.base import Credentials
from master.bootstrap_tokens import BootstrapToken, TokenRefused
from master.configuration import ConfigurationError
from master.registry.base import User
from master.registry.objects import Reader
from master.serviceaccounts import RegistryObjects, TokenInvalid, TokenIssuer
from timonel.api.errors import Unauthorized
from timonel.api.types import core_v1


class ServiceAccountTokens:
    """JWTs that this cluster's key signed, while everything that they name exists."""

    def __init__(self, issuer: TokenIssuer, reader: Reader) -> None:
        self._issuer = issuer
        self._existing = RegistryObjects(reader)

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        if credentials.bearer.count(".") != 2 or not self._issuer.is_ours(credentials.bearer):
            return None
        try:
            identity = await self._issuer.verify(credentials.bearer, self._existing, credentials.audiences)
        except TokenInvalid as invalid:
            raise Unauthorized(f"[invalid bearer token, {invalid}]") from None
        return identity.user()


class BootstrapTokens:
    """Join tokens; they speak for `system:bootstrap:<id>` in the group of bootstrappers."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        try:
            token = BootstrapToken.parse(credentials.bearer)
        except TokenRefused:
            return None
        secret = await self._reader.current(core_v1.Secret, bootstrap_tokens.NAMESPACE, token.secret_name)
        try:
            bootstrap_tokens.check(token, secret, datetime.now(UTC))
            groups = bootstrap_tokens.groups(secret)
        except TokenRefused:
            raise Unauthorized from None
        return User(f"system:bootstrap:{token.id}", groups=groups)


class StaticTokens:
    """Tokens of a file with lines `token,user,uid,"group1,group2"`, read once."""

    def __init__(self, path: Path) -> None:
        self._users: dict[bytes, User] = {}
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file), 1):
                if not row:
                    continue
                if len(row) < 3 or not row[0] or not row[1]:
                    raise ConfigurationError(
                        f'{path}, line {number}: write token,user,uid or token,user,uid,"group1,group2"'
                    )
                groups = tuple(group.strip() for group in row[3].split(",")) if len(row) > 3 and row[3] else ()
                self._users[row[0].encode()] = User(row[1].strip(), row[2].strip(), groups)

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        given = credentials.bearer.encode()
        found = [user for token, user in self._users.items() if hmac.compare_digest(token, given)]
        return found[0] if found else None
