"""Serves exec and attach over SPDY, as kubectl before 1.31 speaks it: a stream for each channel.

Source: `v4.channel.k8s.io`, as the kubelet serves it; a stream's header `streamtype` names its channel.
"""

import asyncio

from aiohttp import web

from master.apiserver.spdy.session import Session, Signal, Stream, StreamLost
from master.apiserver.streams import channels, pipes
from master.apiserver.streams.channels import Remote
from master.registry.streams import Attach, Exec
from timonel.tasks import end

STREAMS_SECONDS = 30.0
"""How long the client may take to open the streams that it said it wants."""
QUEUED = 16
"""Pieces of input that wait for the node before the client has to."""

_NAMES = {
    "stdin": Remote.STDIN,
    "stdout": Remote.STDOUT,
    "stderr": Remote.STDERR,
    "error": Remote.ERROR,
    "resize": Remote.RESIZE,
}


class SpdyChannels:
    """The channels of one exec or attach. What `channels.Channels` is for WebSockets."""

    closes = True

    def __init__(self, response: web.StreamResponse, session: Session, expected: frozenset[Remote]) -> None:
        self.response = response
        self._session = session
        self._expected = expected
        self._streams: dict[Remote, Stream] = {}
        self._arriving = Signal()
        self._is_over = False
        self._incoming: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(QUEUED)
        session.start()
        self._task = asyncio.create_task(self._take_streams())

    async def send(self, channel: int, data: bytes) -> None:
        """Send data on a channel; drops what the client did not ask for.

        Raises:
            ConnectionError: the client is gone.
            TimeoutError: it never opened its streams.
        """
        to = Remote(data[0] if channel == Remote.CLOSE else channel)
        if to not in self._expected:
            return
        stream = await self._stream(to)
        if channel == Remote.CLOSE:
            stream.end()
        else:
            await stream.write(data)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next channel and its data; None when the client has gone."""
        return await self._incoming.get()

    async def close(self) -> None:
        """End the connection in order. Idempotent."""
        await end([self._task])
        for stream in self._streams.values():
            stream.close()
        await self._session.close()

    async def _stream(self, channel: Remote) -> Stream:
        """One of the streams, once all are there: clients open them in turn, and none may be left without an answer."""
        async with asyncio.timeout(STREAMS_SECONDS):
            await self._arriving.until(lambda: self._streams.keys() == self._expected or self._is_over)
        if channel not in self._streams:
            raise StreamLost(f"the client left before it opened its stream {channel.name.lower()}")
        return self._streams[channel]

    async def _take_streams(self) -> None:
        async with asyncio.TaskGroup() as readers:
            async for stream in self._session:
                channel = _NAMES.get(stream.headers.get("streamtype", ""))
                if channel not in self._expected or channel in self._streams:
                    stream.refuse()
                    continue
                stream.accept()
                self._streams[channel] = stream
                self._arriving.changed()
                if channel in (Remote.STDIN, Remote.RESIZE):
                    readers.create_task(self._read(channel, stream))
        self._is_over = True
        self._arriving.changed()
        await self._incoming.put(None)

    async def _read(self, channel: Remote, stream: Stream) -> None:
        try:
            while data := await stream.read():
                await self._incoming.put((channel, data))
        except StreamLost:
            return
        if channel is Remote.STDIN:
            await self._incoming.put((Remote.CLOSE, bytes((Remote.STDIN,))))


async def accept(http: web.BaseRequest, asked: Exec | Attach) -> SpdyChannels:
    """Turn a request into channels over SPDY.

    Raises:
        BadRequest: the client does not speak their protocol.
        ConnectionError: the client is gone.
    """
    wanted = {
        Remote.ERROR: True,
        Remote.STDIN: asked.stdin,
        Remote.STDOUT: asked.stdout,
        Remote.STDERR: asked.stderr,
        Remote.RESIZE: asked.tty,
    }
    response, pipe = await pipes.upgrade(http, channels.V4.name)
    return SpdyChannels(
        response, Session(pipe), frozenset(channel for channel, is_wanted in wanted.items() if is_wanted)
    )
