"""Serves port-forwards over SPDY, as kubectl speaks it.

Each connection to a port is a pair of streams with one `requestid`: one carries its bytes, the other the text of what
went wrong. Source: `portforward.k8s.io`, as the kubelet serves it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from master.apiserver.spdy.session import Session, Stream, StreamLost
from master.registry.streams import Channel, Frame, NodeStream, StreamEnded, Target
from timonel.api import codec
from timonel.api.errors import StatusError
from timonel.api.types import meta_v1
from timonel.tasks import end

log = logging.getLogger(__name__)

PROTOCOL = "portforward.k8s.io"
TUNNEL = f"SPDY/3.1+{PROTOCOL}"
"""The sub-protocol of a WebSocket that carries it."""
DATA, ERROR = "data", "error"
PAIR_SECONDS = 30.0
"""How long the second stream of a pair may take to come."""

Open = Callable[[int], Awaitable[NodeStream]]
"""Opens a connection to a port."""


@dataclass(slots=True)
class _Pair:
    """The streams of one connection to a port."""

    port: int
    streams: dict[str, Stream] = field(default_factory=dict)
    is_complete: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, kind: str, port: int, stream: Stream) -> None:
        """Take one of the two streams; refuses what does not fit."""
        if kind in self.streams or port != self.port:
            stream.refuse()
            return
        stream.accept()
        self.streams[kind] = stream
        if len(self.streams) == 2:
            self.is_complete.set()

    async def end(self, problem: str) -> None:
        """Tell the client of a problem, if there is one, and close both streams."""
        try:
            if problem and ERROR in self.streams:
                await self.streams[ERROR].write(problem.encode())
        except StreamLost:
            log.debug("a client did not wait for the reason: %s", problem)
        finally:
            for stream in self.streams.values():
                stream.close()


class Forwarder:
    """Forwards what the client of one session asks for.

    Args:
        session: the client's.
        target: the pod.
        open_port: opens a connection to one of its ports.
    """

    def __init__(self, session: Session, target: Target, open_port: Open) -> None:
        self._session = session
        self._target = target
        self._open_port = open_port
        self._pairs: dict[str, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Until the client is gone."""
        async with asyncio.TaskGroup() as group:
            async for stream in self._session:
                kind, port = stream.headers.get("streamtype", ""), _port(stream.headers.get("port", ""))
                if port is None or kind not in (DATA, ERROR):
                    stream.refuse()
                    continue
                request = _request(stream, kind)
                if request not in self._pairs:
                    self._pairs[request] = _Pair(port)
                    task = group.create_task(self._forward(request, self._pairs[request]))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                self._pairs[request].add(kind, port, stream)
            for task in self._tasks:
                task.cancel()

    async def _forward(self, request: str, pair: _Pair) -> None:
        """One connection, from its first stream on; never fails."""
        problem = ""
        try:
            async with asyncio.timeout(PAIR_SECONDS):
                await pair.is_complete.wait()
            problem = await self._connect(pair)
        except TimeoutError:
            problem = f"timed out waiting for the other stream of request {request}"
        except StreamLost:
            log.debug("port-forward to pod %s: the client dropped request %s", self._target.pod, request)
        finally:
            await pair.end(problem)
            del self._pairs[request]

    async def _connect(self, pair: _Pair) -> str:
        """Open the port and carry both ways; what went wrong, in words, or nothing."""
        where = f"error forwarding port {pair.port} to pod {self._target.pod}, uid {self._target.uid}"
        try:
            node = await self._open_port(pair.port)
            try:
                status = await _couple(pair.streams[DATA], node)
            finally:
                await node.close()
        except StatusError as error:
            return f"{where}: {error.message}"
        if status is None:
            return f"{where}: the connection to the pod's node was lost"
        return (status.message or where) if status.status == "Failure" else ""


def _port(text: str) -> int | None:
    is_port = text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536
    return int(text) if is_port else None


def _request(stream: Stream, kind: str) -> str:
    """What pairs streams. Clients before Kubernetes 1.2 do not say: their error stream is followed by that of data."""
    number = stream.stream_id if kind == ERROR else stream.stream_id - 2
    return stream.headers.get("requestid") or f"stream {number}"


async def _couple(data: Stream, node: NodeStream) -> meta_v1.Status | None:
    """Carry both ways until the node says how it ended; None when it leaves without a word.

    Raises:
        StreamLost: the client wants no more of it.
    """
    down = asyncio.create_task(_to_client(data, node))
    up = asyncio.create_task(_to_node(data, node))
    try:
        await asyncio.wait([down, up], return_when=asyncio.FIRST_COMPLETED)
        if not down.done():
            up.result()
        return await down
    finally:
        await end((down, up))


async def _to_client(data: Stream, node: NodeStream) -> meta_v1.Status | None:
    while (frame := await node.read()) is not None:
        match frame.channel:
            case Channel.STDOUT:
                await data.write(frame.data)
            case Channel.CLOSE if frame.data == bytes((Channel.STDOUT,)):
                data.end()
            case Channel.STATUS:
                return codec.decode(meta_v1.Status, frame.data)
    return None


async def _to_node(data: Stream, node: NodeStream) -> None:
    """Ends when the node wants no more; a client that only has no more to send still listens.

    Raises:
        StreamLost: the client wants no more of it.
    """
    try:
        while piece := await data.read():
            await node.write(Frame(Channel.STDIN, piece))
        await node.write(Frame(Channel.CLOSE, bytes((Channel.STDIN,))))
        await data.until_lost()
        raise StreamLost("the client has dropped the connection")
    except StreamEnded:
        return
