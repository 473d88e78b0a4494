"""HTTP over the daemon's socket for what must not hold a thread: streams, upgrades and long waits.

The `docker` package blocks one thread for each of these; a node has hundreds of followed logs and execs.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

_MAX_HEAD = 64 * 1024
_MAX_ERROR = 64 * 1024
_READ = 64 * 1024


class Reply:
    """An answer whose head has been read. The owner calls `close`."""

    def __init__(
        self, status: int, headers: Mapping[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.status = status
        self.headers = headers
        self.reader = reader
        self.writer = writer

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises OSError or EOFError when the connection breaks in its middle."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await self._line()).partition(b";")[0], 16):
                yield await self.reader.readexactly(size)
                await self._line()
            return
        left = int(self.headers.get("content-length", -1))
        while left and (data := await self.reader.read(_READ if left < 0 else min(left, _READ))):
            left -= len(data) if left > 0 else 0
            yield data

    async def _line(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n"))[:-2]

    async def lines(self) -> AsyncIterator[bytes]:
        """The body by lines, without their ends."""
        rest = b""
        async for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    yield line
        if rest.strip():
            yield rest

    async def error(self) -> str:
        """The daemon's words in an answer that refuses."""
        text = b""
        async for chunk in self.chunks():
            text += chunk
            if len(text) > _MAX_ERROR:
                break
        try:
            return str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            return text.decode(errors="replace").strip() or f"HTTP {self.status}"

    async def close(self) -> None:
        """Hang up; a second call does nothing."""
        self.writer.close()


async def request(
    socket: str,
    method: str,
    target: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    upgrade: bool = False,
) -> Reply:
    """Ask, and return when the head of the answer is here. Raises OSError or EOFError when nobody answers."""
    content = b"" if body is None else json.dumps(body).encode()
    fields = {
        "Host": "docker",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Connection": "Upgrade" if upgrade else "close",
        **({"Upgrade": "tcp"} if upgrade else {}),
        **(headers or {}),
    }
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
    reader, writer = await asyncio.open_unix_connection(socket, limit=_MAX_HEAD)
    try:
        writer.write(head.encode() + content)
        await writer.drain()
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        answered = (line.partition(":") for line in rest if line)
        return Reply(status, {name.strip().lower(): value.strip() for name, _, value in answered}, reader, writer)
    except BaseException:
        writer.close()
        raise
