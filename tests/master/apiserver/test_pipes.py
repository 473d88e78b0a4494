"""Connections that leave HTTP, on a small server of their own."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from master.apiserver.streams import pipes

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
REQUEST = (
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
    b"X-Stream-Protocol-Version: old\r\nX-Stream-Protocol-Version: new\r\n\r\n"
)
DEADLINE = 10.0


class Echo:
    """A server whose connections give back what they get, when they may."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.server = web.Server(self._handle)
        self.port = 0

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        response, pipe = await pipes.upgrade(http, "new")
        await self.may_read.wait()
        while data := await pipe.read():
            if data == b"end":
                break
            await pipe.write(data)
        return response


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    listener = await asyncio.get_running_loop().create_server(echo.server, "127.0.0.1", 0)
    echo.port = listener.sockets[0].getsockname()[1]
    yield echo
    listener.close()
    await echo.server.shutdown(1)


async def upgraded(echo: Echo) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    writer.write(REQUEST)
    async with asyncio.timeout(DEADLINE):
        head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "http/1.1 101 switching protocols"
    assert {"connection: upgrade", "upgrade: spdy/3.1", "x-stream-protocol-version: new"} <= set(lines)
    return reader, writer


async def test_bytes_go_both_ways_and_either_side_may_end(echo: Echo, eventually: Eventually) -> None:
    for is_client_first in (True, False):
        reader, writer = await upgraded(echo)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            assert await reader.readexactly(18) == b"GET / HTTP/1.1\r\n\r\n", "it is HTTP no more"
            if not is_client_first:
                writer.write(b"end")
                assert await reader.read() == b""
        writer.close()
        await eventually(lambda: not echo.server.connections)


async def test_a_reader_that_is_slow_holds_up_the_client(echo: Echo) -> None:
    echo.may_read.clear()
    reader, writer = await upgraded(echo)
    text = os.urandom(32 * 1024 * 1024)
    writer.write(text)
    sending = asyncio.create_task(writer.drain())
    done, _ = await asyncio.wait([sending], timeout=0.1)
    assert not done
    echo.may_read.set()
    async with asyncio.timeout(DEADLINE):
        assert await reader.readexactly(len(text)) == text
        await sending
    writer.close()
