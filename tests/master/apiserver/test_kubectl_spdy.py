"""An unmodified kubectl that speaks SPDY: port-forward inside a WebSocket, and all streams after a plain upgrade."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from master.registry.streams import Attach, Channel, Exec, Frame
from timonel.api import codec, errors
from timonel.api.types import core_v1, meta_v1

pytestmark = pytest.mark.kubectl

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
Kubectl = Callable[..., Awaitable[Any]]
Pod = Callable[..., Awaitable[core_v1.Pod]]
Forwarding = Callable[..., Any]

DEADLINE = 20.0
SUCCESS = codec.encode(meta_v1.Status(status="Success"))
INPUT_ENDS = Frame(Channel.CLOSE, bytes((Channel.STDIN,)))
OUTPUT_ENDS = Frame(Channel.CLOSE, bytes((Channel.STDOUT,)))
PLAIN_SPDY = {"KUBECTL_PORT_FORWARD_WEBSOCKETS": "false", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
"""Makes a new kubectl speak as those before 1.31."""


@dataclass
class Forwarded:
    """A kubectl that forwards: the local ports, and the process."""

    ports: list[int]
    process: asyncio.subprocess.Process

    async def error(self) -> str:
        """What it says when it ends."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE):
            return (await self.process.stderr.read()).decode()


@pytest.fixture(params=["websocket", "upgrade"])
def environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways in which streams come. To be asked for before `kubectl`, which copies it."""
    for name, value in PLAIN_SPDY.items() if request.param == "upgrade" else ():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def forwarding(environment: None, served: Any, running_pod: Pod) -> Forwarding:
    """Forwards ports of a running pod `p`."""
    await running_pod("p", phase="Running")

    @asynccontextmanager
    async def forward(*ports: int) -> AsyncIterator[Forwarded]:
        process = await asyncio.create_subprocess_exec(
            *("kubectl", "port-forward", "p", "--address=127.0.0.1", *(f":{port}" for port in ports)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "KUBECONFIG": str(served.kubeconfig)},
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(DEADLINE):
                lines = [(await process.stdout.readline()).decode() for _ in ports]
            assert all(line.startswith("Forwarding from 127.0.0.1:") for line in lines), lines
            yield Forwarded([int(line.split(":")[1].split()[0]) for line in lines], process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    return forward


async def echo(stream: Any) -> None:
    """A server that says its port first, then all it hears, and ends after the client."""
    stream.say(Channel.STDOUT, b"%d:" % stream.request.port)
    while (frame := await stream.heard.get()) != INPUT_ENDS:
        stream.say(Channel.STDOUT, frame.data)
    stream.says.put_nowait(OUTPUT_ENDS)
    stream.say(Channel.STATUS, SUCCESS)


async def talk(port: int, text: bytes) -> bytes:
    """All that comes back for a text."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sending = asyncio.create_task(_send(writer, text))
        answer = await reader.read(-1)
        await sending
        writer.close()
        return answer


async def _send(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)
    await writer.drain()
    writer.write_eof()


async def test_many_connections_to_several_ports(served: Any, eventually: Eventually, forwarding: Forwarding) -> None:
    served.nodes.script = echo
    async with forwarding(80, 443) as forwarded:
        first, second = forwarded.ports
        texts = [os.urandom(50_000) + b"%d" % number for number in range(20)]
        answers = await asyncio.gather(*(talk(first, text) for text in texts), talk(second, b"x"))
        assert answers == [*(b"80:" + text for text in texts), b"443:x"]
        await eventually(lambda: all(stream.closed for stream in served.nodes.streams))
        assert len(served.nodes.streams) == 21
        assert forwarded.process.returncode is None


async def test_much_data_both_ways_at_once(served: Any, forwarding: Forwarding) -> None:
    served.nodes.script = echo
    text = os.urandom(8 * 1024 * 1024)
    async with forwarding(80) as forwarded:
        assert await talk(forwarded.ports[0], text) == b"80:" + text
        assert await talk(forwarded.ports[0], b"again") == b"80:again"


@pytest.mark.kubectl(min="1.25")  # those before forward on after an error
async def test_a_port_on_which_nothing_listens(served: Any, eventually: Eventually, forwarding: Forwarding) -> None:
    message = "error forwarding port 81 to pod p, uid : failed to connect to localhost:81: connection refused"

    async def refuse(stream: Any) -> None:
        stream.say(Channel.STATUS, codec.encode(errors.InternalError(message).status()))

    served.nodes.script = refuse
    async with forwarding(81) as forwarded:
        assert await talk(forwarded.ports[0], b"") == b""
        told = await forwarded.error()
        assert message in told
        assert "lost connection to pod" in told
        await eventually(lambda: all(stream.closed for stream in served.nodes.streams))


async def test_a_client_that_leaves(served: Any, eventually: Eventually, forwarding: Forwarding) -> None:
    async with forwarding(80) as forwarded:
        _, writer = await asyncio.open_connection("127.0.0.1", forwarded.ports[0])
        writer.write(b"x")
        await eventually(lambda: bool(served.nodes.streams))
        assert not served.nodes.streams[0].closed
        writer.close()
    await eventually(lambda: served.nodes.streams[0].closed)


async def test_the_server_closes(served: Any, forwarding: Forwarding) -> None:
    async with forwarding(80) as forwarded:
        await asyncio.open_connection("127.0.0.1", forwarded.ports[0])
        async with asyncio.timeout(10):
            await served.api.close()
        assert "lost connection to pod" in await forwarded.error()


async def test_exec_and_attach(environment: None, served: Any, kubectl: Kubectl, running_pod: Pod) -> None:
    async def shout(stream: Any) -> None:
        text = b""
        while stream.request.stdin and (frame := await stream.heard.get()) != INPUT_ENDS:
            text += frame.data
        stream.say(Channel.STDOUT, text.upper())
        stream.say(Channel.STDERR, b"no\n")
        cause = meta_v1.StatusCause(reason="ExitCode", message="7")
        stream.say(
            Channel.STATUS,
            codec.encode(
                meta_v1.Status(
                    status="Failure",
                    reason="NonZeroExitCode",
                    message="command terminated with exit code 7",
                    details=meta_v1.StatusDetails(causes=[cause]),
                )
            ),
        )

    served.nodes.script = shout
    await running_pod("p", phase="Running")
    text = "hello " * 100_000
    ran = await kubectl("exec", "-i", "p", "--", "tr", "a-z", "A-Z", stdin=text)
    assert (ran.code, ran.out, ran.err) == (7, text.upper(), "no\ncommand terminated with exit code 7\n")
    ran = await kubectl("exec", "p", "--", "false")
    assert (ran.code, ran.out, ran.err) == (7, "", "no\ncommand terminated with exit code 7\n")
    ran = await kubectl("attach", "p")
    assert (ran.code, ran.err.splitlines()[-1]) == (7, "command terminated with exit code 7")
    assert [stream.request for stream in served.nodes.streams] == [
        Exec(("tr", "a-z", "A-Z"), stdin=True),
        Exec(("false",)),
        Attach(),
    ]
    assert all(stream.closed for stream in served.nodes.streams)


async def test_refusals_of_exec(environment: None, kubectl: Kubectl, running_pod: Pod) -> None:
    await running_pod("p")
    await running_pod("cut-off", node="gone")
    assert 'pods "absent" not found' in (await kubectl("exec", "absent", "--", "ls")).err
    assert 'node "gone" is not connected' in (await kubectl("exec", "cut-off", "--", "ls")).err
    assert "container z is not valid for pod p" in (await kubectl("exec", "p", "-c", "z", "--", "ls")).err
