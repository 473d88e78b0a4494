"""Long answers: lists are joined piece by piece while the client reads them.

The list of 10,000 pods is some 60 MB. Put together at once it would be in memory several times over, as text, with
the headers and encrypted, and the server would do nothing else meanwhile.
"""

import asyncio
from collections.abc import Iterator, Sequence

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

PIECE = 256 * 1024
"""Bytes of a piece, at least, but for the last one."""
READ_SECONDS = 60.0
"""How long one piece may wait for a client that does not read."""


class Pieces:
    """A text made of `items` with commas between them, in a `head` and a `tail`."""

    def __init__(self, head: bytes, items: Sequence[bytes], tail: bytes) -> None:
        self._head = head
        self._items = items
        self._tail = tail
        self.size = len(head) + sum(map(len, items)) + max(len(items) - 1, 0) + len(tail)

    def __bytes__(self) -> bytes:
        return b"".join((self._head, b",".join(self._items), self._tail))

    def __iter__(self) -> Iterator[bytes]:
        part, size = [self._head], 0
        for number, item in enumerate(self._items):
            if number:
                part.append(b",")
            part.append(item)
            size += len(item)
            if size >= PIECE:
                yield b"".join(part)
                part, size = [], 0
        yield b"".join((*part, self._tail))


class PiecesPayload(Payload):
    """`Pieces` as the body of an answer."""

    _autoclose = True

    def __init__(self, pieces: Pieces, content_type: str) -> None:
        super().__init__(pieces, content_type=content_type)
        self._pieces = pieces
        self._size = pieces.size

    def __bytes__(self) -> bytes:
        return bytes(self._pieces)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """See `Payload`."""
        return bytes(self).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send everything; a client that does not read in time is as good as gone."""
        for piece in self._pieces:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await writer.write(piece)
            except TimeoutError:
                raise ConnectionResetError("the client does not read its answer") from None
