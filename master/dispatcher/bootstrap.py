"""How a machine becomes a node: a bootstrap token and a signing request for a certificate."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import grpc

from master import bootstrap_tokens
from master.bootstrap_tokens import BootstrapToken, TokenRefused, TokenUnknown
from master.dispatcher.objects import TRIES
from master.dispatcher.peers import Context, Refused, node_of
from master.pki import CsrRefused, Pki
from master.registry.base import system_user
from master.registry.verbs import Registry
from timonel.api import codec, names
from timonel.api.errors import Conflict, NotFound, StatusError
from timonel.api.types import core_v1
from timonel.rpc import node_pb2

log = logging.getLogger(__name__)

DISPATCHER = system_user("timonel-dispatcher")
"""Who the dispatcher is where it does not write for a node; its roles are in the table of default roles."""


class Admission:
    """Gives certificates to machines that may have them.

    Args:
        connected: tells whether a node of that name holds a session.
    """

    def __init__(self, registry: Registry, pki: Pki, connected: Callable[[str], bool]) -> None:
        self._registry = registry
        self._pki = pki
        self._connected = connected
        self._user = DISPATCHER

    async def join(self, request: node_pb2.JoinRequest) -> node_pb2.Credentials:
        """A certificate for a machine that shows a token.

        A name that is in use by a connected node is not given away: with it would go that node's Secrets.

        Raises:
            Refused: the token, the name or the request is not right; nothing was used up.
        """
        node = request.node_name
        if faults := names.subdomain(node):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f'the node name "{node}" is not valid: {faults[0]}')
        try:
            token = BootstrapToken.parse(request.token)
            await self._check(token)
            if self._connected(node):
                text = f"a node {node} is connected: stop it, or give this machine another name"
                raise Refused(grpc.StatusCode.ALREADY_EXISTS, text)
            certificate = self._pki.sign_node(node, request.csr_pem)
            await self._use(token)
        except TokenUnknown as error:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error
        except TokenRefused as error:
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, str(error)) from error
        except CsrRefused as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        except StatusError as error:
            raise Refused(grpc.StatusCode.UNAVAILABLE, f"the token cannot be looked up: {error}") from error
        log.info("node %s joined with bootstrap token %s", node, token.id)
        return node_pb2.Credentials(certificate_pem=certificate, ca_pem=self._pki.ca_pem)

    async def renew(self, context: Context, request: node_pb2.RenewRequest) -> node_pb2.Credentials:
        """A newer certificate for the node that asks.

        Raises:
            Refused: the request is not right.
        """
        try:
            certificate = self._pki.sign_node(node_of(context), request.csr_pem)
        except CsrRefused as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        return node_pb2.Credentials(certificate_pem=certificate, ca_pem=self._pki.ca_pem)

    async def _check(self, token: BootstrapToken) -> core_v1.Secret:
        secret = await self._secret(token)
        bootstrap_tokens.check(token, secret, datetime.now(UTC))
        if secret is None:
            raise TokenUnknown(token.id)
        return secret

    async def _use(self, token: BootstrapToken) -> None:
        """Count one use; of machines that come with the same last use, one is admitted."""
        for _ in range(TRIES):
            secret = await self._check(token)
            if not bootstrap_tokens.use(secret):
                return
            try:
                await self._registry.update(
                    self._user, core_v1.Secret, bootstrap_tokens.NAMESPACE, token.secret_name, secret
                )
            except (Conflict, NotFound):
                continue
            else:
                return
        raise Refused(grpc.StatusCode.ABORTED, f'bootstrap token "{token.id}" is in use by too many at once: try again')

    async def _secret(self, token: BootstrapToken) -> core_v1.Secret | None:
        try:
            found = await self._registry.get(self._user, core_v1.Secret, bootstrap_tokens.NAMESPACE, token.secret_name)
        except NotFound:
            return None
        return codec.decode(core_v1.Secret, found.raw)
