"""The time of a pretended world: the real one, or one that a test moves by hand."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import Protocol

_SETTLE_TURNS = 20
"""Turns of the loop that woken tasks get to act before the hand moves on."""


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """The time, with its zone."""

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time has passed on this clock."""


class RealClock:
    """The machine's time."""

    def now(self) -> datetime:
        """The time, with its zone."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class ManualClock:
    """Stands still but for `advance`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The time, with its zone."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the hand has been moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move on; sleepers wake in order, each at its time, and act before the next does."""
        end = self._now + timedelta(seconds=seconds)
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            when, _, woken = heapq.heappop(self._sleepers)
            self._now = when
            if not woken.done():
                woken.set_result(None)
                await _settle()
        self._now = end
        await _settle()


async def _settle() -> None:
    for _ in range(_SETTLE_TURNS):
        await asyncio.sleep(0)
