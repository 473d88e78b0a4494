"""A daemon that is absent, hangs, breaks off or talks nonsense; no real one is needed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from node_agent.runtimes.base import PodId, RuntimeUnavailable
from node_agent.runtimes.docker import DockerRuntime, client, names

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
POD = PodId("default", "web", "uid")
LABELS = names.Scope("c", "n").labels(POD, 0, container="app")


def reply(body: object, status: str = "200 OK") -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


class Pretender:
    """Answers at a socket as the test says; ``version`` requests are answered so that clients connect."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answer: Answer = self._nothing
        self.version = "1.41"
        self._server: asyncio.Server | None = None

    async def _nothing(self, target: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split(" ")[1]
                if target.endswith("/version"):
                    writer.write(reply({"ApiVersion": self.version, "Version": "0"}))
                else:
                    await self.answer(target, writer)
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Pretender]:
    pretender = Pretender(tmp_path / "docker.sock")
    await pretender.start()
    yield pretender
    await pretender.stop()


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[DockerRuntime]:
    made = DockerRuntime(cluster="c", node="n", base_url=f"unix://{tmp_path}/docker.sock")
    yield made
    await made.close()


async def test_an_absent_daemon_is_named(runtime: DockerRuntime, tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"docker\.sock"):
        await runtime.info()


async def test_a_hung_daemon_ends_in_a_timeout(
    daemon: Pretender, runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.Daemon.ask, "__kwdefaults__", {"body": None, "seconds": 0.2})
    looks = await asyncio.gather(*(runtime.pods() for _ in range(20)), return_exceptions=True)
    assert {type(look) for look in looks} == {RuntimeUnavailable}
    assert "no answer within" in str(looks[0])


async def test_an_old_daemon_is_refused(daemon: Pretender, runtime: DockerRuntime) -> None:
    daemon.version = "1.38"
    with pytest.raises(RuntimeUnavailable, match=r"19\.03"):
        await runtime.info()


async def test_a_daemon_may_be_replaced_by_another_version(daemon: Pretender, runtime: DockerRuntime) -> None:
    asked: list[str] = []

    async def answer(target: str, writer: asyncio.StreamWriter) -> None:
        asked.append(target)
        info = {"KernelVersion": "6.1", "OperatingSystem": "Debian", "NCPU": 2, "MemTotal": 1024}
        writer.write(reply(info if target.endswith("/info") else []))

    daemon.answer = answer
    await runtime.pods()
    daemon.version = "1.38"
    with pytest.raises(RuntimeUnavailable, match="too old"):
        await runtime.info()
    daemon.version = "1.44"
    await runtime.info()
    await runtime.pods()
    assert [target.split("/")[1] for target in asked] == ["v1.41", "v1.44", "v1.44"]


async def test_a_daemon_whose_info_hangs_during_a_pull_still_lives(daemon: Pretender, runtime: DockerRuntime) -> None:
    async def answer(target: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply({"KernelVersion": "6.1", "OperatingSystem": "Debian", "NCPU": 2, "MemTotal": 1024}))

    daemon.answer = answer
    about = await runtime.info()
    daemon.answer = daemon._nothing
    async with asyncio.timeout(5):
        assert await runtime.info() == about


async def test_a_sandbox_that_starts_is_seen_without_waiting(daemon: Pretender, runtime: DockerRuntime) -> None:
    labels = names.Scope("c", "n").labels(POD, 2)

    async def answer(target: str, writer: asyncio.StreamWriter) -> None:
        if not target.startswith("/v1.41/containers/json"):
            await daemon._nothing(target, writer)
        writer.write(reply([{"Id": "box", "State": "created", "Created": 1700000000, "Labels": labels}]))

    daemon.answer = answer
    async with asyncio.timeout(5):
        (pod,) = await runtime.pods()
    (sandbox,) = pod.sandboxes
    assert (sandbox.id, sandbox.pod, sandbox.attempt, sandbox.running) == ("box", POD, 2, False)


def test_only_this_machines_daemon_will_do() -> None:
    with pytest.raises(ValueError, match="tcp://elsewhere"):
        DockerRuntime(cluster="c", node="n", base_url="tcp://elsewhere:2375")


async def test_a_closed_runtime_says_so(runtime: DockerRuntime) -> None:
    await runtime.close()
    with pytest.raises(RuntimeUnavailable, match="closed"):
        await runtime.pods()


async def test_events_come_back_after_the_daemon_was_away(
    daemon: Pretender, runtime: DockerRuntime, tmp_path: Path
) -> None:
    told = asyncio.Event()

    async def answer(target: str, writer: asyncio.StreamWriter) -> None:
        assert "/events" in target
        event = {"Action": "die", "Actor": {"ID": "x", "Attributes": LABELS}, "timeNano": 2**62}
        old = {**event, "Action": "start", "timeNano": 1}
        body = b"".join(json.dumps(one).encode() + b"\n" for one in (old, event))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body))
        await writer.drain()
        await told.wait()
        raise EOFError

    daemon.answer = answer
    async with aclosing(runtime.events()) as events, asyncio.timeout(20):
        seen = [await anext(events) for _ in range(2)]
        await daemon.stop()
        told.set()
        again = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        await daemon.start()
        seen.append(await again)
        seen.append(await anext(events))
    assert [(event.pod, event.action) for event in seen] == [(None, "connected"), (POD, "die")] * 2
