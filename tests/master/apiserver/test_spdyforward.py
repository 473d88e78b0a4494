"""Port-forward over SPDY as no kubectl would ask for it: pairs that do not fit, old clients, nodes that get lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from master.apiserver.spdy.frames import (
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Leaving,
    Reset,
    RstStream,
    SynReply,
    SynStream,
)
from master.apiserver.streams import spdyforward
from master.registry.streams import Channel, PortForward
from timonel.api import codec
from timonel.api.types import core_v1, meta_v1

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
Pod = Callable[..., Awaitable[core_v1.Pod]]
DEADLINE = 10.0
GARBAGE = b"\x80\x02\x00\x01\x00\x00\x00\x00"
"""The head of a frame of SPDY/2."""
URL = "/api/v1/namespaces/default/pods/p/portforward"


class Peer:
    """A client inside a WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._encoder = Encoder()
        self._decoder = Decoder()

    async def open(self, stream_id: int, kind: str, port: str = "80", request: str = "0") -> None:
        headers = {"streamtype": kind, "port": port, **({"requestid": request} if request else {})}
        await self.say(SynStream(stream_id, headers))

    async def say(self, *frames: Frame) -> None:
        await self.socket.send_bytes(b"".join(map(self._encoder.encode, frames)))

    async def hear(self, count: int) -> list[Frame]:
        heard: list[Frame] = []
        async with asyncio.timeout(DEADLINE):
            while len(heard) < count:
                heard += self._decoder.feed(await self.socket.receive_bytes())
        return heard


@pytest.fixture
async def peer(http: aiohttp.ClientSession, running_pod: Pod) -> AsyncIterator[Peer]:
    await running_pod("p")
    async with http.ws_connect(URL, protocols=[spdyforward.TUNNEL]) as socket:
        assert socket.protocol == spdyforward.TUNNEL
        yield Peer(socket)


async def test_a_pair_of_streams_is_a_connection(served: Any, eventually: Eventually, peer: Peer) -> None:
    await peer.open(1, "error")
    await peer.open(3, "data")
    assert await peer.hear(2) == [SynReply(1, {}), SynReply(3, {})]
    await eventually(lambda: bool(served.nodes.streams))
    node = served.nodes.streams[0]
    assert (node.request, node.target.pod) == (PortForward(80), "p")
    await peer.say(Data(1, b"", fin=True), Data(3, b"in"), Data(3, b"", fin=True))
    assert (await node.heard.get()).data == b"in"
    assert (await node.heard.get()).channel is Channel.CLOSE
    node.say(Channel.STDOUT, b"out")
    assert await peer.hear(1) == [Data(3, b"out")], "its other half goes on"
    node.say(Channel.STATUS, codec.encode(meta_v1.Status(status="Success")))
    assert set(await peer.hear(2)) == {Data(1, b"", fin=True), Data(3, b"", fin=True)}
    await eventually(lambda: node.closed)


async def test_clients_that_do_not_name_requests(served: Any, eventually: Eventually, peer: Peer) -> None:
    for first in (1, 5):
        await peer.open(first, "error", request="")
        await peer.open(first + 2, "data", request="")
    await eventually(lambda: len(served.nodes.streams) == 2)


@pytest.mark.parametrize(
    ("kind", "port"), [("data", ""), ("data", "0"), ("data", "65536"), ("data", "x"), ("video", "80"), ("", "80")]
)
async def test_streams_that_are_refused(peer: Peer, kind: str, port: str) -> None:
    await peer.open(1, kind, port)
    assert await peer.hear(1) == [RstStream(1, Reset.REFUSED_STREAM)]


async def test_streams_that_do_not_fit_their_pair(peer: Peer) -> None:
    await peer.open(1, "error")
    await peer.open(3, "error")
    await peer.open(5, "data", "81")
    refused = [RstStream(3, Reset.REFUSED_STREAM), RstStream(5, Reset.REFUSED_STREAM)]
    assert await peer.hear(3) == [SynReply(1, {}), *refused]


async def test_half_a_pair(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spdyforward, "PAIR_SECONDS", 0.02)
    await peer.open(1, "error")
    problem = b"timed out waiting for the other stream of request 0"
    assert await peer.hear(3) == [SynReply(1, {}), Data(1, problem), Data(1, b"", fin=True)]


async def test_a_node_that_is_lost(served: Any, peer: Peer) -> None:
    async def leave(stream: Any) -> None:
        stream.end()

    served.nodes.script = leave
    await peer.open(1, "error")
    await peer.open(3, "data")
    heard = await peer.hear(5)
    problem = b"".join(each.data for each in heard if isinstance(each, Data) and each.stream_id == 1).decode()
    assert problem.startswith("error forwarding port 80 to pod p, uid ")
    assert problem.endswith(": the connection to the pod's node was lost")


async def test_a_client_that_drops_a_connection_after_its_half_close(
    served: Any, eventually: Eventually, peer: Peer
) -> None:
    await peer.open(1, "error")
    await peer.open(3, "data")
    await peer.say(Data(3, b"", fin=True))
    await eventually(lambda: bool(served.nodes.streams) and not served.nodes.streams[0].heard.empty())
    await peer.say(RstStream(3, Reset.CANCEL))
    await eventually(lambda: served.nodes.streams[0].closed)


async def test_a_session_that_ends_while_a_node_does_not_say_how_it_ended(
    served: Any, eventually: Eventually, peer: Peer
) -> None:
    await peer.open(1, "error")
    await peer.open(3, "data")
    await peer.say(Data(3, b"", fin=True))
    await eventually(lambda: bool(served.nodes.streams))
    node = served.nodes.streams[0]
    node.say(Channel.CLOSE, bytes((Channel.STDOUT,)))
    assert (await peer.hear(3))[-1] == Data(3, b"", fin=True)
    await peer.open(5, "error", request="1")
    await peer.hear(1)
    assert not node.closed
    await peer.socket.send_bytes(GARBAGE)
    await eventually(lambda: node.closed)


async def test_garbage_ends_the_connection(served: Any, eventually: Eventually, peer: Peer) -> None:
    await peer.open(1, "error")
    await peer.open(3, "data")
    await eventually(lambda: bool(served.nodes.streams))
    await peer.socket.send_bytes(GARBAGE)
    assert (await peer.hear(3))[-1] == GoAway(3, Leaving.PROTOCOL_ERROR)
    async with asyncio.timeout(DEADLINE):
        message = await peer.socket.receive()
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    await eventually(lambda: served.nodes.streams[0].closed)
