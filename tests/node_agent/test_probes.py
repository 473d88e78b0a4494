"""Probes: how verdicts add up, and each kind of check against a real server."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from node_agent.grpc_health import decode_status, encode_request
from node_agent.handlers import Target, Verdict, check
from node_agent.hooks import run_hook
from node_agent.http_get import Address, get
from node_agent.namespaces import connect_inside
from node_agent.probes import ProbeKind, Tally, counted, first_tally, has_failed
from node_agent.runtimes.fake import FakeRuntime
from timonel.api import codec
from timonel.api.types import core_v1

GOOD, BAD, UNKNOWN = Verdict.SUCCESS, Verdict.FAILURE, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("verdicts", "ready"),
    [
        ([], False),
        ([GOOD], False),
        ([GOOD, GOOD], True),
        ([GOOD, BAD, GOOD], False),
        ([GOOD, UNKNOWN, GOOD], True),
        ([GOOD, GOOD, BAD, BAD], True),
        ([GOOD, GOOD, BAD, BAD, BAD], False),
        ([GOOD, GOOD, BAD, BAD, GOOD, BAD], True),
    ],
)
def test_readiness_changes_at_the_thresholds_only(verdicts: list[Verdict], ready: bool) -> None:
    probe = core_v1.Probe(successThreshold=2, failureThreshold=3)
    tally = first_tally(ProbeKind.READINESS)
    for verdict in verdicts:
        tally = counted(tally, verdict, probe)
    assert tally.result is ready


def test_only_liveness_and_startup_condemn() -> None:
    probe = core_v1.Probe(failureThreshold=2)
    twice = Tally(False, BAD, 2)
    assert has_failed(ProbeKind.LIVENESS, twice, probe)
    assert has_failed(ProbeKind.STARTUP, twice, probe)
    assert not has_failed(ProbeKind.READINESS, twice, probe)
    assert not has_failed(ProbeKind.LIVENESS, Tally(True, BAD, 1), probe)


@asynccontextmanager
async def http_server(*answers: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Gives the answers in turn; the port, and the requests that came."""
    asked: list[bytes] = []
    left = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(left.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def answer(status: str, body: bytes = b"", **fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(probe: dict[str, Any], container: dict[str, Any] | None = None) -> tuple[Verdict, str]:
    spec = codec.convert(core_v1.Container, {"name": "c", **(container or {})})
    outcome = await check(codec.convert(core_v1.Probe, probe), Target("id", spec, "127.0.0.1"), FakeRuntime())
    return outcome.verdict, outcome.text


class TestHTTP:
    """httpGet."""

    @pytest.mark.parametrize(("status", "verdict"), [("200 OK", GOOD), ("399 X", GOOD), ("404 X", BAD), ("500 X", BAD)])
    async def test_the_status_decides(self, status: str, verdict: Verdict) -> None:
        async with http_server(answer(status)) as (port, _):
            found, text = await ask({"httpGet": {"port": port}})
        assert found is verdict
        if verdict is BAD:
            assert text == f"HTTP probe failed with statuscode: {status[:3]}"

    async def test_headers_path_and_named_port(self) -> None:
        async with http_server(answer("200 OK")) as (port, asked):
            action = {"port": "web", "path": "/ok?x=1", "httpHeaders": [{"name": "Host", "value": "me"}]}
            await ask({"httpGet": action}, {"ports": [{"name": "web", "containerPort": port}]})
        assert asked[0].startswith(b"GET /ok?x=1 HTTP/1.1\r\n")
        assert b"\r\nHost: me\r\n" in asked[0]
        assert asked[0].count(b"Host:") == 1
        assert b"User-Agent: kube-probe/" in asked[0]

    async def test_redirects_on_the_same_host_are_followed(self) -> None:
        async with http_server(answer("302 X", Location="/there"), answer("503 X")) as (port, asked):
            found, _ = await ask({"httpGet": {"port": port}})
        assert found is BAD
        assert asked[1].startswith(b"GET /there ")

    async def test_redirects_to_another_host_are_a_success(self) -> None:
        async with http_server(answer("302 X", Location="http://example.com/")) as (port, _):
            found, text = await ask({"httpGet": {"port": port}})
        assert (found, text[:26]) == (GOOD, "Probe terminated redirects")

    @pytest.mark.parametrize(
        "reply", [b"", b"garbage\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc X\r\n\r\n", b"HTTP/1.1 200"]
    )
    async def test_what_is_no_http_is_a_failure(self, reply: bytes) -> None:
        async with http_server(reply) as (port, _):
            found, _ = await ask({"httpGet": {"port": port}})
        assert found is BAD

    async def test_chunks_are_read(self) -> None:
        reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        async with http_server(reply) as (port, _):
            assert (await get(Address("http", "127.0.0.1", port, "/"), [])).body == b"abcde"

    async def test_nobody_listens(self) -> None:
        found, text = await ask({"httpGet": {"port": 1}})
        assert found is BAD
        assert text == 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'

    async def test_silence_is_a_failure_after_the_timeout(self) -> None:
        silent = asyncio.Event()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await silent.wait()
            writer.close()

        server = await asyncio.start_server(wait, "127.0.0.1", 0)
        found, text = await ask({"httpGet": {"port": server.sockets[0].getsockname()[1]}, "timeoutSeconds": 1})
        silent.set()
        server.close()
        assert (found, "deadline exceeded" in text) == (BAD, True)


async def test_tcp() -> None:
    async with http_server() as (port, _):
        assert (await ask({"tcpSocket": {"port": port}}))[0] is GOOD
    assert (await ask({"tcpSocket": {"port": port}}))[0] is BAD
    assert (await ask({"tcpSocket": {"port": "none"}}))[0] is UNKNOWN


class TestGRPC:
    """grpc."""

    async def serve(self, status: int) -> tuple[grpc.aio.Server, int, list[bytes]]:
        asked: list[bytes] = []

        async def answer_check(request: bytes, context: Any) -> bytes:
            asked.append(request)
            return bytes([0x08, status])

        method = grpc.unary_unary_rpc_method_handler(answer_check)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port, asked

    @pytest.mark.parametrize(("status", "verdict"), [(1, GOOD), (2, BAD)])
    async def test_the_status_decides(self, status: int, verdict: Verdict) -> None:
        server, port, asked = await self.serve(status)
        assert (await ask({"grpc": {"port": port, "service": "x"}}))[0] is verdict
        assert asked == [b"\x0a\x01x"]
        await server.stop(0)

    async def test_nobody_listens(self) -> None:
        assert (await ask({"grpc": {"port": 1}}))[0] is BAD

    def test_messages(self) -> None:
        assert encode_request("") == b""
        assert encode_request("a" * 200)[:3] == b"\x0a\xc8\x01"
        assert decode_status(b"") == 0


async def test_a_sleep_hook_ends_with_its_time(build: Any) -> None:
    handler = codec.convert(core_v1.LifecycleHandler, {"sleep": {"seconds": 60}})
    outcome = await run_hook(handler, Target("id", build.pod().spec.containers[0], ""), FakeRuntime(), 0.05)
    assert outcome.verdict is BAD


async def test_a_port_on_a_namespace_s_localhost_is_reached(request: pytest.FixtureRequest) -> None:
    program = (
        "import socket,subprocess;subprocess.run(['ip','link','set','lo','up'],check=True);"
        "s=socket.create_server(('127.0.0.1',7777));print('up',flush=True);"
        "c,_=s.accept();c.sendall(c.recv(9)[::-1]);c.close()"
    )
    server = await asyncio.create_subprocess_exec(
        "unshare", "-n", "/usr/bin/env", "python3", "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    if await server.stdout.readline() != b"up\n":
        pytest.skip("this user may not make network namespaces")
    reader, writer = await connect_inside(server.pid, 7777)
    writer.write(b"hello")
    assert await reader.read() == b"olleh"
    writer.close()
    await server.wait()
    assert not any(thread.name.startswith("netns") for thread in threading.enumerate())
    with pytest.raises(OSError, match="No such file"):
        await connect_inside(server.pid, 7777)
