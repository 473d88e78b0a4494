"""Sessions over pipes in memory: order, waiting, bounds, and ends of all kinds."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from master.apiserver.spdy import session as sessions
from master.apiserver.spdy.frames import (
    INITIAL_WINDOW_SIZE,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Leaving,
    Ping,
    Reset,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)
from master.apiserver.spdy.session import Session, Stream, StreamLost

DEADLINE = 5.0


class Client:
    """The other end of a pipe, and the pipe; frames can be looked at as they come."""

    def __init__(self) -> None:
        self._to_server: asyncio.Queue[bytes] = asyncio.Queue(4)
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._got = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        self.heard: list[Frame] = []
        self.is_broken = False

    async def read(self) -> bytes:
        return await self._to_server.get()

    async def write(self, data: bytes) -> None:
        if self.is_broken:
            raise ConnectionResetError("broken")
        await self.takes.wait()
        self.heard += self._decoder.feed(data)
        self._got.set()

    async def say(self, *frames: Frame) -> None:
        for frame in frames:
            await self.send(self._encoder.encode(frame))

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._to_server.put(data)

    async def hear(self, holds: Callable[[list[Frame]], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not holds(self.heard):
                self._got.clear()
                await self._got.wait()

    def bytes_of(self, stream_id: int) -> bytes:
        return b"".join(each.data for each in self.heard if isinstance(each, Data) and each.stream_id == stream_id)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
async def session(client: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    monkeypatch.setattr(sessions, "CLOSE_SECONDS", 0.05)
    opened = Session(client)
    opened.start()
    yield opened
    await opened.close()


async def opened(client: Client, session: Session, stream_id: int, **headers: str) -> Stream:
    await client.say(SynStream(stream_id, headers))
    async with asyncio.timeout(DEADLINE):
        stream = await anext(aiter(session))
    assert (stream.stream_id, stream.headers) == (stream_id, headers)
    stream.accept()
    return stream


async def test_a_conversation_with_half_closes(client: Client, session: Session) -> None:
    stream = await opened(client, session, 1, port="80")
    await client.say(Data(1, b"one"), Data(1, b"two", fin=True))
    assert [await stream.read() for _ in range(4)] == [b"one", b"two", b"", b""]
    await stream.write(b"answer")
    stream.end()
    stream.end()
    await client.hear(lambda heard: Data(1, b"", fin=True) in heard)
    assert client.heard == [SynReply(1, {}), Data(1, b"answer"), Data(1, b"", fin=True)]
    with pytest.raises(StreamLost):
        await stream.write(b"more")


async def test_large_writes_are_cut_and_wait_for_a_slow_client(client: Client, session: Session) -> None:
    stream = await opened(client, session, 1)
    await client.hear(bool)
    client.takes.clear()
    text = bytes(range(256)) * 4096
    writing = asyncio.create_task(stream.write(text))
    done, _ = await asyncio.wait([writing], timeout=0.05)
    assert not done, "a client that does not take its bytes holds up who writes"
    client.takes.set()
    await client.hear(lambda _: len(client.bytes_of(1)) == len(text))
    await writing
    assert client.bytes_of(1) == text
    assert max(len(each.data) for each in client.heard if isinstance(each, Data)) == sessions.CHUNK_BYTES


async def test_windows_of_a_client_that_keeps_them(client: Client, session: Session) -> None:
    await client.say(Settings(((INITIAL_WINDOW_SIZE, 5),)))
    stream = await opened(client, session, 1)
    writing = asyncio.create_task(stream.write(b"0123456789"))
    await client.hear(lambda _: client.bytes_of(1) == b"01234")
    await client.say(Ping(1))
    await client.hear(lambda heard: Ping(1) in heard)
    assert not writing.done()
    await client.say(WindowUpdate(1, 3), WindowUpdate(1, 3))
    async with asyncio.timeout(DEADLINE):
        await writing
    await client.hear(lambda _: client.bytes_of(1) == b"0123456789")


async def test_a_stream_that_is_not_read_holds_up_the_client_until_it_is(
    client: Client, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNREAD_BYTES", 10)
    stream = await opened(client, session, 1)
    await client.say(Data(1, b"0123456789"), Ping(1), Data(1, b"x"), Ping(3))
    await client.hear(lambda heard: Ping(1) in heard)
    assert Ping(3) not in client.heard
    assert await stream.read() == b"0123456789"
    await client.hear(lambda heard: Ping(3) in heard)


async def test_a_stream_that_is_never_read_is_reset(
    client: Client, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNREAD_BYTES", 10)
    monkeypatch.setattr(sessions, "STALL_SECONDS", 0.02)
    stream = await opened(client, session, 1)
    await client.say(Data(1, bytes(11)), Ping(1))
    await client.hear(lambda heard: heard[-2:] == [RstStream(1, Reset.CANCEL), Ping(1)])
    with pytest.raises(StreamLost):
        await stream.read()


async def test_a_closed_stream_takes_and_drops_what_still_comes(
    client: Client, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNREAD_BYTES", 10)
    stream = await opened(client, session, 1)
    stream.close()
    await client.say(Data(1, bytes(100)), Data(1, bytes(100), fin=True), Ping(1))
    await client.hear(lambda heard: heard[-1:] == [Ping(1)])


async def test_a_reset_stream_gives_what_had_come_first(client: Client, session: Session) -> None:
    stream = await opened(client, session, 1)
    await client.say(Data(1, b"x"), RstStream(1, Reset.CANCEL), Ping(1))
    await client.hear(lambda heard: Ping(1) in heard)
    assert await stream.read() == b"x"
    with pytest.raises(StreamLost):
        await stream.read()
    with pytest.raises(StreamLost):
        await stream.write(b"x")
    stream.end()
    stream.close()
    await stream.until_lost()


async def test_refused_streams(client: Client, session: Session) -> None:
    await client.say(SynStream(1, {}))
    async with asyncio.timeout(DEADLINE):
        (await anext(aiter(session))).refuse()
    await client.hear(lambda heard: heard == [RstStream(1, Reset.REFUSED_STREAM)])


@pytest.mark.parametrize("end", ["in order", "by garbage", "by breaking"])
async def test_the_end_of_a_client_is_the_end_of_its_streams(client: Client, session: Session, end: str) -> None:
    stream = await opened(client, session, 1)
    await client.hear(bool)
    reading = asyncio.create_task(stream.read())
    match end:
        case "in order":
            await client.send(b"")
        case "by garbage":
            await client.send(b"GET / HTTP/1.1\r\n\r\n" + bytes(2**20))
        case _:
            client.is_broken = True
            await client.say(Ping(1))
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(StreamLost):
            await reading
        assert [each async for each in session] == []
        await session.close()
    told = [GoAway(1, Leaving.PROTOCOL_ERROR)] if end == "by garbage" else []
    assert client.heard == [SynReply(1, {}), *told]


async def test_closing_sends_what_is_left_and_refuses_what_nobody_took(client: Client, session: Session) -> None:
    stream = await opened(client, session, 1)
    await client.say(SynStream(3, {}), Ping(1))
    await client.hear(lambda heard: Ping(1) in heard)
    await stream.write(b"last")
    stream.close()
    await session.close()
    await session.close()
    assert client.heard[-4:] == [
        Data(1, b"last"),
        Data(1, b"", fin=True),
        RstStream(3, Reset.REFUSED_STREAM),
        GoAway(3, Leaving.OK),
    ]
    with pytest.raises(StreamLost):
        await stream.read()


async def test_a_client_that_only_sends_is_not_read_for_ever(
    client: Client, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "UNSENT_CONTROL_BYTES", 100)
    client.takes.clear()
    sending = asyncio.create_task(client.say(*[Ping(1)] * 1000))
    done, _ = await asyncio.wait([sending], timeout=0.05)
    assert not done
    client.takes.set()
    await client.hear(lambda heard: len(heard) == 1000)
    await sending
