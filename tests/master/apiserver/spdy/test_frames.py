"""The codec: round trips, any splitting of the bytes, and bytes that are no frames."""

import struct
import tracemalloc
import zlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from master.apiserver.spdy.failure import SpdyError
from master.apiserver.spdy.frames import (
    MAX_CONTROL_BYTES,
    MAX_DATA_BYTES,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    MoreHeaders,
    Ping,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)
from master.apiserver.spdy.headers import DICTIONARY, MAX_BLOCK_BYTES, HeaderReader, HeaderWriter

stream_ids = st.integers(1, 2**31 - 1)
numbers = st.integers(0, 2**32 - 1)
headers = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["Ll", "Nd", "Pd"]), min_size=1, max_size=20),
    st.text(st.characters(codec="latin-1"), max_size=50),
    max_size=6,
)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(SynStream, stream_ids, headers, st.booleans(), st.booleans()),
    st.builds(SynReply, stream_ids, headers, st.booleans()),
    st.builds(MoreHeaders, stream_ids, headers, st.booleans()),
    st.builds(RstStream, stream_ids, numbers),
    st.builds(Settings, st.lists(st.tuples(st.integers(0, 2**24 - 1), numbers), max_size=4).map(tuple)),
    st.builds(Ping, numbers),
    st.builds(GoAway, st.integers(0, 2**31 - 1), numbers),
    st.builds(WindowUpdate, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)),
    st.builds(Data, stream_ids, st.binary(max_size=300), st.booleans()),
)


def encoded(frames: Sequence[Frame]) -> bytes:
    encoder = Encoder()
    return b"".join(map(encoder.encode, frames))


def decoded(data: bytes, cuts: Sequence[int] = ()) -> list[Frame]:
    decoder, found = Decoder(), list[Frame]()
    places = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(places):
        found += decoder.feed(data[start:end])
    return found


def outcome(data: bytes, cuts: Sequence[int]) -> tuple[list[Frame], str]:
    """The frames before an error, and the error."""
    decoder, found = Decoder(), list[Frame]()
    places = [0, *sorted(cuts), len(data)]
    try:
        for start, end in pairwise(places):
            for frame in decoder.feed(data[start:end]):
                found.append(frame)  # what came before an error counts
    except SpdyError as error:
        return found, str(error)
    return found, ""


def control(kind: int, payload: bytes, version: int = 3, flags: int = 0) -> bytes:
    return struct.pack("!HHI", 0x8000 | version, kind, flags << 24 | len(payload)) + payload


@given(st.lists(frames, max_size=8), st.data())
def test_frames_come_back_however_their_bytes_are_split(sent: list[Frame], data: st.DataObject) -> None:
    stream = encoded(sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert decoded(stream, cuts) == sent
    assert decoded(stream, range(len(stream))) == sent


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
@example(control(1, bytes(10)), [])
@example(control(4, b"\xff\xff\xff\xff"), [3])
def test_random_bytes_give_frames_or_a_clear_error(data: bytes, cuts: list[int]) -> None:
    assert outcome(data, cuts) == outcome(data, [])


@given(st.lists(frames, min_size=1, max_size=4), st.data())
def test_damaged_bytes_give_frames_or_a_clear_error(sent: list[Frame], data: st.DataObject) -> None:
    stream = bytearray(encoded(sent))
    for place in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=4)):
        stream[place] ^= data.draw(st.integers(1, 255))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    assert outcome(bytes(stream), cuts) == outcome(bytes(stream), [])


def test_the_dictionary_is_the_one_of_the_protocol() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_blocks_of_another_implementation() -> None:
    """Two blocks of one connection, recorded from kubectl 1.32."""
    reader = HeaderReader()
    first = "78f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45a024cc6461c0c0c0c0590489c44c50e2663400000000ffff"
    assert reader.read(bytes.fromhex(first)) == {"streamtype": "error", "port": "80", "requestid": "0"}
    second = "c2aa15540a2512d209000000ffff"
    assert reader.read(bytes.fromhex(second)) == {"streamtype": "data", "port": "80", "requestid": "0"}


def test_unknown_kinds_of_frames_are_ignored() -> None:
    assert decoded(control(10, b"abc") + encoded([Ping(1)])) == [Ping(1)]


def test_flags_of_associated_streams_and_priorities_do_not_matter() -> None:
    block = HeaderWriter().write({"port": "80"})
    payload = struct.pack("!IIH", 0x80000003, 1, 0xE000) + block
    assert decoded(control(1, payload, flags=1)) == [SynStream(3, {"port": "80"}, fin=True)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (control(6, bytes(4), version=2), "SPDY version 2"),
        (control(6, bytes(3)), "PING frame cannot have 3 bytes"),
        (control(3, bytes(4)), "RST_STREAM frame cannot have 4 bytes"),
        (control(7, bytes(9)), "GOAWAY frame cannot have 9 bytes"),
        (control(9, bytes(7)), "WINDOW_UPDATE frame cannot have 7 bytes"),
        (control(4, bytes(3)), "SETTINGS frame cannot have 3 bytes"),
        (control(4, struct.pack("!I", 2**29)), "SETTINGS frame cannot have 4 bytes"),
        (control(1, bytes(9)), "SYN_STREAM frame cannot have 9 bytes"),
        (control(3, bytes(8)), "names stream 0"),
        (control(1, bytes(10) + HeaderWriter().write({})), "names stream 0"),
        (struct.pack("!II", 0, 1) + b"x", "names stream 0"),
        (struct.pack("!II", 1, MAX_DATA_BYTES + 1), "larger than"),
        (struct.pack("!HHI", 0x8003, 1, MAX_CONTROL_BYTES + 1), "larger than"),
        (control(1, struct.pack("!IIH", 1, 0, 0) + b"garbage"), "cannot be inflated"),
        (control(2, struct.pack("!I", 1) + zlib.compress(bytes(4))), "ends the stream of header blocks"),
    ],
)
def test_hostile_frames(data: bytes, words: str) -> None:
    with pytest.raises(SpdyError, match=words):
        decoded(data)


def block(plain: bytes) -> bytes:
    deflate = zlib.compressobj(zdict=DICTIONARY)
    return deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH)


def pair(name: bytes, value: bytes) -> bytes:
    return struct.pack("!I", len(name)) + name + struct.pack("!I", len(value)) + value


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (b"", "cut short"),
        (b"\0\0", "cut short"),
        (struct.pack("!I", 1), "announces 1 headers and has 0"),
        (struct.pack("!I", 0) + pair(b"a", b"b"), "announces 0 headers and has 1"),
        (struct.pack("!I", 2**32 - 1) + pair(b"a", b"b"), "announces 4294967295 headers"),
        (struct.pack("!II", 1, 2**32 - 1) + b"a", "cut short"),
        (struct.pack("!I", 1) + pair(b"a", b"b")[:-1], "cut short"),
        (struct.pack("!I", 1) + pair(b"", b"b"), "empty, repeated or not in lower case"),
        (struct.pack("!I", 1) + pair(b"Port", b"b"), "empty, repeated or not in lower case"),
        (struct.pack("!I", 2) + pair(b"a", b"b") * 2, "empty, repeated or not in lower case"),
        (struct.pack("!I", 1) + pair(b"a", bytes(MAX_BLOCK_BYTES)), "inflates to more than"),
    ],
)
def test_hostile_header_blocks(plain: bytes, words: str) -> None:
    with pytest.raises(SpdyError, match=words):
        HeaderReader().read(block(plain))


def test_a_bomb_is_not_inflated() -> None:
    bomb = block(bytes(10_000_000))
    assert len(bomb) < MAX_CONTROL_BYTES
    reader = HeaderReader()
    tracemalloc.start()
    try:
        with pytest.raises(SpdyError, match="inflates to more than"):
            reader.read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(st.lists(headers, max_size=5))
def test_blocks_share_one_context(sent: list[dict[str, str]]) -> None:
    writer, reader = HeaderWriter(), HeaderReader()
    assert [reader.read(writer.write(each)) for each in sent] == sent
