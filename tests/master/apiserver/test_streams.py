"""Logs, exec, attach and port-forward, with scripted nodes."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from master.registry.streams import Attach, Channel, Exec, Frame, Logs, PortForward
from timonel.api import codec, errors
from timonel.api.types import core_v1, meta_v1
from timonel.client import Client
from timonel.remote import Channel as Remote

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
Pod = Callable[..., Awaitable[core_v1.Pod]]
SUCCESS = codec.encode(meta_v1.Status(status="Success"))
EXIT_7 = codec.encode(
    meta_v1.Status(
        status="Failure",
        reason="NonZeroExitCode",
        message="command terminated with exit code 7",
        details=meta_v1.StatusDetails(causes=[meta_v1.StatusCause(reason="ExitCode", message="7")]),
    )
)


def path(pod: str, subresource: str) -> str:
    return f"/api/v1/namespaces/default/pods/{pod}/{subresource}"


async def test_a_log_is_plain_text(served: Any, client: Client, running_pod: Pod) -> None:
    async def script(stream: Any) -> None:
        stream.say(Channel.STDOUT, b"one\n")
        stream.say(Channel.STDOUT, b"two\n")
        stream.say(Channel.STATUS, SUCCESS)

    served.nodes.script = script
    await running_pod("p")
    text = b"".join([piece async for piece in client.logs("default", "p", tailLines=2, timestamps=True)])
    assert text == b"one\ntwo\n"
    stream = served.nodes.streams[0]
    assert (stream.target.pod, stream.target.container) == ("p", "c")
    assert stream.request == Logs(tail_lines=2, timestamps=True)
    assert stream.closed


async def test_following_a_log_gives_lines_as_they_come(
    served: Any, eventually: Eventually, client: Client, running_pod: Pod
) -> None:
    await running_pod("p")
    pieces = client.logs("default", "p", follow=True)
    first = asyncio.ensure_future(anext(pieces))
    async with asyncio.timeout(5):
        await eventually(lambda: bool(served.nodes.streams))
        stream = served.nodes.streams[0]
        stream.say(Channel.STDOUT, b"now\n")
        assert await first == b"now\n"
        await pieces.aclose()
        await eventually(lambda: stream.closed)


async def test_the_nodes_refusal_of_a_log_is_an_ordinary_error(served: Any, client: Client, running_pod: Pod) -> None:
    message = 'container "c" in pod "p" is waiting to start: ContainerCreating'

    async def script(stream: Any) -> None:
        stream.say(Channel.STATUS, codec.encode(errors.BadRequest(message).status()))

    served.nodes.script = script
    await running_pod("p")
    with pytest.raises(errors.BadRequest, match="is waiting to start"):
        await anext(client.logs("default", "p"))


async def test_a_pod_without_a_node_has_an_empty_log(client: Client, running_pod: Pod) -> None:
    await running_pod("p", node="")
    assert [piece async for piece in client.logs("default", "p")] == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, errors.BadRequest, "a container name must be specified for pod p, choose one of: [a b]"),
        ({"container": "z"}, errors.BadRequest, "container z is not valid for pod p"),
        ({"container": "a", "tailLines": -1}, errors.Invalid, "tailLines: Invalid value: -1"),
        ({"container": "a", "sinceSeconds": 0}, errors.Invalid, "sinceSeconds: Invalid value: 0"),
        ({"container": "a", "sinceTime": "noon"}, errors.Invalid, "sinceTime: Invalid value"),
        ({"container": "a", "stream": "Both"}, errors.Invalid, "stream: Unsupported value"),
        ({"container": "a", "sinceSeconds": 1, "sinceTime": "2026-01-01T00:00:00Z"}, errors.Invalid, "at most one of"),
    ],
)
async def test_bad_log_options(
    client: Client, running_pod: Pod, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    await running_pod("p", "a", "b")
    with pytest.raises(error) as caught:
        await anext(client.logs("default", "p", **options))
    assert message in str(caught.value)


async def test_exec_carries_both_ways_and_ends_with_the_exit_code(
    served: Any, client: Client, running_pod: Pod
) -> None:
    async def script(stream: Any) -> None:
        assert await stream.heard.get() == Frame(Channel.STDIN, b"hello")
        assert await stream.heard.get() == Frame(Channel.RESIZE, b'{"Width":80,"Height":24}')
        assert await stream.heard.get() == Frame(Channel.CLOSE, bytes((Channel.STDIN,)))
        stream.say(Channel.STDOUT, b"out")
        stream.say(Channel.STDERR, b"err")
        stream.say(Channel.STATUS, EXIT_7)

    served.nodes.script = script
    await running_pod("p")
    run = await client.execute("default", "p", ["cat", "-"], stdin=True)
    await run.write(b"hello")
    await run.resize(80, 24)
    await run.end_input()
    async with asyncio.timeout(5):
        assert await run.read() == (Remote.STDOUT, b"out")
        assert await run.read() == (Remote.STDERR, b"err")
        assert await run.read() is None
    assert run.exit_code() == 7
    assert served.nodes.streams[0].request == Exec(("cat", "-"), stdin=True)
    assert served.nodes.streams[0].closed
    await run.close()


async def test_a_node_that_is_lost_during_exec(served: Any, client: Client, running_pod: Pod) -> None:
    async def script(stream: Any) -> None:
        stream.say(Channel.STDOUT, b"x")
        stream.end()

    served.nodes.script = script
    await running_pod("p")
    run = await client.execute("default", "p", ["sh"])
    async with asyncio.timeout(5):
        assert await run.read() == (Remote.STDOUT, b"x")
        assert await run.read() is None
    with pytest.raises(errors.InternalError, match="node was lost"):
        run.exit_code()
    await run.close()


async def test_attach_with_a_terminal_has_one_output(
    served: Any, eventually: Eventually, client: Client, running_pod: Pod
) -> None:
    await running_pod("p")
    joined = await client.attach("default", "p", stdin=True, tty=True)
    assert served.nodes.streams[0].request == Attach(stdin=True, stderr=False, tty=True)
    await joined.close()
    await eventually(lambda: served.nodes.streams[0].closed)


async def test_refusals_before_an_exec_begins(client: Client, running_pod: Pod) -> None:
    await running_pod("p")
    await running_pod("homeless", node="")
    await running_pod("cut-off", node="gone")
    with pytest.raises(errors.NotFound, match='pods "absent" not found'):
        await client.execute("default", "absent", ["sh"])
    with pytest.raises(errors.BadRequest, match="does not have a host assigned"):
        await client.execute("default", "homeless", ["sh"])
    with pytest.raises(errors.BadRequest, match="at least 1 command"):
        await client.execute("default", "p", [])
    run = await client.execute("default", "cut-off", ["sh"])
    assert await run.read() is None
    with pytest.raises(errors.ServiceUnavailable, match='node "gone" is not connected'):
        run.exit_code()
    await run.close()


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}, "server accepts [v4.channel.k8s.io]"),
        ({}, "Upgrade request required"),
        (
            {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
                "Sec-WebSocket-Protocol": "SPDY/3.1+portforward.k8s.io",
            },
            "SPDY/3.1+portforward.k8s.io",
        ),
    ],
)
async def test_other_protocols_are_refused_clearly(
    http: aiohttp.ClientSession, running_pod: Pod, headers: dict[str, str], words: str
) -> None:
    await running_pod("p")
    async with http.get(path("p", "exec") + "?command=a&stdout=1", headers=headers) as response:
        assert response.status == 400
        message = (await response.json())["message"]
    assert words in message
    assert "v4.channel.k8s.io" in message


async def test_version_4_in_base64(served: Any, http: aiohttp.ClientSession, running_pod: Pod) -> None:
    async def script(stream: Any) -> None:
        frame = await stream.heard.get()
        stream.say(Channel.STDOUT, frame.data.upper())
        stream.say(Channel.STATUS, SUCCESS)

    served.nodes.script = script
    await running_pod("p")
    url = path("p", "exec") + "?command=a&stdout=1&stdin=1"
    async with asyncio.timeout(5), http.ws_connect(url, protocols=["v4.base64.channel.k8s.io"]) as socket:
        assert await socket.receive_str() == "1", "an empty message says that the other side is there"
        await socket.send_str("0" + base64.b64encode(b"hi").decode())
        assert await socket.receive_str() == "1" + base64.b64encode(b"HI").decode()
        status = await socket.receive_str()
    assert json.loads(base64.b64decode(status[1:]))["status"] == "Success"


async def test_port_forward(served: Any, eventually: Eventually, http: aiohttp.ClientSession, running_pod: Pod) -> None:
    async def script(stream: Any) -> None:
        if stream.request.port == 81:
            stream.say(Channel.STATUS, codec.encode(errors.BadRequest("connection refused").status()))
            return
        while frame := await stream.heard.get():
            stream.say(Channel.STDOUT, frame.data[::-1])

    served.nodes.script = script
    await running_pod("p")
    url = path("p", "portforward") + "?ports=80&ports=81"
    async with asyncio.timeout(5), http.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
        heads = [await socket.receive_bytes() for _ in range(4)]
        assert heads == [b"\x00\x50\x00", b"\x01\x50\x00", b"\x02\x51\x00", b"\x03\x51\x00"]
        assert await socket.receive_bytes() == b"\x03connection refused"
        await socket.send_bytes(b"\x00abc")
        assert await socket.receive_bytes() == b"\x00cba"
    assert {stream.request for stream in served.nodes.streams} == {PortForward(80), PortForward(81)}
    await eventually(lambda: all(stream.closed for stream in served.nodes.streams))


@pytest.mark.parametrize(
    "query", ["", "?ports=0", "?ports=x", "?ports=70000", f"?ports={'9' * 5000}", f"?ports={'80,' * 128}80"]
)
async def test_bad_ports(http: aiohttp.ClientSession, running_pod: Pod, query: str) -> None:
    await running_pod("p")
    async with http.get(path("p", "portforward") + query) as response:
        assert response.status == 400


async def test_closing_the_server_ends_streams(served: Any, client: Client, running_pod: Pod) -> None:
    await running_pod("p")
    run = await client.execute("default", "p", ["sh"])
    async with asyncio.timeout(8):
        await served.api.close()
        assert await run.read() is None
    assert served.nodes.streams[0].closed
    await run.close()
