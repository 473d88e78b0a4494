"""Streams: asked for by the master, opened by the node, flowing both ways no faster than the slower side."""

import asyncio
from typing import Any

import grpc
import pytest

from master.registry.streams import Attach, Channel, Exec, Frame, Logs, PortForward, StreamEnded, Target
from timonel.api.errors import ServiceUnavailable, Timeout
from timonel.rpc import node_pb2

TARGET = Target("default", "web", "uid", "c")


async def asked(master: Any, session: Any) -> node_pb2.OpenStream:
    async def first() -> node_pb2.OpenStream | None:
        return session.asked.pop() if session.asked else None

    return await master.until(first, "the node is asked for a stream")


async def opened(master: Any, session: Any, stub: Any, request: Any = PortForward(80)) -> tuple[Any, Any]:  # noqa: B008
    """A stream as the master's caller has it and as the node has it."""
    opening = asyncio.create_task(master.dispatcher.open_stream("n1", TARGET, request))
    question = await asked(master, session)
    call = stub.Stream()
    await call.write(node_pb2.Frame(channel=node_pb2.Frame.OPEN, data=question.stream_id.encode()))
    return await asyncio.wait_for(opening, 5), call


@pytest.fixture
async def node(master: Any) -> tuple[Any, Any]:
    stub = await master.stub(master.certificate("n1"))
    return await master.connect("n1", stub), stub


@pytest.mark.parametrize(
    ("request_", "field", "values"),
    [
        (
            Logs(follow=True, tail_lines=0, since_time="2026-01-01T00:00:00Z"),
            "logs",
            {"follow": True, "tail_lines": 0, "since_time": "2026-01-01T00:00:00Z"},
        ),
        (Exec(("sh", "-c", "ls"), stdin=True, tty=True), "exec", {"command": ["sh", "-c", "ls"], "tty": True}),
        (Attach(stdin=True, stderr=False), "attach", {"command": [], "stdin": True, "stdout": True, "stderr": False}),
        (PortForward(8080), "port_forward", {"port": 8080, "host": ""}),
        (PortForward(80, "10.1.2.3"), "port_forward", {"port": 80, "host": "10.1.2.3"}),
    ],
)
async def test_the_node_learns_what_is_wanted(
    master: Any, node: tuple[Any, Any], request_: Any, field: str, values: dict[str, Any]
) -> None:
    session, _ = node
    opening = asyncio.create_task(master.dispatcher.open_stream("n1", TARGET, request_))
    question = await asked(master, session)
    opening.cancel()
    assert (question.pod_namespace, question.pod_name, question.pod_uid) == ("default", "web", "uid")
    assert (question.container, question.WhichOneof("what")) == ("c", field)
    options = getattr(question, field)
    assert {name: getattr(options, name) for name in values} == values
    if field == "logs":
        assert options.HasField("tail_lines")
        assert not options.HasField("limit_bytes")


async def test_frames_go_both_ways(master: Any, node: tuple[Any, Any]) -> None:
    stream, call = await opened(master, *node)
    await stream.write(Frame(Channel.STDIN, b"question"))
    assert (await call.read()).data == b"question"
    await call.write(node_pb2.Frame(channel=node_pb2.Frame.STDOUT, data=b"answer"))
    assert await stream.read() == Frame(Channel.STDOUT, b"answer")
    await call.write(node_pb2.Frame(channel=node_pb2.Frame.STATUS, data=b"{}"))
    await call.done_writing()
    assert await stream.read() == Frame(Channel.STATUS, b"{}")
    assert await stream.read() is None
    await stream.close()
    assert await call.code() is grpc.StatusCode.OK


async def test_closing_ends_the_nodes_call_and_a_read_that_waits(master: Any, node: tuple[Any, Any]) -> None:
    stream, call = await opened(master, *node)
    reading = asyncio.create_task(stream.read())
    await stream.write(Frame(Channel.STDIN, b"x"))
    await call.read()
    await stream.close()
    await stream.close()
    assert await asyncio.wait_for(call.code(), 5) is grpc.StatusCode.OK
    assert await asyncio.wait_for(reading, 5) is None
    assert await stream.read() is None
    with pytest.raises(StreamEnded):
        await stream.write(Frame(Channel.STDIN, b"x"))


async def test_a_node_that_goes_ends_the_stream(master: Any, node: tuple[Any, Any]) -> None:
    stream, call = await opened(master, *node)
    call.cancel()
    assert await asyncio.wait_for(stream.read(), 5) is None

    async def ended() -> bool:
        try:
            await stream.write(Frame(Channel.STDIN, b"x"))
        except StreamEnded:
            return True
        return False

    await master.until(ended, "writing fails")


async def test_a_writer_waits_for_a_slow_node(master: Any, node: tuple[Any, Any]) -> None:
    stream, call = await opened(master, *node)
    sent = 0

    async def write() -> None:
        nonlocal sent
        for _ in range(1000):
            await stream.write(Frame(Channel.STDIN, b"x" * 65536))
            sent += 1

    writing = asyncio.create_task(write())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(writing), 1)
    assert sent < 500
    received = 0
    while received < 1000:
        assert len((await asyncio.wait_for(call.read(), 5)).data) == 65536
        received += 1
    await asyncio.wait_for(writing, 5)


async def test_a_node_waits_for_a_slow_reader(master: Any, node: tuple[Any, Any]) -> None:
    stream, call = await opened(master, *node)
    sent = 0

    async def write() -> None:
        nonlocal sent
        for _ in range(1000):
            await call.write(node_pb2.Frame(channel=node_pb2.Frame.STDOUT, data=b"x" * 65536))
            sent += 1

    writing = asyncio.create_task(write())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(writing), 1)
    assert sent < 500
    for _ in range(1000):
        assert len((await asyncio.wait_for(stream.read(), 5)).data) == 65536
    await asyncio.wait_for(writing, 5)


async def test_a_node_without_a_session_is_a_clear_refusal(master: Any) -> None:
    with pytest.raises(ServiceUnavailable, match="n1 is not connected"):
        await master.dispatcher.open_stream("n1", TARGET, PortForward(80))


async def test_a_node_that_does_not_dial_back_is_given_up(
    master: Any, node: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master.dispatcher._sessions.streams, "_dial_back", 0.2)
    with pytest.raises(Timeout, match="has not opened the stream"):
        await master.dispatcher.open_stream("n1", TARGET, PortForward(80))


async def test_a_node_lost_while_it_is_awaited_is_told_at_once(master: Any, node: tuple[Any, Any]) -> None:
    session, _ = node
    opening = asyncio.create_task(master.dispatcher.open_stream("n1", TARGET, PortForward(80)))
    await asked(master, session)
    session.call.cancel()
    with pytest.raises(ServiceUnavailable, match="was lost"):
        await asyncio.wait_for(opening, 5)


async def test_a_stream_belongs_to_the_node_that_was_asked(master: Any, node: tuple[Any, Any]) -> None:
    session, stub = node
    opening = asyncio.create_task(master.dispatcher.open_stream("n1", TARGET, PortForward(80)))
    question = await asked(master, session)
    thief = (await master.stub(master.certificate("n2"))).Stream()
    await thief.write(node_pb2.Frame(channel=node_pb2.Frame.OPEN, data=question.stream_id.encode()))
    assert await asyncio.wait_for(thief.code(), 5) is grpc.StatusCode.NOT_FOUND
    assert not opening.done()
    call = stub.Stream()
    await call.write(node_pb2.Frame(channel=node_pb2.Frame.OPEN, data=question.stream_id.encode()))
    await (await asyncio.wait_for(opening, 5)).close()


@pytest.mark.parametrize(
    "first", [node_pb2.Frame(channel=node_pb2.Frame.STDOUT), node_pb2.Frame(channel=node_pb2.Frame.OPEN, data=b"no")]
)
async def test_a_stream_that_nobody_awaits_is_refused(master: Any, node: tuple[Any, Any], first: Any) -> None:
    call = node[1].Stream()
    await call.write(first)
    assert await asyncio.wait_for(call.code(), 5) in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


async def test_garbage_on_a_stream_ends_it_and_nothing_else(master: Any, node: tuple[Any, Any]) -> None:
    stream, call = await opened(master, *node)
    await call.write(node_pb2.Frame(channel=node_pb2.Frame.OPEN, data=b"again"))
    assert await asyncio.wait_for(stream.read(), 5) is None
    assert await asyncio.wait_for(call.code(), 5) is grpc.StatusCode.INVALID_ARGUMENT
    assert master.dispatcher.connected("n1")
