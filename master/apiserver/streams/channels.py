"""The channel protocols: WebSocket messages whose first byte names the stream that the rest belongs to."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from aiohttp import WSMsgType, web

from master.apiserver.audit import record as audit
from timonel.api.errors import BadRequest

CLOSE_SECONDS = 2.0
"""How long a client has to answer the end of a connection."""


class Remote(IntEnum):
    """The channels of exec and attach."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255
    """Only in version 5: the next byte names the channel that ends."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One sub-protocol."""

    name: str
    base64: bool = False
    """Text messages: a digit and base64, for clients in browsers."""
    closes: bool = False
    """Whether it can end one channel alone."""


V5 = Protocol("v5.channel.k8s.io", closes=True)
V4 = Protocol("v4.channel.k8s.io")
V4_BASE64 = Protocol("v4.base64.channel.k8s.io", base64=True)


class Channels:
    """A WebSocket in one of the protocols."""

    def __init__(self, socket: web.WebSocketResponse, protocol: Protocol) -> None:
        self.response = socket
        self.protocol = protocol

    @property
    def closes(self) -> bool:
        """Whether one channel alone can be ended."""
        return self.protocol.closes

    async def send(self, channel: int, data: bytes) -> None:
        """Send data on a channel.

        Raises:
            ConnectionError: the client is gone.
        """
        if self.protocol.base64:
            await self.response.send_str(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self.response.send_bytes(bytes((channel,)) + data)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next channel and its data; None when the client has ended.

        Raises:
            BadRequest: the client does not keep to the protocol.
        """
        message = await self.response.receive()
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            return None
        content = content_of(self.protocol, message.data)
        if not content:
            raise BadRequest("a message without a channel was received")
        return content[0], content[1:]

    async def close(self) -> None:
        """End the connection in order. Idempotent."""
        await self.response.close()


def content_of(protocol: Protocol, data: str | bytes) -> bytes:
    """A channel's number and what it brings, out of a message.

    Raises:
        BadRequest: the message is not as the protocol has it.
    """
    if not protocol.base64:
        return data if isinstance(data, bytes) else data.encode()
    text = data if isinstance(data, str) else data.decode(errors="replace")
    try:
        return bytes((int(text[:1]),)) + base64.b64decode(text[1:], validate=True)
    except ValueError:
        raise BadRequest("a message is not a channel's digit and base64") from None


async def accept(http: web.BaseRequest, protocols: Sequence[Protocol]) -> Channels:
    """Make a WebSocket of a request, in the first protocol of the client's that is among `protocols`.

    Raises:
        BadRequest: the request is no WebSocket handshake, or asks for other protocols.
    """
    chosen = check(http, protocols)
    socket = web.WebSocketResponse(protocols=(chosen.name,), compress=False, timeout=CLOSE_SECONDS)
    await socket.prepare(http)
    audit.began(http, socket)
    return Channels(socket, chosen)


def check(http: web.BaseRequest, protocols: Sequence[Protocol]) -> Protocol:
    """The protocol that `accept` will speak; raises as it does."""
    names = ", ".join(protocol.name for protocol in protocols)
    if http.headers.get("Upgrade", "").lower() != "websocket":
        raise BadRequest(f"Upgrade request required: open a WebSocket with one of the sub-protocols {names}")
    header = ",".join(http.headers.getall("Sec-WebSocket-Protocol", []))
    asked = [name.strip() for name in header.split(",") if name.strip()]
    known = {protocol.name: protocol for protocol in protocols}
    for name in asked:
        if name in known:
            return known[name]
    raise BadRequest(f"none of the sub-protocols that were asked for ({', '.join(asked) or 'none'}) is among {names}")
