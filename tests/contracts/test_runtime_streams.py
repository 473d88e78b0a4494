"""What every runtime promises of logs, exec and attach."""

import asyncio
from datetime import timedelta

import pytest
from runtime_lab import GREETING, SECONDS, AnyRuntime, Lab, ended, log_of, read, start

from node_agent.runtimes.base import (
    LogQuery,
    NotRunning,
    PodId,
    RuntimeFailure,
    State,
)


async def test_logs_whole_and_in_parts(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "lines")
    await ended(runtime, pod)
    lines = b"line 1\nline 2\nline 3\nline 4\nline 5\n"
    whole = await log_of(runtime, container, LogQuery())
    assert sorted(whole.splitlines()) == sorted([*lines.splitlines(), b"oops"])
    assert await log_of(runtime, container, LogQuery(stream="Stdout")) == lines
    assert await log_of(runtime, container, LogQuery(stream="Stderr")) == b"oops\n"
    assert len((await log_of(runtime, container, LogQuery(tail_lines=2))).splitlines()) == 2
    assert await log_of(runtime, container, LogQuery(tail_lines=0)) == b""
    assert await log_of(runtime, container, LogQuery(stream="Stdout", limit_bytes=10)) == lines[:10]
    with pytest.raises(RuntimeFailure):
        await log_of(runtime, "0" * 64, LogQuery())


async def test_logs_with_times_and_since_a_time(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "lines")
    end = await ended(runtime, pod)
    assert end.started is not None
    stamped = (await log_of(runtime, container, LogQuery(timestamps=True))).splitlines()
    for line in stamped:
        stamp, _, text = line.partition(b" ")
        assert stamp.endswith(b"Z")
        assert text.startswith((b"line", b"oops"))
    assert end.finished is not None
    assert await log_of(runtime, container, LogQuery(since=end.finished + timedelta(seconds=1))) == b""
    early = await log_of(runtime, container, LogQuery(since=end.started - timedelta(seconds=1)))
    assert len(early.splitlines()) == 6


async def test_logs_follow_until_the_end(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "tick")
    async with asyncio.timeout(SECONDS):
        got = []
        async for chunk in runtime.logs(container, LogQuery(follow=True)):
            assert chunk.endswith(b"\n")
            got += chunk.splitlines()
            if len(got) == 5:
                await runtime.stop_container(container, 0)
    assert set(got) == {b"tick"}
    assert (await ended(runtime, pod)).state is State.EXITED


async def test_logs_of_an_earlier_attempt(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    first = await start(lab, runtime, pod, "lines")
    await ended(runtime, pod)
    await start(lab, runtime, pod, "sleep", attempt=1)
    assert b"line 5\n" in await log_of(runtime, first, LogQuery())


async def test_a_command_runs_to_its_end(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "sleep")
    result = await runtime.run(container, GREETING, SECONDS)
    assert result.exit_code == 3
    assert sorted(result.output.splitlines()) == [b"err", b"out"]
    with pytest.raises(TimeoutError):
        await runtime.run(container, ["sleep", "1000"], 0.3)
    with pytest.raises(RuntimeFailure, match="executable file not found"):
        await runtime.run(container, ["no-such-program"], SECONDS)


async def test_exec_keeps_streams_apart(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "sleep")
    terminal = await runtime.exec(container, GREETING, stdin=False, tty=False)
    assert await read(terminal) == {1: b"out\n", 2: b"err\n"}
    assert await terminal.exit_code() == 3
    await terminal.close()


async def test_the_exit_code_needs_no_reader(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "sleep")
    terminal = await runtime.exec(container, GREETING, stdin=False, tty=False)
    async with asyncio.timeout(SECONDS):
        assert await terminal.exit_code() == 3
    await terminal.close()


async def test_exec_takes_input_until_it_is_closed(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "sleep")
    terminal = await runtime.exec(container, ["cat"], stdin=True, tty=False)
    sent = b"x" * 70_000

    async def send() -> None:
        for _ in range(10):
            await terminal.write(sent)
        await terminal.close_stdin()

    async with asyncio.timeout(SECONDS):
        _, output = await asyncio.gather(send(), read(terminal))
        assert output == {1: sent * 10, 2: b""}
        assert await terminal.exit_code() == 0
    await terminal.write(b"too late")
    await terminal.close()


async def test_exec_needs_a_running_container(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "fail")
    await ended(runtime, pod)
    for call in (
        runtime.exec(container, ["cat"], stdin=False, tty=False),
        runtime.run(container, ["cat"], 1),
        runtime.attach(container, stdin=False, tty=False),
        runtime.exec("0" * 64, ["cat"], stdin=False, tty=False),
    ):
        with pytest.raises(NotRunning):
            await call


async def test_attach_joins_the_main_process(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "echo", stdin=True, stdin_once=True)
    terminal = await runtime.attach(container, stdin=True, tty=False)
    async with asyncio.timeout(SECONDS):
        await terminal.write(b"hello\n")
        await terminal.close_stdin()
        assert await read(terminal) == {1: b"hello\n", 2: b""}
        assert await terminal.exit_code() == 0
        assert (await ended(runtime, pod)).exit_code == 0
    await terminal.close()


async def test_attach_can_be_left_and_joined_again(lab: Lab, runtime: AnyRuntime, pod: PodId) -> None:
    container = await start(lab, runtime, pod, "echo", stdin=True)
    async with asyncio.timeout(SECONDS):
        for word in (b"one\n", b"two\n"):
            terminal = await runtime.attach(container, stdin=True, tty=False)
            await terminal.write(word)
            await terminal.close_stdin()
            assert await anext(aiter(terminal.output())) == (1, word)
            await terminal.close()
    assert (await runtime.pod(pod)).containers[0].state is State.RUNNING
