"""The frames of SPDY/3.1: bytes to frames and back, no more."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from master.apiserver.spdy.failure import SpdyError
from master.apiserver.spdy.headers import HeaderReader, Headers, HeaderWriter

VERSION = 3
MAX_DATA_BYTES = 1024 * 1024
"""Of one DATA frame. Clients send some 32 KiB; the format allows 16 MiB, which would have to be held."""
MAX_CONTROL_BYTES = 16 * 1024
"""Of one control frame; no peer may refuse 8 KiB."""

_HEAD = struct.Struct("!II")
_CONTROL = 0x80000000
_FIN = 0x01
_UNIDIRECTIONAL = 0x02
_LOW_31 = 0x7FFFFFFF
_LOW_24 = 0xFFFFFF


class Type(IntEnum):
    """The kinds of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Reset(IntEnum):
    """Why a stream is reset."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_ALREADY_CLOSED = 9


class Leaving(IntEnum):
    """Why a connection ends."""

    OK = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


INITIAL_WINDOW_SIZE = 7
"""The one setting that is of interest here."""


@dataclass(frozen=True, slots=True)
class SynStream:
    """Opens a stream."""

    stream_id: int
    headers: Headers
    fin: bool = False
    unidirectional: bool = False
    """The opener reads nothing."""


@dataclass(frozen=True, slots=True)
class SynReply:
    """Accepts a stream."""

    stream_id: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """Ends a stream at once, both ways; `status` is one of `Reset`, or what the peer made up."""

    stream_id: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Numbers and values."""

    values: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """To be sent back."""

    ping_id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No more streams: those above `last_stream_id` were not served."""

    last_stream_id: int
    status: int


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """Further headers of a stream."""

    stream_id: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """The peer takes `delta` more bytes of a stream; of all together, where `stream_id` is 0."""

    stream_id: int
    delta: int


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream; `fin` when they are its last."""

    stream_id: int
    data: bytes
    fin: bool = False


Frame = SynStream | SynReply | RstStream | Settings | Ping | GoAway | MoreHeaders | WindowUpdate | Data


class Decoder:
    """Frames out of bytes that may come in any pieces."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._headers = HeaderReader()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with `data`. Exhaust it before the next call.

        Raises:
            SpdyError: these are no frames, or one is too large; nothing after it can be read.
        """
        self._waiting += data
        while len(self._waiting) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._waiting)
            size = second & _LOW_24
            limit = MAX_CONTROL_BYTES if first & _CONTROL else MAX_DATA_BYTES
            if size > limit:
                raise SpdyError(f"a frame of {size} bytes is larger than {limit} bytes")
            end = _HEAD.size + size
            if len(self._waiting) < end:
                return
            payload = bytes(memoryview(self._waiting)[_HEAD.size : end])
            del self._waiting[:end]
            frame = self._frame(first, second >> 24, payload)
            if frame is not None:
                yield frame

    def _frame(self, first: int, flags: int, payload: bytes) -> Frame | None:
        """One frame; None for a kind that is not known, which is to be ignored."""
        if not first & _CONTROL:
            return Data(_stream(first), payload, bool(flags & _FIN))
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != VERSION:
            raise SpdyError(f"a frame is of SPDY version {version}, not {VERSION}")
        read = _READERS.get(kind)
        if read is None:
            return None
        try:
            return read(self._headers, flags, payload)
        except struct.error:
            raise SpdyError(f"a {Type(kind).name} frame cannot have {len(payload)} bytes") from None


class Encoder:
    """Frames to bytes, to be sent in the order of the calls."""

    def __init__(self) -> None:
        self._headers = HeaderWriter()

    def encode(self, frame: Frame) -> bytes:
        """The bytes of a frame."""
        match frame:
            case Data(stream_id, data, fin):
                return _HEAD.pack(stream_id, fin << 24 | len(data)) + data
            case SynStream(stream_id, headers, fin, unidirectional):
                flags = fin * _FIN | unidirectional * _UNIDIRECTIONAL
                return _control(
                    Type.SYN_STREAM, struct.pack("!IIH", stream_id, 0, 0), self._headers.write(headers), flags
                )
            case SynReply(stream_id, headers, fin):
                return _control(Type.SYN_REPLY, struct.pack("!I", stream_id), self._headers.write(headers), fin)
            case MoreHeaders(stream_id, headers, fin):
                return _control(Type.HEADERS, struct.pack("!I", stream_id), self._headers.write(headers), fin)
            case RstStream(stream_id, status):
                return _control(Type.RST_STREAM, struct.pack("!II", stream_id, status))
            case Settings(values):
                pairs = b"".join(struct.pack("!II", number & _LOW_24, value) for number, value in values)
                return _control(Type.SETTINGS, struct.pack("!I", len(values)), pairs)
            case Ping(ping_id):
                return _control(Type.PING, struct.pack("!I", ping_id))
            case GoAway(last_stream_id, status):
                return _control(Type.GOAWAY, struct.pack("!II", last_stream_id, status))
            case WindowUpdate(stream_id, delta):
                return _control(Type.WINDOW_UPDATE, struct.pack("!II", stream_id, delta))


def _control(kind: Type, fixed: bytes, rest: bytes = b"", flags: int = 0) -> bytes:
    return _HEAD.pack(_CONTROL | VERSION << 16 | kind, flags << 24 | len(fixed) + len(rest)) + fixed + rest


def _stream(number: int) -> int:
    if not number & _LOW_31:
        raise SpdyError("a frame of a stream names stream 0")
    return number & _LOW_31


def _syn_stream(headers: HeaderReader, flags: int, payload: bytes) -> Frame:
    stream_id, _associated, _priority = struct.unpack_from("!IIH", payload)
    block = headers.read(payload[10:])
    return SynStream(_stream(stream_id), block, bool(flags & _FIN), bool(flags & _UNIDIRECTIONAL))


def _syn_reply(headers: HeaderReader, flags: int, payload: bytes) -> Frame:
    (stream_id,) = struct.unpack_from("!I", payload)
    return SynReply(_stream(stream_id), headers.read(payload[4:]), bool(flags & _FIN))


def _more_headers(headers: HeaderReader, flags: int, payload: bytes) -> Frame:
    (stream_id,) = struct.unpack_from("!I", payload)
    return MoreHeaders(_stream(stream_id), headers.read(payload[4:]), bool(flags & _FIN))


def _rst_stream(_headers: HeaderReader, _flags: int, payload: bytes) -> Frame:
    stream_id, status = struct.unpack("!II", payload)
    return RstStream(_stream(stream_id), status)


def _settings(_headers: HeaderReader, _flags: int, payload: bytes) -> Frame:
    (count,) = struct.unpack_from("!I", payload)
    if len(payload) != 4 + 8 * count:
        raise struct.error
    return Settings(tuple((number & _LOW_24, value) for number, value in struct.iter_unpack("!II", payload[4:])))


def _ping(_headers: HeaderReader, _flags: int, payload: bytes) -> Frame:
    (ping_id,) = struct.unpack("!I", payload)
    return Ping(ping_id)


def _go_away(_headers: HeaderReader, _flags: int, payload: bytes) -> Frame:
    last_stream_id, status = struct.unpack("!II", payload)
    return GoAway(last_stream_id & _LOW_31, status)


def _window_update(_headers: HeaderReader, _flags: int, payload: bytes) -> Frame:
    stream_id, delta = struct.unpack("!II", payload)
    return WindowUpdate(stream_id & _LOW_31, delta & _LOW_31)


_READERS: dict[int, Callable[[HeaderReader, int, bytes], Frame]] = {
    Type.SYN_STREAM: _syn_stream,
    Type.SYN_REPLY: _syn_reply,
    Type.RST_STREAM: _rst_stream,
    Type.SETTINGS: _settings,
    Type.PING: _ping,
    Type.GOAWAY: _go_away,
    Type.HEADERS: _more_headers,
    Type.WINDOW_UPDATE: _window_update,
}
