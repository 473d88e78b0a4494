"""The dispatcher: the gRPC servers that nodes dial.

There are two, because gRPC cannot leave client certificates optional: Bootstrap, where a machine has none yet, and
Node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc

from master.dispatcher.bootstrap import DISPATCHER, Admission
from master.dispatcher.feed import Feed
from master.dispatcher.peers import Context, Refused
from master.dispatcher.session import Settings
from master.dispatcher.sessions import Sessions
from master.pki import Host, Pki
from master.registry.recorder import EventRecorder
from master.registry.streams import NodeStream, Request, Target
from master.registry.usage import UsageSource
from master.registry.verbs import Registry
from timonel.api.types import core_v1, discovery_v1, node_v1
from timonel.rpc import node_pb2
from timonel.rpc.channel import SERVER_OPTIONS

log = logging.getLogger(__name__)

FEED_KINDS = {
    "Node": core_v1.Node,
    "Pod": core_v1.Pod,
    "ConfigMap": core_v1.ConfigMap,
    "Secret": core_v1.Secret,
    "Service": core_v1.Service,
    "EndpointSlice": discovery_v1.EndpointSlice,
    "RuntimeClass": node_v1.RuntimeClass,
}

ABORT_SECONDS = 1.0
"""How long a refusal may take to be sent: to a node that reads nothing it never is."""

STOP_SECONDS = 1.0


class Dispatcher:
    """Serves the node protocol. It is a `NodeStreams`, and its `usage` a `UsageSource`.

    Args:
        registry: started.
        pki: signs the servers' certificate and those of nodes.
        hosts: the names and addresses under which nodes reach this machine.
        address: the address to listen on.
        bootstrap_port: 0 takes any that is free.
        node_port: likewise.
    """

    def __init__(
        self,
        registry: Registry,
        pki: Pki,
        *,
        hosts: Iterable[Host],
        address: str = "0.0.0.0",
        bootstrap_port: int = 0,
        node_port: int = 0,
        settings: Settings = Settings(),  # noqa: B008
    ) -> None:
        self.bootstrap_port = bootstrap_port
        self.node_port = node_port
        self._pki = pki
        self._hosts = list(hosts)
        self._address = address
        self._feed = Feed({kind: registry.cache(struct) for kind, struct in FEED_KINDS.items()})
        self._recorder = EventRecorder(registry, "dispatcher", DISPATCHER)
        self._sessions = Sessions(registry, self._feed, self._recorder, settings)
        self._admission = Admission(registry, pki, self._sessions.connected)
        self._servers: list[grpc.aio.Server] = []

    @property
    def usage(self) -> UsageSource:
        """What nodes and pods use."""
        return self._sessions.usage

    def connected(self, node: str) -> bool:
        """Whether the node holds a session here."""
        return self._sessions.connected(node)

    async def open_stream(self, node: str, target: Target, request: Request) -> NodeStream:
        """See `NodeStreams`."""
        return await self._sessions.streams.open_stream(node, target, request)

    async def start(self) -> None:
        """Listen; `bootstrap_port` and `node_port` then say where.

        Raises:
            OSError: a port is taken.
        """
        self._feed.start()
        await self._recorder.start()
        pair = self._pki.issue_server(self._hosts)
        # The authority is presented too: a machine that joins knows only the hash of its key.
        chain = [(pair.key, pair.certificate + self._pki.ca_pem)]
        open_to_all = grpc.ssl_server_credentials(chain)
        for_nodes = grpc.ssl_server_credentials(chain, self._pki.ca_pem, require_client_auth=True)
        self.bootstrap_port = await self._serve(self._bootstrap_service(), self.bootstrap_port, open_to_all)
        self.node_port = await self._serve(self._node_service(), self.node_port, for_nodes)
        log.info("dispatcher: nodes join at port %d and work at port %d", self.bootstrap_port, self.node_port)

    async def close(self) -> None:
        """End all sessions and stop listening. Idempotent."""
        self._sessions.end_all("the master is stopping")
        servers, self._servers = self._servers, []
        await asyncio.gather(*(server.stop(STOP_SECONDS) for server in servers))
        if servers:
            self._feed.close()
        await self._recorder.close()

    async def _serve(
        self, service: grpc.GenericRpcHandler[Any, Any], port: int, credentials: grpc.ServerCredentials
    ) -> int:
        server = grpc.aio.server(options=SERVER_OPTIONS)
        server.add_generic_rpc_handlers((service,))
        try:
            bound: int = server.add_secure_port(f"{self._address}:{port}", credentials)
        except RuntimeError as error:
            raise OSError(f"the dispatcher cannot listen on {self._address}:{port}: {error}") from error
        self._servers.append(server)
        await server.start()
        return bound

    def _bootstrap_service(self) -> grpc.GenericRpcHandler[Any, Any]:
        async def join(request: node_pb2.JoinRequest, context: Context) -> Any:
            return await _answer(context, lambda: self._admission.join(request))

        return grpc.method_handlers_generic_handler(
            "timonel.node.v1.Bootstrap",
            {
                "Join": grpc.unary_unary_rpc_method_handler(
                    join, node_pb2.JoinRequest.FromString, node_pb2.Credentials.SerializeToString
                )
            },
        )

    def _node_service(self) -> grpc.GenericRpcHandler[Any, Any]:
        async def renew(request: node_pb2.RenewRequest, context: Context) -> Any:
            return await _answer(context, lambda: self._admission.renew(context, request))

        async def session(_: Any, context: Context) -> None:
            await _answer(context, lambda: self._sessions.serve(context))

        async def stream(_: Any, context: Context) -> None:
            await _answer(context, lambda: self._sessions.streams.serve(context))

        return grpc.method_handlers_generic_handler(
            "timonel.node.v1.Node",
            {
                "Renew": grpc.unary_unary_rpc_method_handler(
                    renew, node_pb2.RenewRequest.FromString, node_pb2.Credentials.SerializeToString
                ),
                "Session": grpc.stream_stream_rpc_method_handler(
                    session, node_pb2.NodeMessage.FromString, node_pb2.MasterMessage.SerializeToString
                ),
                "Stream": grpc.stream_stream_rpc_method_handler(
                    stream, node_pb2.Frame.FromString, node_pb2.Frame.SerializeToString
                ),
            },
        )


async def _answer(context: Context, serve: Callable[[], Awaitable[Any]]) -> Any:
    """What `serve` gives; a refusal ends the call with its status and text."""
    try:
        return await serve()
    except Refused as refused:
        log.info("refused %s: %s", context.peer(), refused.text)
        try:
            async with asyncio.timeout(ABORT_SECONDS):
                await context.abort(refused.code, refused.text)
        except TimeoutError:
            log.warning("%s does not read why it was refused", context.peer())
