"""Watches of a store: events fan out in memory, and a watcher that is behind reads history until it has caught up."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from master.store.base import Batch, Event, StoreError

History = Callable[[str, int, int], AsyncGenerator[Batch, None]]
"""``history(prefix, after, upto)``: past events in batches, of which the last one's revision is exactly ``upto``."""


class _Watcher:
    """One watch. ``pending`` holds every event that matches with a revision greater than ``complete_from``."""

    __slots__ = ("asked", "complete_from", "pending", "prefix", "wake")

    def __init__(self, prefix: str, complete_from: int) -> None:
        self.prefix = prefix
        self.complete_from = complete_from
        self.pending: list[Event] = []
        self.asked = 0
        self.wake = asyncio.Event()

    def restart_at(self, revision: int) -> None:
        self.pending.clear()
        self.complete_from = max(self.complete_from, revision)
        self.wake.set()


class Fanout:
    """Hands published events to watches. Belongs to one event loop.

    Args:
        revision: up to where history is complete when this starts.
        history: reads what was published before a watch began, or while it was too slow.
        bound: how many events wait for a slow watch before it is sent back to history.
        progress: seconds between reports of progress where nothing matches.
    """

    def __init__(self, revision: int, history: History, *, bound: int = 4096, progress: float = 5.0) -> None:
        self.revision = revision
        self._history = history
        self._bound = bound
        self._progress = progress
        self._watchers: set[_Watcher] = set()
        self._error: StoreError | None = None

    def publish(self, events: Sequence[Event], revision: int) -> None:
        """Take all events after the last call's ``revision``, up to this one's."""
        self.revision = revision
        for watcher in self._watchers:
            matching = [e for e in events if e.revision > watcher.complete_from and e.key.startswith(watcher.prefix)]
            if len(watcher.pending) + len(matching) > self._bound:
                watcher.restart_at(revision)
            elif matching:
                watcher.pending += matching
                watcher.wake.set()
            elif 0 < watcher.asked <= revision:
                watcher.wake.set()

    def skip(self, revision: int) -> None:
        """Events up to ``revision`` were not published: every watch reads them from history."""
        self.revision = revision
        for watcher in self._watchers:
            watcher.restart_at(revision)

    def ask(self, prefix: str, revision: int) -> None:
        """Have the watches of ``prefix`` report progress as soon as ``revision`` is published."""
        for watcher in self._watchers:
            if watcher.prefix == prefix:
                watcher.asked = max(watcher.asked, revision)
                if self.revision >= revision:
                    watcher.wake.set()

    def close(self, error: StoreError) -> None:
        """End every watch with ``error``."""
        self._error = error
        for watcher in self._watchers:
            watcher.wake.set()

    async def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        """As `Store.watch`."""
        watcher = _Watcher(prefix, max(after, self.revision))
        self._watchers.add(watcher)
        try:
            while True:
                if self._error is not None:
                    raise self._error
                if after < watcher.complete_from:
                    async with aclosing(self._history(prefix, after, watcher.complete_from)) as batches:
                        async for batch in batches:
                            yield batch
                            after = batch.revision
                    continue
                await self._wait(watcher)
                if after >= watcher.complete_from and self._error is None:
                    events, watcher.pending = watcher.pending, []
                    after = max(after, self.revision)
                    if watcher.asked <= after:
                        watcher.asked = 0
                    yield Batch(events, after)
        finally:
            self._watchers.discard(watcher)

    async def _wait(self, watcher: _Watcher) -> None:
        """Wait for events, or until progress is due."""
        try:
            async with asyncio.timeout(self._progress):
                await watcher.wake.wait()
        except TimeoutError:
            pass
        finally:
            watcher.wake.clear()
