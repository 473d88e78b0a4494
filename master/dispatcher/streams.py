"""Streams to nodes: asked for through a session, opened by the node."""

import asyncio
import logging
import secrets
from collections.abc import Callable

import grpc

from master.dispatcher import wire
from master.dispatcher.peers import Context, Refused, node_of, receive
from master.dispatcher.wire import Garbage
from master.registry.streams import Frame, NodeStream, Request, StreamEnded, Target
from master.tracing import span
from timonel.api.errors import ServiceUnavailable, Timeout
from timonel.rpc import node_pb2

log = logging.getLogger(__name__)

DIAL_BACK = 10.0
"""Seconds that a node has to open a stream it was asked for."""

FIRST_FRAME = 5.0
"""Seconds that a call has to say which stream it is."""

Ask = Callable[[str, node_pb2.MasterMessage], bool]
"""Sends a message to a node's session; False when it has none."""


class OpenStreams:
    """The streams that were asked for and have not come yet; a `NodeStreams`."""

    def __init__(self, ask: Ask, dial_back: float = DIAL_BACK) -> None:
        self._ask = ask
        self._dial_back = dial_back
        self._awaited: dict[str, tuple[str, asyncio.Future[_GrpcStream]]] = {}

    async def open_stream(self, node: str, target: Target, request: Request) -> NodeStream:
        """See `NodeStreams`."""
        stream_id = secrets.token_hex(16)
        arrival: asyncio.Future[_GrpcStream] = asyncio.get_running_loop().create_future()
        self._awaited[stream_id] = (node, arrival)
        stream: _GrpcStream | None = None
        try:
            if not self._ask(node, wire.open_stream(stream_id, target, request)):
                raise ServiceUnavailable(f"node {node} is not connected")
            with span("node/open-stream", node=node):
                async with asyncio.timeout(self._dial_back):
                    stream = await arrival
        except TimeoutError:
            raise Timeout(f"node {node} has not opened the stream within {self._dial_back:g} s") from None
        else:
            return stream
        finally:
            del self._awaited[stream_id]
            if stream is None and arrival.done() and not arrival.cancelled() and arrival.exception() is None:
                await arrival.result().close()

    def node_lost(self, node: str) -> None:
        """Give up what is awaited from a node whose session has ended."""
        for awaited_from, arrival in self._awaited.values():
            if awaited_from == node and not arrival.done():
                arrival.set_exception(ServiceUnavailable(f"the connection to node {node} was lost"))

    async def serve(self, context: Context) -> None:
        """Serve the call by which a node opens a stream, until one side closes it.

        Raises:
            Refused: nobody awaits that stream from that node, or the node sends garbage on it.
        """
        node = node_of(context)
        stream_id = await _stream_id(context)
        asked, arrival = self._awaited.get(stream_id, ("", None))
        if asked != node or arrival is None or arrival.done():
            raise Refused(grpc.StatusCode.NOT_FOUND, f"stream {stream_id} is not awaited from node {node}")
        stream = _GrpcStream(context)
        arrival.set_result(stream)
        await stream.until_closed()


class _GrpcStream:
    """A `NodeStream` on a node's call. gRPC's flow control makes reads and writes wait for the other side."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._closed = asyncio.Event()
        self._fault: Refused | None = None

    async def until_closed(self) -> None:
        """Wait for `close`, or for the node to go, which cancels the caller.

        Raises:
            Refused: the node sent garbage.
        """
        try:
            await self._closed.wait()
        finally:
            self._closed.set()
        if self._fault is not None:
            raise self._fault

    async def read(self) -> Frame | None:
        if self._closed.is_set():
            return None
        try:
            message = await receive(self._context)
            return None if message is None else wire.from_frame(message)
        except Garbage as error:
            self._fault = Refused(grpc.StatusCode.INVALID_ARGUMENT, f"garbage on a stream: {error}")
            await self.close()
        except grpc.aio.BaseError as error:
            log.info("a stream broke off: %s", error)
        return None

    async def write(self, frame: Frame) -> None:
        if self._closed.is_set():
            raise StreamEnded("the stream is closed")
        try:
            await self._context.write(wire.to_frame(frame))
        except grpc.aio.BaseError as error:
            raise StreamEnded(f"the stream broke off: {error}") from error

    async def close(self) -> None:
        self._closed.set()


async def _stream_id(context: Context) -> str:
    try:
        async with asyncio.timeout(FIRST_FRAME):
            frame = await receive(context)
    except TimeoutError:
        raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, "the call has not said which stream it is") from None
    except Garbage as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"garbage instead of a first frame: {error}") from error
    if frame is None or frame.channel != node_pb2.Frame.OPEN:
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT, "the first frame of a stream must be OPEN, with the stream's id"
        )
    return bytes(frame.data).decode(errors="replace")
