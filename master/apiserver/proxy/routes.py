"""Ways to a server: a connection of this machine's own, or one that a node makes inside a pod.

A node's way is bytes in a gRPC stream; a pair of sockets makes a connection of them, so that HTTP and TLS above it need
not know.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import aiohttp

from master.registry.streams import Channel, Frame, NodeStream, NodeStreams, PortForward, StreamEnded, Target
from timonel.api import codec
from timonel.api.errors import StatusError
from timonel.api.types import meta_v1
from timonel.tasks import end

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
KEPT_SECONDS = 15.0
"""How long an idle connection is kept for the next request."""
PIECE = 64 * 1024

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Unreachable(OSError):
    """There is no connection to the server; the text says why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server is spoken to in TLS, and which name its certificate must have."""

    context: ssl.SSLContext
    name: str


class Route(Protocol):
    """A way to one server."""

    @property
    def problem(self) -> str:
        """Why the way broke off last, where somebody on it said so."""

    async def open(self, make: Callable[[], P], tls: Tls | None) -> tuple[asyncio.Transport, P]:
        """A new connection, given to the protocol that `make` gives.

        Raises:
            OSError: there is none.
        """


@dataclass(frozen=True, slots=True)
class Direct:
    """Straight from this machine."""

    host: str
    port: int
    problem: str = ""

    async def open(self, make: Callable[[], P], tls: Tls | None) -> tuple[asyncio.Transport, P]:
        """See `Route`."""
        loop = asyncio.get_running_loop()
        options = {"ssl": tls.context, "server_hostname": tls.name} if tls else {}
        return await loop.create_connection(make, self.host, self.port, **options)  # type: ignore[call-overload, no-any-return]


class InPod:
    """To a port inside a pod, by way of its node: as good across machines as on one."""

    def __init__(self, nodes: NodeStreams, node: str, target: Target, host: str, port: int) -> None:
        self._nodes = nodes
        self._node = node
        self._target = target
        self._asked = PortForward(port, host)
        self.problem = ""

    async def open(self, make: Callable[[], P], tls: Tls | None) -> tuple[asyncio.Transport, P]:
        """See `Route`."""
        try:
            stream = await self._nodes.open_stream(self._node, self._target, self._asked)
        except StatusError as error:
            raise Unreachable(error.message) from error
        ours, theirs = socket.socketpair()
        bridge = asyncio.create_task(self._bridge(stream, ours), name=f"way to pod {self._target.pod}")
        _BRIDGES.add(bridge)
        bridge.add_done_callback(_BRIDGES.discard)
        options = {"ssl": tls.context, "server_hostname": tls.name} if tls else {}
        loop = asyncio.get_running_loop()
        theirs.setblocking(False)
        try:
            return await loop.create_unix_connection(make, sock=theirs, **options)  # type: ignore[arg-type]
        except OSError as error:
            theirs.close()
            raise Unreachable(self.problem or str(error)) from error

    async def _bridge(self, stream: NodeStream, ours: socket.socket) -> None:
        """Carry both ways until either side has ended: the socket's other end is of a client that never half-closes."""
        ours.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        up = asyncio.create_task(_to_node(reader, stream))
        down = asyncio.create_task(self._from_node(stream, writer))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            if up.done() and not up.result():
                await down
        except ConnectionError as error:
            log.debug("a way to pod %s ended: %s", self._target.pod, error)
        finally:
            await end((up, down))
            writer.close()
            await stream.close()

    async def _from_node(self, stream: NodeStream, writer: asyncio.StreamWriter) -> None:
        while (frame := await stream.read()) is not None:
            match frame.channel:
                case Channel.STDOUT:
                    writer.write(frame.data)
                    await writer.drain()
                case Channel.STATUS:
                    status = codec.decode(meta_v1.Status, frame.data)
                    self.problem = status.message if status.status == "Failure" else ""
                    return
                case Channel.CLOSE:
                    return


_BRIDGES: set[asyncio.Task[None]] = set()
"""Keeps running bridges from being collected; each ends with its connection."""


async def _to_node(reader: asyncio.StreamReader, stream: NodeStream) -> bool:
    """True when the client has ended, False when the node wants no more but may still have something to say."""
    try:
        while data := await reader.read(PIECE):
            await stream.write(Frame(Channel.STDIN, data))
    except StreamEnded:
        return False
    return True


class RouteConnector(aiohttp.BaseConnector):
    """Lets an HTTP client go all its ways by one route, whatever its URLs say."""

    def __init__(self, route: Route, tls: Tls | None) -> None:
        super().__init__(limit=0, keepalive_timeout=KEPT_SECONDS)
        self._route = route
        self._tls = tls

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: object, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.client_proto.ResponseHandler:
        async with asyncio.timeout(CONNECT_SECONDS):
            return (await self._route.open(self._factory, self._tls))[1]


def client(route: Route, tls: Tls | None) -> aiohttp.ClientSession:
    """An HTTP client for one server, which adds nothing to what it sends and changes nothing of what it gets."""
    return aiohttp.ClientSession(
        connector=RouteConnector(route, tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )
