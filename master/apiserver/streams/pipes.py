"""The two ways in which SPDY's bytes come: inside the messages of a WebSocket, or bare after an upgrade of HTTP."""

import asyncio
from collections.abc import Mapping

from aiohttp import WSMsgType, web

from master.apiserver.audit import record as audit
from timonel.api.errors import BadRequest

PROTOCOL_HEADER = "X-Stream-Protocol-Version"
UNREAD_BYTES = 256 * 1024
"""Bytes that may wait here before the client's connection is not read any more."""


class WebSocketPipe:
    """Bytes in binary messages, whose borders mean nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        """As `session.Pipe` says. Anything but a binary message ends the connection."""
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.BINARY:
                return b""
            if message.data:
                return bytes(message.data)

    async def write(self, data: bytes) -> None:
        """As `session.Pipe` says."""
        await self._socket.send_bytes(data)


class UpgradedPipe(asyncio.Protocol):
    """The bytes of a connection that speaks HTTP no more.

    It stands between the transport and the HTTP server's protocol, which goes on to write, and to care for the
    connection and its handler.
    """

    def __init__(self, response: web.StreamResponse, transport: asyncio.Transport) -> None:
        self._response = response
        self._transport = transport
        self._server = transport.get_protocol()
        self._received = bytearray()
        self._is_over = False
        self._is_paused = False
        self._woken = asyncio.Event()
        transport.set_protocol(self)

    async def read(self) -> bytes:
        """As `session.Pipe` says."""
        while not self._received and not self._is_over:
            self._woken.clear()
            await self._woken.wait()
        data = bytes(self._received)
        self._received.clear()
        if self._is_paused and not self._is_over:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """As `session.Pipe` says."""
        await self._response.write(data)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += data
        if len(self._received) > UNREAD_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._woken.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._is_over = True
        self._woken.set()
        self._server.connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._server.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._server.resume_writing()


def asks_for_spdy(http: web.BaseRequest) -> bool:
    """Whether a request wants its connection to become one of SPDY."""
    return http.headers.get("Upgrade", "").lower() == "spdy/3.1"


def choose(http: web.BaseRequest, protocol: str) -> None:
    """Check that the client speaks `protocol` over SPDY.

    Raises:
        BadRequest: it does not.
    """
    header = ",".join(http.headers.getall(PROTOCOL_HEADER, []))
    asked = [name.strip() for name in header.split(",") if name.strip()]
    if protocol not in asked:
        raise BadRequest(
            f"unable to upgrade: unable to negotiate protocol: client supports {asked}, server accepts [{protocol}]"
        )


async def upgrade(http: web.BaseRequest, protocol: str) -> tuple[web.StreamResponse, UpgradedPipe]:
    """Turn a request's connection into one of SPDY, over which `protocol` is spoken.

    Raises:
        BadRequest: the client does not speak it.
        ConnectionError: the client is gone.
    """
    choose(http, protocol)
    return await take_over(http, {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", PROTOCOL_HEADER: protocol})


async def take_over(http: web.BaseRequest, headers: Mapping[str, str]) -> tuple[web.StreamResponse, UpgradedPipe]:
    """Answer a request with 101 and `headers`; its connection is the caller's from there on.

    Raises:
        ConnectionError: the client is gone.
    """
    response = web.StreamResponse(status=101, headers=headers)
    response.force_close()
    if http.transport is None:
        raise ConnectionResetError("the client is gone")
    pipe = UpgradedPipe(response, http.transport)
    await response.prepare(http)
    audit.began(http, response)
    return response, pipe
