"""The recent events of a watch cache, and those who follow them."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from typing import Generic, TypeVar

from master.store.base import Compacted, StoreError
from master.store.items import CacheEvent

T = TypeVar("T")

MAX_PAUSE = 0.1
"""How long, in seconds, those who wait are kept waiting at most for more events to come together."""


class Ring(Generic[T]):
    """Events in order of revision, bounded in number and in bytes; each has a place that never changes."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.revision = 0
        """The revision up to which all events have been added."""
        self.complete_from = 0
        """Every event with a revision greater than this is here."""
        self._events: list[CacheEvent[T]] = []
        self._first = 0
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._rest_until = 0.0
        self._waking: asyncio.TimerHandle | None = None
        self._error: StoreError | None = None

    @property
    def end(self) -> int:
        """The place of the next event."""
        return self._first + len(self._events)

    def start(self, revision: int) -> None:
        """Begin after ``revision``, with no events."""
        self.revision = self.complete_from = revision

    def add(self, events: Sequence[CacheEvent[T]], revision: int) -> None:
        """Take the events after the last call's ``revision`` up to this one's, and wake those who wait.

        They are woken at once, but not before as long a time has passed as it took to serve them all the last time:
        a thousand watchers cost much the same for one event as for ten, and writers are to get their turn as well.
        """
        self.revision = max(self.revision, revision)
        if not events:
            return
        self._events += events
        self._bytes += sum(len(event.item.raw) for event in events)
        if len(self._events) > self._most or self._bytes > self._most_bytes:
            self._trim()
        if self._waiters and self._waking is None:
            rest = self._rest_until - time.monotonic()
            if rest > 0:
                self._waking = asyncio.get_running_loop().call_later(rest, self._wake)
            else:
                self._wake()

    def _wake(self) -> None:
        self._waking = None
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        asyncio.get_running_loop().call_soon(self._served, time.monotonic())

    def _served(self, since: float) -> None:
        """All that were woken have had their turn of the loop."""
        now = time.monotonic()
        self._rest_until = now + min(now - since, MAX_PAUSE)

    def _trim(self) -> None:
        """Go a quarter below the bounds, so that trimming, which moves the whole list, is rare."""
        count = 0
        while len(self._events) - count > self._most * 3 // 4 or self._bytes > self._most_bytes * 3 // 4:
            self._bytes -= len(self._events[count].item.raw)
            count += 1
        self.complete_from = self._events[count - 1].item.revision
        del self._events[:count]
        self._first += count

    def place_after(self, revision: int) -> int:
        """The place of the first event after ``revision``."""
        if revision < self.complete_from:
            raise Compacted(self.complete_from)
        return self._first + bisect_right(self._events, revision, key=lambda event: event.item.revision)

    def since(self, place: int) -> list[CacheEvent[T]]:
        """The events from ``place`` on."""
        if place < self._first:
            raise Compacted(self.complete_from)
        return self._events[place - self._first :]

    async def changed(self) -> None:
        """Wait for the next events."""
        if self._error is not None:
            raise self._error
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
        if self._error is not None:
            raise self._error

    def close(self, error: StoreError) -> None:
        """End all waiting with ``error``."""
        self._error = error
        if self._waking is not None:
            self._waking.cancel()
        self._wake()


class Subscription(Generic[T]):
    """The events after a revision, in batches. Made by `WatchCache.subscribe`; holds nothing that needs closing."""

    def __init__(self, ring: Ring[T], place: int, after: int) -> None:
        self._ring = ring
        self._place = place
        self._after = after

    @property
    def revision(self) -> int:
        """Up to which revision the batches taken so far are complete: what a bookmark says."""
        if self._place >= self._ring.end:
            self._after = max(self._after, self._ring.revision)
        return self._after

    async def next(self, timeout: float | None = None) -> Sequence[CacheEvent[T]]:
        """The next events; none when ``timeout`` seconds passed without any. May be cancelled without losing events.

        Raises:
            Compacted: too slow: the cache has dropped events that were not taken yet.
            Unavailable: the cache is closed.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (events := self.take()):
                    await self._ring.changed()
        except TimeoutError:
            return ()
        return events

    def take(self) -> Sequence[CacheEvent[T]]:
        """The events that are there now, without waiting; raises as `next`."""
        events = self._ring.since(self._place)
        self._place = self._ring.end
        if (
            events and events[0].item.revision <= self._after
        ):  # the subscriber had seen more than this cache when it came
            events = [event for event in events if event.item.revision > self._after]
        if events:
            self._after = events[-1].item.revision
        return events

    def __aiter__(self) -> AsyncIterator[Sequence[CacheEvent[T]]]:
        return self

    async def __anext__(self) -> Sequence[CacheEvent[T]]:
        return await self.next()
