"""The rules of a SPDY/3.1 connection as its server sees them: bytes in, events out, and bytes to send. Does no I/O.

Flow control. What the client may send is credited as it is consumed, but a client that sends more is not punished: the
SPDY library of Kubernetes' clients (moby/spdystream) knows no windows, it neither keeps to them nor updates them, and
relies on TCP alone. So windows bind what is sent here only once the client has shown that it keeps some, by updating
one or by setting their initial size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from master.apiserver.spdy.failure import SpdyError
from master.apiserver.spdy.frames import (
    INITIAL_WINDOW_SIZE,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Leaving,
    MoreHeaders,
    Ping,
    Reset,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)
from master.apiserver.spdy.headers import Headers

MAX_STREAMS = 1024
"""Open at once; more are refused. A forwarded connection has two."""
WINDOW_BYTES = 64 * 1024
"""The size of all windows at first, as prescribed."""
CREDIT_BYTES = WINDOW_BYTES // 2
"""Consumed bytes are credited when they have come to this many."""
MAX_WINDOW = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The client opens a stream: to be answered with `reply` or `reset`."""

    stream_id: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes of a stream; never none."""

    stream_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The client sends no more on a stream; it still takes."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """A stream is gone, both ways."""

    stream_id: int
    status: int


@dataclass(frozen=True, slots=True)
class WindowsOpened:
    """The client takes more than before; `room` tells of which stream."""


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The client opens no more streams."""


Event = StreamOpened | DataReceived | StreamEnded | StreamReset | WindowsOpened | GoneAway


@dataclass(slots=True)
class _Stream:
    window: int
    """Bytes that the client still takes; less than 0 when it does not say."""
    owed: int = 0
    """Bytes consumed and not yet credited."""
    peer_ended: bool = False
    ended: bool = False


class Connection:
    """One connection. Methods that send put bytes into `pending`, from where `take` takes them."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._encoder = Encoder()
        self._output = bytearray()
        self._streams: dict[int, _Stream] = {}
        self._last_id = 0
        self._all = _Stream(WINDOW_BYTES)
        self._initial_window = WINDOW_BYTES
        self._windows_bind = False
        self._leaving = False

    @property
    def pending(self) -> int:
        """Bytes that wait to be taken."""
        return len(self._output)

    @property
    def streams(self) -> Mapping[int, object]:
        """The streams that are open, one way at least."""
        return self._streams

    def take(self) -> bytes:
        """What is to be sent to the client."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes) -> Iterator[Event]:
        """What `data` of the client means. Exhaust it before the next call; calls to send may come in between.

        Raises:
            SpdyError: the connection is over; its last words are in what is pending.
        """
        try:
            for frame in self._decoder.feed(data):
                yield from self._handle(frame)
        except SpdyError:
            self.leave(Leaving.PROTOCOL_ERROR)
            raise

    def reply(self, stream_id: int) -> None:
        """Accept a stream."""
        self._send(SynReply(stream_id, {}))

    def reset(self, stream_id: int, status: Reset) -> None:
        """End a stream at once, both ways. Idempotent."""
        if self._streams.pop(stream_id, None) is not None:
            self._send(RstStream(stream_id, status))

    def room(self, stream_id: int) -> int:
        """Bytes that the client takes of a stream now."""
        if not self._windows_bind:
            return MAX_WINDOW
        return max(0, min(self._streams[stream_id].window, self._all.window))

    def send(self, stream_id: int, data: bytes, *, fin: bool = False) -> None:
        """Send on an open stream as much as there is `room` for; with `fin`, as its last."""
        stream = self._streams[stream_id]
        stream.window -= len(data)
        self._all.window -= len(data)
        stream.ended = stream.ended or fin
        self._send(Data(stream_id, data, fin))
        self._drop_if_done(stream_id, stream)

    def credit(self, stream_id: int, count: int) -> None:
        """Let the client send `count` more bytes of a stream, for they have been consumed."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.peer_ended:
            self._credit(stream_id, stream, count)

    def leave(self, status: Leaving = Leaving.OK) -> None:
        """Take no more streams. Idempotent."""
        if not self._leaving:
            self._leaving = True
            self._send(GoAway(self._last_id, status))

    def _handle(self, frame: Frame) -> Iterator[Event]:
        match frame:
            case SynStream():
                yield from self._opened(frame)
            case Data(stream_id, data, fin):
                yield from self._data(stream_id, data, fin)
            case MoreHeaders(stream_id, _, fin):
                yield from self._data(stream_id, b"", fin)
            case RstStream(stream_id, status):
                if self._streams.pop(stream_id, None) is not None:
                    yield StreamReset(stream_id, status)
            case WindowUpdate(stream_id, delta):
                yield from self._window_update(stream_id, delta)
            case Settings(values):
                yield from self._settings(values)
            case Ping(ping_id):
                if ping_id % 2:  # the others would answer pings of this side, which sends none
                    self._send(frame)
            case GoAway():
                yield GoneAway()
            case SynReply(stream_id):
                raise SpdyError(f"the client answers stream {stream_id}, which it was not asked for")
            case _:
                assert_never(frame)

    def _opened(self, frame: SynStream) -> Iterator[Event]:
        stream_id = frame.stream_id
        if stream_id % 2 == 0:
            raise SpdyError(f"the client opens stream {stream_id}, but its streams have odd numbers")
        if self._leaving:
            return
        if stream_id <= self._last_id:
            yield from self._fail(stream_id, Reset.PROTOCOL_ERROR)
            return
        self._last_id = stream_id
        if frame.unidirectional or len(self._streams) >= MAX_STREAMS:
            self._send(RstStream(stream_id, Reset.REFUSED_STREAM))
            return
        self._streams[stream_id] = _Stream(self._initial_window)
        yield StreamOpened(stream_id, frame.headers)
        if frame.fin:
            yield from self._data(stream_id, b"", fin=True)

    def _data(self, stream_id: int, data: bytes, fin: bool) -> Iterator[Event]:
        self._credit(0, self._all, len(data))
        stream = self._streams.get(stream_id)
        if stream is None:
            if stream_id > self._last_id:
                yield from self._fail(stream_id, Reset.INVALID_STREAM)
            return  # else it was on its way when the stream ended
        if stream.peer_ended:
            yield from self._fail(stream_id, Reset.STREAM_ALREADY_CLOSED)
            return
        if data:
            yield DataReceived(stream_id, data)
        if fin:
            stream.peer_ended = True
            self._drop_if_done(stream_id, stream)
            yield StreamEnded(stream_id)

    def _fail(self, stream_id: int, status: Reset) -> Iterator[Event]:
        """The client breaks the rules of one stream only."""
        self._send(RstStream(stream_id, status))
        if self._streams.pop(stream_id, None) is not None:
            yield StreamReset(stream_id, status)

    def _window_update(self, stream_id: int, delta: int) -> Iterator[Event]:
        self._windows_bind = True
        stream = self._streams.get(stream_id) if stream_id else self._all
        if stream is None:
            return
        stream.window += delta
        if stream.window <= MAX_WINDOW:
            yield WindowsOpened()
        elif stream_id:
            yield from self._fail(stream_id, Reset.FLOW_CONTROL_ERROR)
        else:
            raise SpdyError(f"the client's window for all streams exceeds {MAX_WINDOW} bytes")

    def _settings(self, values: tuple[tuple[int, int], ...]) -> Iterator[Event]:
        for number, value in values:
            if number != INITIAL_WINDOW_SIZE:
                continue
            if value > MAX_WINDOW:
                raise SpdyError(f"the client's initial window of {value} bytes exceeds {MAX_WINDOW} bytes")
            self._windows_bind = True
            for stream in self._streams.values():
                stream.window += value - self._initial_window
            self._initial_window = value
            yield WindowsOpened()

    def _credit(self, stream_id: int, stream: _Stream, count: int) -> None:
        stream.owed += count
        if stream.owed >= CREDIT_BYTES:
            self._send(WindowUpdate(stream_id, stream.owed))
            stream.owed = 0

    def _drop_if_done(self, stream_id: int, stream: _Stream) -> None:
        if stream.ended and stream.peer_ended:
            self._streams.pop(stream_id, None)

    def _send(self, frame: Frame) -> None:
        self._output += self._encoder.encode(frame)
