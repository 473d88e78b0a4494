"""Ends long-running requests in order when the server closes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lifetimes:
    """Knows what runs long, and can end it all."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @asynccontextmanager
    async def limit(self, seconds: float | None) -> AsyncIterator[None]:
        """Run a block for at most `seconds` (None: as long as it likes), or until `close`.

        Raises:
            TimeoutError: its time is over.
        """
        async with asyncio.timeout(0 if self._closed else seconds) as timeout:
            self._open.add(timeout)
            try:
                yield
            finally:
                self._open.discard(timeout)

    def close(self) -> None:
        """End all blocks, and those to come at their first wait."""
        self._closed = True
        now = asyncio.get_running_loop().time()
        for timeout in self._open:
            if not timeout.expired():
                timeout.reschedule(now)
