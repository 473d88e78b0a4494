"""Runs a SPDY connection over a pipe of bytes, and gives each of its streams to asyncio."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from master.apiserver.spdy.connection import (
    Connection,
    DataReceived,
    Event,
    GoneAway,
    StreamEnded,
    StreamOpened,
    StreamReset,
    WindowsOpened,
)
from master.apiserver.spdy.failure import SpdyError
from master.apiserver.spdy.frames import Reset
from master.apiserver.spdy.headers import Headers
from timonel.tasks import end

log = logging.getLogger(__name__)

CHUNK_BYTES = 32 * 1024
"""Of one DATA frame that is sent."""
UNSENT_BYTES = 64 * 1024
"""Bytes that may wait for the client before those who write have to."""
UNSENT_CONTROL_BYTES = 1024 * 1024
"""Bytes that may wait for a client that only sends, before it is not read any more."""
UNREAD_BYTES = 256 * 1024
"""Of one stream; a client that sends more has to wait, on all of its streams."""
STALL_SECONDS = 60.0
"""How long a stream that is not read may hold up the others; then it is reset."""
CLOSE_SECONDS = 2.0
"""How long the client has to take the last bytes, and to leave."""


class Pipe(Protocol):
    """Bytes to and from the client."""

    async def read(self) -> bytes:
        """Some bytes; none at the end.

        Raises:
            ConnectionError: the connection broke.
        """

    async def write(self, data: bytes) -> None:
        """Send; waits while the client does not take it. Raises ConnectionError as well."""


class StreamLost(ConnectionError):
    """A stream was reset, or its connection is gone."""


class Signal:
    """Lets tasks wait for conditions of what somebody else changes."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Event] = set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at after each `changed`."""
        if holds():
            return
        woken = asyncio.Event()
        self._waiters.add(woken)
        try:
            while not holds():
                woken.clear()
                await woken.wait()
        finally:
            self._waiters.discard(woken)

    def changed(self) -> None:
        """Let all who wait look again."""
        for waiter in self._waiters:
            waiter.set()


class Stream:
    """One stream. Whoever gets it from a session answers it with `accept` or `refuse` first."""

    def __init__(self, connection: Connection, sending: Signal, stream_id: int, headers: Headers) -> None:
        self.stream_id = stream_id
        self.headers = headers
        self._connection = connection
        self._sending = sending
        self._reading = Signal()
        self._received: deque[bytes] = deque()
        self._unread = 0
        self._peer_ended = False
        self._ended = False
        self._is_closed = False
        self._is_lost = False

    def accept(self) -> None:
        """Let the client use the stream."""
        if not self._is_lost:
            self._connection.reply(self.stream_id)
            self._sending.changed()

    def refuse(self) -> None:
        """Tell the client that there will be no such stream."""
        self._reset(Reset.REFUSED_STREAM)

    async def read(self) -> bytes:
        """The next bytes; none when the client sends no more.

        Raises:
            StreamLost: it was reset.
        """
        await self._reading.until(lambda: bool(self._received or self._peer_ended or self._is_lost))
        if self._received:
            data = self._received.popleft()
            self._unread -= len(data)
            self._connection.credit(self.stream_id, len(data))
            self._sending.changed()
            self._reading.changed()
            return data
        if not self._peer_ended:
            raise StreamLost(f"stream {self.stream_id} was reset")
        return b""

    async def write(self, data: bytes) -> None:
        """Send; waits while the client does not take it.

        Raises:
            StreamLost: it was reset, or this side has ended it.
        """
        rest = memoryview(data)
        while rest:
            await self._sending.until(lambda: self._is_deaf or self._has_room())
            if self._is_deaf:
                raise StreamLost(f"stream {self.stream_id} was reset or ended")
            size = min(len(rest), CHUNK_BYTES, self._connection.room(self.stream_id))
            self._connection.send(self.stream_id, bytes(rest[:size]))
            self._sending.changed()
            rest = rest[size:]

    def end(self) -> None:
        """Send no more. Idempotent."""
        if not self._is_deaf:
            self._ended = True
            self._connection.send(self.stream_id, b"", fin=True)
            self._sending.changed()

    def close(self) -> None:
        """Send no more, and drop what still comes. Idempotent."""
        self.end()
        self._is_closed = True
        self._drop()

    async def until_lost(self) -> None:
        """Wait until it is reset, or its connection is gone; that it has ended in order is no loss."""
        await self._reading.until(lambda: self._is_lost)

    # What the session tells

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        if not self._is_closed:
            self._received.append(data)
            self._unread += len(data)
            self._reading.changed()

    def peer_ended(self) -> None:
        """The client sends no more."""
        self._peer_ended = True
        self._reading.changed()

    def lost(self) -> None:
        """There is no stream any more; what has come can still be read."""
        self._is_lost = True
        self._reading.changed()
        self._sending.changed()

    async def hold_up(self) -> None:
        """Wait while too much waits to be read; reset the stream when that takes too long."""
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._reading.until(lambda: self._unread <= UNREAD_BYTES or self._is_lost)
        except TimeoutError:
            log.info("SPDY stream %d was reset: it was not read for %.0f s", self.stream_id, STALL_SECONDS)
            self._drop()
            self._reset(Reset.CANCEL)

    @property
    def _is_deaf(self) -> bool:
        return self._is_lost or self._ended

    def _has_room(self) -> bool:
        return self._connection.pending < UNSENT_BYTES and self._connection.room(self.stream_id) > 0

    def _reset(self, status: Reset) -> None:
        self._connection.reset(self.stream_id, status)
        self.lost()

    def _drop(self) -> None:
        self._received.clear()
        self._unread = 0
        self._reading.changed()


class Session:
    """A connection and its streams: `start` it, iterate over the streams that the client opens, and `close` it."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._connection = Connection()
        self._sending = Signal()
        self._accepting = Signal()
        self._streams: dict[int, Stream] = {}
        self._opened: deque[Stream] = deque()
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read and write."""
        self._tasks = [asyncio.create_task(self._read_all()), asyncio.create_task(self._write_all())]

    async def close(self) -> None:
        """Tell the client, give it a moment to take what was sent and to leave, and stop. Idempotent."""
        while self._opened:
            self._opened.popleft().refuse()
        self._connection.leave()
        self._sending.changed()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        finally:
            await end(self._tasks)
            self._end()

    async def __aiter__(self) -> AsyncIterator[Stream]:
        """The streams that the client opens, until it is gone."""
        while True:
            await self._accepting.until(lambda: bool(self._opened) or self._is_over)
            if not self._opened:
                return
            yield self._opened.popleft()

    async def _read_all(self) -> None:
        try:
            while data := await self._pipe.read():
                for event in self._connection.receive(data):
                    await self._handle(event)
                self._sending.changed()
                await self._sending.until(lambda: self._connection.pending < UNSENT_CONTROL_BYTES)
        except SpdyError as error:
            log.info("a SPDY connection was ended: %s", error)
        except ConnectionError as error:
            log.debug("a SPDY connection broke: %s", error)
        finally:
            self._end()

    async def _write_all(self) -> None:
        """Send all there is to send, until the client is gone."""
        try:
            while True:
                await self._sending.until(lambda: self._connection.pending > 0 or self._is_over)
                if not self._connection.pending:
                    return
                await self._pipe.write(self._connection.take())
                self._sending.changed()
        except ConnectionError as error:
            log.debug("a SPDY connection broke: %s", error)
            self._end()

    async def _handle(self, event: Event) -> None:
        match event:
            case StreamOpened(stream_id, headers):
                self._forget_closed()
                stream = self._streams[stream_id] = Stream(self._connection, self._sending, stream_id, headers)
                self._opened.append(stream)
                self._accepting.changed()
            case DataReceived(stream_id, data):
                self._streams[stream_id].received(data)
                await self._streams[stream_id].hold_up()
            case StreamEnded(stream_id):
                self._streams[stream_id].peer_ended()
            case StreamReset(stream_id):
                self._streams[stream_id].lost()
            case WindowsOpened():
                self._sending.changed()
            case GoneAway():
                log.debug("a SPDY client opens no more streams")

    def _forget_closed(self) -> None:
        for stream_id in self._streams.keys() - self._connection.streams.keys():
            del self._streams[stream_id]

    def _end(self) -> None:
        self._is_over = True
        for stream in self._streams.values():
            stream.lost()
        self._accepting.changed()
        self._sending.changed()
