"""Serves what the master asks to be streamed: logs, exec, attach and port-forward."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from node_agent.log_streams import log_container, log_query
from node_agent.namespaces import connect_inside
from node_agent.runtimes.base import NotRunning, RuntimeFailure, Streams, Terminal
from node_agent.terminals import resize, success, terminal_status
from node_agent.worker import PodWorker
from timonel.api import codec
from timonel.api.errors import BadRequest, InternalError, NotFound, ServiceUnavailable, StatusError, TooManyRequests
from timonel.api.types import meta_v1
from timonel.rpc import node_pb2
from timonel.rpc.channel import FRAME_BYTES
from timonel.tasks import end

if TYPE_CHECKING:
    from timonel.rpc.node_pb2_grpc import NodeAsyncStub

logger = logging.getLogger(__name__)

MAX_STREAMS = 500
CONNECT_SECONDS = 10.0
LINGER_SECONDS = 10.0
"""How long the master has to take a stream's last frames."""

MAX_WAITING = 16
"""Frames from the master that wait for a slow process; more are not read."""

Frame = node_pb2.Frame
Call = grpc.aio.StreamStreamCall[node_pb2.Frame, node_pb2.Frame]


class Conversation:
    """The frames of one stream. One task reads for as long as the call lives: a cancelled read would end the call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._waiting: asyncio.Queue[node_pb2.Frame | None] = asyncio.Queue(MAX_WAITING)
        self._reader = asyncio.create_task(self._read_all(), name="stream frames")

    async def read(self) -> node_pb2.Frame | None:
        """The next frame; None when the master has left."""
        return await self._waiting.get()

    async def write(self, channel: "Frame.Channel.ValueType", data: bytes) -> None:
        """Send, in frames of bounded size; waits while the master does not read."""
        for start in range(0, max(len(data), 1), FRAME_BYTES):
            await self._call.write(Frame(channel=channel, data=data[start : start + FRAME_BYTES]))

    async def finish(self, status: meta_v1.Status) -> None:
        """Send how it ended, and let the master take what was sent."""
        await self.write(Frame.STATUS, codec.encode(status))
        await self._call.done_writing()
        await asyncio.wait({self._reader}, timeout=LINGER_SECONDS)

    def close(self) -> None:
        """End the call."""
        self._reader.cancel()
        self._call.cancel()

    async def _read_all(self) -> None:
        try:
            while isinstance(frame := await self._call.read(), Frame):
                await self._waiting.put(frame)
        except grpc.RpcError:
            logger.debug("a stream was lost")
        await self._waiting.put(None)


class StreamServer:
    """Opens the streams that the master asks for; each is one task."""

    def __init__(self, streams: Streams, find_pod: Callable[[str], PodWorker | None]) -> None:
        self._streams = streams
        self._find_pod = find_pod
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, stub: "NodeAsyncStub", request: node_pb2.OpenStream) -> None:
        """Dial back and serve, in the background."""
        task = asyncio.create_task(self._serve(stub, request), name=f"stream {request.stream_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all streams."""
        await end(self._tasks)

    async def _serve(self, stub: "NodeAsyncStub", request: node_pb2.OpenStream) -> None:
        call: Call = stub.Stream()  # type: ignore[call-arg]  # the stubs do not know calls that are written to
        talk = Conversation(call)
        try:
            await talk.write(Frame.OPEN, request.stream_id.encode())
            await talk.finish(await self._status_of(talk, request))
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            logger.debug("stream %s ended early: %s", request.stream_id, error)
        finally:
            talk.close()

    async def _status_of(self, talk: Conversation, request: node_pb2.OpenStream) -> meta_v1.Status:
        """Serve the stream; how it ended."""
        try:
            if len(self._tasks) > MAX_STREAMS:
                raise TooManyRequests("this node serves too many streams already", 5)
            worker = self._find_pod(request.pod_uid)
            if worker is None:
                raise NotFound("pods", request.pod_name)
            return await self._run(talk, request, worker)
        except StatusError as error:
            return error.status()
        except NotRunning as failure:
            return BadRequest(failure.message).status()
        except (RuntimeFailure, OSError, TimeoutError) as failure:
            return InternalError(str(failure)).status()

    async def _run(self, talk: Conversation, request: node_pb2.OpenStream, worker: PodWorker) -> meta_v1.Status:
        match request.WhichOneof("what"):
            case "logs":
                container = log_container(worker, request.container, request.logs.previous)
                async for chunk in self._streams.logs(container, log_query(request.logs)):
                    await talk.write(Frame.STDOUT, chunk)
                return success()
            case "exec":
                options = request.exec
                terminal = await self._streams.exec(
                    worker.running(request.container), options.command, stdin=options.stdin, tty=options.tty
                )
                return await _converse(talk, terminal, is_exec=True)
            case "attach":
                options = request.attach
                terminal = await self._streams.attach(
                    worker.running(request.container), stdin=options.stdin, tty=options.tty
                )
                return await _converse(talk, terminal, is_exec=False)
            case "port_forward":
                return await _forward(talk, request, worker)
            case _:
                raise BadRequest("the stream asks for nothing that this node knows")


async def _converse(talk: Conversation, terminal: Terminal, *, is_exec: bool) -> meta_v1.Status:
    """Talk until the process's output ends; a client that leaves ends it too."""
    try:
        whole = await _carry(_feed(talk, terminal), _show(talk, terminal))
        return terminal_status(await terminal.exit_code()) if whole and is_exec else success()
    finally:
        await terminal.close()


async def _carry(inward: Coroutine[Any, Any, bool], outward: Coroutine[Any, Any, None]) -> bool:
    """Carry both directions until the outward one ends; False when the inward one said before that all is over."""
    feeding = asyncio.create_task(inward, name="stream input")
    showing = asyncio.create_task(outward, name="stream output")
    try:
        await asyncio.wait({feeding, showing}, return_when=asyncio.FIRST_COMPLETED)
        if not showing.done() and not feeding.result():
            return False
        await showing
        return True
    finally:
        await end((feeding, showing))


async def _feed(talk: Conversation, terminal: Terminal) -> bool:
    """Give the client's frames to the process. True when only its input has ended, False when the client has left."""
    while (frame := await talk.read()) is not None:
        match frame.channel:
            case Frame.STDIN:
                await terminal.write(frame.data)
            case Frame.RESIZE:
                await resize(terminal, frame.data)
            case Frame.CLOSE if frame.data[:1] == bytes([Frame.STDIN]):
                await terminal.close_stdin()
            case _:
                pass
    return False


async def _show(talk: Conversation, terminal: Terminal) -> None:
    async for number, data in terminal.output():
        await talk.write(Frame.STDERR if number == 2 else Frame.STDOUT, data)


async def _forward(talk: Conversation, request: node_pb2.OpenStream, worker: PodWorker) -> meta_v1.Status:
    """One connection to a port inside the pod's network namespace."""
    host, port = request.port_forward.host, request.port_forward.port
    pid = worker.sandbox_pid()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await connect_inside(pid, port, host)
    except (OSError, TimeoutError) as error:
        if host:
            why = os.strerror(error.errno).lower() if error.errno else "timeout"
            raise ServiceUnavailable(f"dial tcp {host}:{port}: connect: {why}") from error
        where = (
            f"port {port} to pod {request.pod_name}, uid : failed to connect to localhost:{port} inside its namespace"
        )
        raise InternalError(f"error forwarding {where}: {error}") from error
    try:
        await _carry(_feed_socket(talk, writer), _show_socket(talk, reader))
    except ConnectionError as error:
        # What the pod does to its own connection is no failure of the forwarding: kubectl would stop all of it.
        logger.debug("pod %s closed a forwarded connection: %s", request.pod_name, error)
    finally:
        writer.transport.abort()
    return success()


async def _feed_socket(talk: Conversation, writer: asyncio.StreamWriter) -> bool:
    """True when the client has no more to send, but still listens."""
    while (frame := await talk.read()) is not None:
        if frame.channel == Frame.STDIN:
            writer.write(frame.data)
            await writer.drain()
        elif frame.channel == Frame.CLOSE:
            writer.write_eof()
            return True
    return False


async def _show_socket(talk: Conversation, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(FRAME_BYTES):
        await talk.write(Frame.STDOUT, data)
    await talk.write(Frame.CLOSE, bytes([Frame.STDOUT]))
