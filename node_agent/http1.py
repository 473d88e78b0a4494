"""HTTP/1.1 as a client speaks it on a connection of its own: one request, and its answer as a stream."""

import asyncio
from collections.abc import AsyncIterator, Mapping

_READ = 64 * 1024
_MAX_FIELDS = 256
_INTERIM = (100, 102, 103)


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
        """The body as it arrives. Raises OSError, EOFError or ValueError when it breaks in its middle."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while left := int((await self.reader.readuntil(b"\n")).partition(b";")[0], 16):
                while left:
                    data = await self.reader.readexactly(min(left, _READ))
                    left -= len(data)
                    yield data
                await self.reader.readuntil(b"\n")
            return
        left = int(self.headers.get("content-length", -1))
        while left and (data := await self.reader.read(_READ if left < 0 else min(left, _READ))):
            left -= len(data) if left > 0 else 0
            yield data

    async def start(self, size: int) -> bytes:
        """The body, but no more of it than that. Raises as `chunks`."""
        body = b""
        async for chunk in self.chunks():
            body += chunk
            if len(body) >= size:
                break
        return body[:size]

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

    async def close(self) -> None:
        """Hang up; a second call does nothing."""
        self.writer.close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Reply:
    """Ask; the answer, as soon as its head is here. Raises OSError, EOFError, LimitOverrunError or ValueError."""
    writer.write(request)
    await writer.drain()
    status = _INTERIM[0]
    fields: dict[str, str] = {}
    while status in _INTERIM:
        protocol, code, *_ = (await reader.readuntil(b"\n")).decode("latin-1").split(None, 2)
        if not protocol.startswith("HTTP/"):
            raise ValueError(f"{protocol[:20]!r} is no version of HTTP")
        status, fields = int(code), await _read_fields(reader)
    return Reply(status, fields, reader, writer)


async def _read_fields(reader: asyncio.StreamReader) -> dict[str, str]:
    fields: dict[str, str] = {}
    for _ in range(_MAX_FIELDS):
        line = (await reader.readuntil(b"\n")).decode("latin-1").strip()
        if not line:
            return fields
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    raise ValueError("too many header lines")
