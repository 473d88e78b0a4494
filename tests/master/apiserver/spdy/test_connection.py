"""The rules of a connection, with a client that is made of the codec."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.apiserver.spdy.connection import (
    CREDIT_BYTES,
    MAX_STREAMS,
    MAX_WINDOW,
    WINDOW_BYTES,
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

PORT = {"port": "80"}


class Peer:
    """A connection and its client."""

    def __init__(self) -> None:
        self.connection = Connection()
        self._encoder = Encoder()
        self._decoder = Decoder()

    def says(self, *frames: Frame) -> list[Event]:
        """What the connection makes of the client's frames."""
        return [event for frame in frames for event in self.connection.receive(self._encoder.encode(frame))]

    def hears(self) -> list[Frame]:
        """What the connection sends."""
        return list(self._decoder.feed(self.connection.take()))


@pytest.fixture
def peer() -> Peer:
    return Peer()


def test_a_stream_from_its_opening_to_its_end(peer: Peer) -> None:
    assert peer.says(SynStream(1, PORT)) == [StreamOpened(1, PORT)]
    peer.connection.reply(1)
    assert peer.says(Data(1, b"in"), Data(1, b"", fin=True)) == [DataReceived(1, b"in"), StreamEnded(1)]
    peer.connection.send(1, b"out")
    peer.connection.send(1, b"", fin=True)
    assert peer.hears() == [SynReply(1, {}), Data(1, b"out"), Data(1, b"", fin=True)]
    assert not peer.connection.streams


def test_a_stream_that_is_ended_with_its_opening_or_by_headers(peer: Peer) -> None:
    assert peer.says(SynStream(1, PORT, fin=True)) == [StreamOpened(1, PORT), StreamEnded(1)]
    assert peer.says(SynStream(3, PORT), MoreHeaders(3, {"a": "b"}), MoreHeaders(3, {}, fin=True)) == [
        StreamOpened(3, PORT),
        StreamEnded(3),
    ]


def test_either_side_may_go_on_after_the_other_has_ended(peer: Peer) -> None:
    peer.says(SynStream(1, PORT), SynStream(3, PORT))
    peer.connection.send(1, b"", fin=True)
    assert peer.says(Data(1, b"x"), Data(3, b"", fin=True)) == [DataReceived(1, b"x"), StreamEnded(3)]
    peer.connection.send(3, b"y")
    assert peer.hears() == [Data(1, b"", fin=True), Data(3, b"y")]
    assert peer.connection.streams.keys() == {1, 3}


def test_resets_by_either_side(peer: Peer) -> None:
    peer.says(SynStream(1, PORT), SynStream(3, PORT))
    assert peer.says(RstStream(1, 5), RstStream(1, 5)) == [StreamReset(1, 5)]
    peer.connection.reset(3, Reset.CANCEL)
    peer.connection.reset(3, Reset.CANCEL)
    assert peer.hears() == [RstStream(3, Reset.CANCEL)]
    assert peer.says(Data(3, b"was on its way"), Data(1, b"so was this")) == []
    assert peer.hears() == []


def test_pings_of_the_client_are_answered(peer: Peer) -> None:
    assert peer.says(Ping(7), Ping(8)) == []
    assert peer.hears() == [Ping(7)]


def test_settings_that_do_not_matter_and_leaving(peer: Peer) -> None:
    assert peer.says(Settings(((4, 100),)), GoAway(0, 0)) == [GoneAway()]
    assert peer.hears() == []


def test_rules_of_one_stream(peer: Peer) -> None:
    assert peer.says(Data(1, b"before it is open")) == []
    assert peer.says(SynStream(5, PORT), SynStream(3, PORT)) == [StreamOpened(5, PORT)]
    assert peer.says(SynStream(5, PORT)) == [StreamReset(5, Reset.PROTOCOL_ERROR)]
    assert peer.says(SynStream(7, PORT, fin=True), Data(7, b"after its end"))[2:] == [
        StreamReset(7, Reset.STREAM_ALREADY_CLOSED)
    ]
    assert peer.says(SynStream(9, PORT, unidirectional=True)) == []
    assert peer.hears() == [
        RstStream(1, Reset.INVALID_STREAM),
        RstStream(3, Reset.PROTOCOL_ERROR),
        RstStream(5, Reset.PROTOCOL_ERROR),
        RstStream(7, Reset.STREAM_ALREADY_CLOSED),
        RstStream(9, Reset.REFUSED_STREAM),
    ]
    assert not peer.connection.streams


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (SynStream(2, {}), "odd numbers"),
        (SynReply(1, {}), "was not asked for"),
        (WindowUpdate(0, MAX_WINDOW), "window for all streams"),
        (Settings(((INITIAL_WINDOW_SIZE, MAX_WINDOW + 1),)), "initial window"),
    ],
)
def test_what_ends_a_connection(peer: Peer, frame: Frame, words: str) -> None:
    peer.says(SynStream(1, PORT))
    with pytest.raises(SpdyError, match=words):
        peer.says(frame)
    assert peer.hears() == [GoAway(1, Leaving.PROTOCOL_ERROR)]


def test_too_many_streams_are_refused(peer: Peer) -> None:
    ids = range(1, 2 * MAX_STREAMS + 3, 2)
    assert len(peer.says(*(SynStream(each, {}) for each in ids))) == MAX_STREAMS
    assert peer.hears() == [RstStream(ids[-1], Reset.REFUSED_STREAM)]
    peer.connection.reset(1, Reset.CANCEL)
    assert peer.says(SynStream(ids[-1] + 2, {})) == [StreamOpened(ids[-1] + 2, {})]


def test_no_new_streams_after_leaving(peer: Peer) -> None:
    peer.says(SynStream(1, PORT))
    peer.connection.leave()
    peer.connection.leave()
    assert peer.says(SynStream(3, PORT), Data(1, b"x")) == [DataReceived(1, b"x")]
    assert peer.hears() == [GoAway(1, Leaving.OK)]


def test_consumed_bytes_are_credited_in_large_steps(peer: Peer) -> None:
    peer.says(SynStream(1, PORT), Data(1, bytes(CREDIT_BYTES - 1)))
    peer.connection.credit(1, CREDIT_BYTES - 1)
    assert peer.hears() == []
    peer.says(Data(1, b"x"))
    assert peer.hears() == [WindowUpdate(0, CREDIT_BYTES)], "all together, as soon as it has come"
    peer.connection.credit(1, 1)
    assert peer.hears() == [WindowUpdate(1, CREDIT_BYTES)], "of the stream, once it is consumed"
    peer.connection.credit(1, CREDIT_BYTES + 1)
    assert peer.hears() == [WindowUpdate(1, CREDIT_BYTES + 1)]


def test_windows_bind_only_with_a_client_that_keeps_them(peer: Peer) -> None:
    peer.says(SynStream(1, PORT), SynStream(3, PORT))
    assert peer.connection.room(1) == MAX_WINDOW
    peer.connection.send(1, bytes(WINDOW_BYTES))
    assert peer.connection.room(1) == MAX_WINDOW
    assert peer.says(WindowUpdate(1, 10)) == [WindowsOpened()]
    assert (peer.connection.room(1), peer.connection.room(3)) == (0, 0), "the window of all is used up"
    peer.says(WindowUpdate(0, WINDOW_BYTES))
    assert (peer.connection.room(1), peer.connection.room(3)) == (10, WINDOW_BYTES)
    peer.says(Settings(((INITIAL_WINDOW_SIZE, WINDOW_BYTES - 20),)))
    assert (peer.connection.room(1), peer.connection.room(3)) == (0, WINDOW_BYTES - 20)
    peer.says(WindowUpdate(1, 15))
    assert peer.connection.room(1) == 5
    assert peer.says(WindowUpdate(3, MAX_WINDOW)) == [StreamReset(3, Reset.FLOW_CONTROL_ERROR)]


client_frames = st.lists(
    st.one_of(
        st.builds(SynStream, st.integers(1, 12), st.just(PORT), st.booleans(), st.booleans()),
        st.builds(SynReply, st.integers(1, 12), st.just({})),
        st.builds(MoreHeaders, st.integers(1, 12), st.just({}), st.booleans()),
        st.builds(RstStream, st.integers(1, 12), st.integers(0, 12)),
        st.builds(Settings, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**32 - 1)), max_size=2).map(tuple)),
        st.builds(Ping, st.integers(0, 5)),
        st.builds(GoAway, st.integers(0, 9), st.integers(0, 3)),
        st.builds(WindowUpdate, st.integers(0, 12), st.integers(0, 2**31 - 1)),
        st.builds(Data, st.integers(1, 12), st.binary(max_size=40), st.booleans()),
    ),
    max_size=30,
)


def played(data: bytes, cuts: Sequence[int]) -> tuple[list[Event], str, bytes]:
    """The events, the error, and what is sent, of bytes in pieces."""
    connection, events = Connection(), list[Event]()
    places = [0, *sorted(cuts), len(data)]
    try:
        for start, end in pairwise(places):
            for event in connection.receive(data[start:end]):
                events.append(event)  # what came before an error counts
    except SpdyError as error:
        return events, str(error), connection.take()
    return events, "", connection.take()


@given(client_frames, st.data())
def test_any_splitting_gives_the_same_events_and_answers(frames: list[Frame], data: st.DataObject) -> None:
    encoder = Encoder()
    stream = b"".join(map(encoder.encode, frames))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert played(stream, cuts) == played(stream, [])


@given(client_frames, st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12)), max_size=30))
def test_events_keep_the_order_of_a_streams_life(frames: list[Frame], actions: list[tuple[int, int]]) -> None:
    """Opened once, then data, then an end or a reset; and whatever is open can be used without failing."""
    peer, opened, finished, ended = Peer(), set[int](), set[int](), set[int]()
    steps = iter(actions)
    for frame in frames:
        try:
            events = peer.says(frame)
        except SpdyError:
            break
        for event in events:
            match event:
                case StreamOpened(stream_id):
                    assert stream_id not in opened
                    opened.add(stream_id)
                case DataReceived(stream_id) | StreamEnded(stream_id) | StreamReset(stream_id):
                    assert stream_id in opened - finished
                    if isinstance(event, StreamReset):
                        finished.add(stream_id)
                    else:
                        assert stream_id not in ended
                    if isinstance(event, StreamEnded):
                        ended.add(stream_id)
        use(peer.connection, *next(steps, (0, 0)))
    assert peer.connection.streams.keys() <= opened - finished
    peer.hears()


def use(connection: Connection, action: int, stream_id: int) -> None:
    """Do one thing that a session may do."""
    match action:
        case 1 if stream_id in connection.streams:
            connection.reset(stream_id, Reset.CANCEL)
        case 2:
            connection.credit(stream_id, CREDIT_BYTES)
        case 3 if stream_id in connection.streams and connection.room(stream_id):
            connection.send(stream_id, b"x")
        case 4:
            connection.leave()
