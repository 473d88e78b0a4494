"""Bearer tokens: ServiceAccount JWTs, bootstrap tokens, and a static file."""

import csv
import hmac
import logging
from datetime import UTC, datetime
from pathlib import Path

from master import bootstrap_tokens
from master.apiserver.authn.base import Credentials
from master.bootstrap_tokens import BootstrapToken, TokenRefused
from master.configuration import ConfigurationError
from master.registry.base import User, component
from master.registry.bodies import MERGE_PATCH
from master.registry.objects import Reader
from master.registry.verbs import Registry
from master.serviceaccounts import INVALID_SINCE, LAST_USED, Identity, RegistryObjects, TokenInvalid, TokenIssuer
from timonel.api import codec
from timonel.api.errors import StatusError, Unauthorized
from timonel.api.types import core_v1

log = logging.getLogger(__name__)


class ServiceAccountTokens:
    """JWTs that this cluster's key signed, while everything that they name exists."""

    def __init__(self, issuer: TokenIssuer, registry: Registry) -> None:
        self._issuer = issuer
        self._registry = registry
        self._existing = RegistryObjects(registry.reader)

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        if credentials.bearer.count(".") != 2 or not self._issuer.is_ours(credentials.bearer):
            return None
        try:
            identity = await self._issuer.verify(credentials.bearer, self._existing, credentials.audiences)
            await self._note_use(identity)
        except TokenInvalid as invalid:
            raise Unauthorized(f"[invalid bearer token, {invalid}]") from None
        return identity.user()

    async def _note_use(self, identity: Identity) -> None:
        """Note once a day that the token of a secret is used: those that nobody uses are cleaned away.

        Raises:
            TokenInvalid: it is marked as one that nobody used.
        """
        if not identity.legacy or identity.secret is None:
            return
        namespace, name = identity.namespace, identity.secret.name
        secret = self._registry.reader.cached(core_v1.Secret, namespace, name)
        if secret is None:
            return
        if INVALID_SINCE in secret.metadata.labels:
            whose = f"secret {namespace}/{name} for service account {namespace}/{identity.account.name}"
            raise TokenInvalid(
                f"the token in {whose} has been marked invalid. Use tokens from the TokenRequest API or manually "
                f"created secret-based tokens, or remove the '{INVALID_SINCE}' label from the secret to temporarily "
                "allow use of this token"
            )
        today = f"{self._registry.core.clock():%Y-%m-%d}"
        if secret.metadata.labels.get(LAST_USED) == today:
            return
        patch = codec.encode({"metadata": {"labels": {LAST_USED: today}}})
        try:
            await self._registry.patch(component("apiserver"), core_v1.Secret, namespace, name, MERGE_PATCH, patch)
        except StatusError as error:
            log.warning("the use of the token in secret %s/%s is not noted: %s", namespace, name, error)


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
