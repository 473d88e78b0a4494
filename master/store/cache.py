"""The watch cache: what the store holds under one prefix, in memory, with its recent events.

Everything belongs to one event loop, so between two awaits `WatchCache.list`, `WatchCache.revision` and
`WatchCache.subscribe` agree with each other.
"""

import asyncio
import logging
from bisect import bisect_left, insort
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Generic, TypeAlias, TypeVar

from master.store.base import Batch, Compacted, Event, Page, Store, StoreError, Unavailable, prefix_end
from master.store.items import CacheEvent, Decoding, EventType, Item, labels_of, wire, with_revision
from master.store.ring import Ring, Subscription
from timonel.tasks import end

__all__ = [
    "CacheEvent",
    "EventType",
    "Item",
    "Subscription",
    "WatchCache",
    "labels_of",
    "wire",
    "with_revision",
]

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_BACK_OFF = 5.0

LOAD_PAGE = 10_000
"""How many objects are asked for at once."""

ASK_AFTER = 0.02
"""Seconds to wait for an event before the store is asked for progress."""

_Events: TypeAlias = list[CacheEvent[T]]
_Listener: TypeAlias = Callable[[Sequence[CacheEvent[T]]], None]


class WatchCache(Generic[T]):
    """Everything under ``prefix`` of ``store``, kept up to date.

    Args:
        prefix: the resource type's prefix, with its last slash.
        decode: makes the object of JSON bytes.
        labels: makes what `Item.labels` gives; by default ``metadata.labels``.
        ring: how many recent events are kept for subscribers that come late or are slow.
        ring_bytes: how many bytes of objects these may hold.
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        decode: Callable[[bytes], T],
        *,
        labels: Callable[[bytes], Mapping[str, str]] = labels_of,
        ring: int = 4096,
        ring_bytes: int = 16 << 20,
    ) -> None:
        self.prefix = prefix
        self._decoding = Decoding(decode, labels)
        self._ring: Ring[T] = Ring(ring, ring_bytes)
        self._store = store
        self._items: dict[str, Item[T]] = {}
        self._keys: list[str] = []
        self._listeners: list[_Listener[T]] = []
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._reads = _SharedRead(lambda: store.revision(prefix))
        self._task: asyncio.Task[None] | None = None
        self._trouble: StoreError | None = None
        self._closed = False

    async def start(self) -> None:
        """Begin to follow the store, and wait until its contents are loaded; tries for as long as it takes."""
        self._task = asyncio.create_task(self._follow(), name=f"cache {self.prefix}")
        loaded = asyncio.ensure_future(self._reached(1))
        await asyncio.wait([loaded, self._task], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            loaded.cancel()
            self._task.result()
        await loaded

    async def close(self) -> None:
        """Stop following; subscriptions and waits end with `Unavailable`."""
        self._closed = True
        tasks = [task for task in (self._task, *self._reads.tasks()) if task is not None]
        await end(tasks)
        error = Unavailable(f"the watch cache of {self.prefix} is closed")
        self._ring.close(error)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)

    # Reading

    @property
    def revision(self) -> int:
        """The store's revision up to which this cache has seen everything; 0 before it is loaded."""
        return self._ring.revision

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def trouble(self) -> StoreError | None:
        """Why the store could not be followed of late; None where it is."""
        return self._trouble

    @property
    def count(self) -> int:
        """How many objects there are, as of `revision`."""
        return len(self._keys)

    def get(self, key: str) -> Item[T] | None:
        """The object under the full ``key``, as of `revision`."""
        return self._items.get(key)

    def list(self, prefix: str = "") -> "list[Item[T]]":
        """The objects whose full keys start with ``prefix`` (all by default), in key order, as of `revision`."""
        if len(prefix) <= len(self.prefix):
            return [self._items[key] for key in self._keys]
        start, end = bisect_left(self._keys, prefix), bisect_left(self._keys, prefix_end(prefix))
        return [self._items[key] for key in self._keys[start:end]]

    async def wait_until(self, revision: int, deadline: float | None = 3.0) -> None:
        """Wait until the cache has reached ``revision``, for at most ``deadline`` seconds.

        Raises:
            TimeoutError: it has not.
            Unavailable: the cache is closed, or the store does not answer.
        """
        if self._closed:
            raise Unavailable(f"the watch cache of {self.prefix} is closed")
        if self.revision >= revision:
            return
        async with asyncio.timeout(deadline):
            try:
                async with asyncio.timeout(ASK_AFTER):
                    await self._reached(revision)
            except TimeoutError:
                # Perhaps the revision is that of another type's object, of which no event comes here: ask for progress.
                await self._reads.read()
                await self._reached(revision)

    async def _reached(self, revision: int) -> None:
        if self.revision >= revision:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = revision
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    async def fresh(self, deadline: float | None = 3.0) -> None:
        """Wait until the cache has seen every write that was acknowledged before this call; raises as `wait_until`."""
        await self.wait_until(await self._reads.read(), deadline)

    # Following changes

    def subscribe(self, after: int | None = None) -> Subscription[T]:
        """The events after revision ``after``, by default from now.

        Raises:
            Compacted: some of them are no longer kept: list again.
        """
        if after is None:
            after = self.revision
        return Subscription(self._ring, self._ring.place_after(after), after)

    def add_listener(self, listener: _Listener[T]) -> None:
        """Call ``listener`` with every batch of events from now on, in order; it runs inside the cache: be quick."""
        self._listeners.append(listener)

    def remove_listener(self, listener: _Listener[T]) -> None:
        """Undo `add_listener`."""
        self._listeners.remove(listener)

    # Following the store

    async def _follow(self) -> None:
        """Load, then watch; after an outage resume, or load again where history has gone."""
        pause = 0.0
        loaded = False
        while True:
            await asyncio.sleep(pause)
            try:
                if not loaded:
                    await self._load()
                    loaded = True
                async with aclosing(self._store.watch(self.prefix, self.revision)) as batches:
                    async for batch in batches:
                        pause = 0.0
                        self._is_up()
                        self._apply(batch)
            except Compacted:
                loaded = False
            except StoreError as error:
                self._is_down(error)
                pause = min(pause * 2 or 0.1, MAX_BACK_OFF)

    def _is_down(self, error: StoreError) -> None:
        if self._trouble is None:
            log.warning("watching %s failed: %s; serving what is known, trying again", self.prefix, error)
        self._trouble = error

    def _is_up(self) -> None:
        if self._trouble is not None:
            log.info("watching %s again", self.prefix)
        self._trouble = None

    async def _load(self) -> None:
        """Take over what the store lists: in silence at first, later as the events that make the difference."""
        page = await self._store.list(self.prefix, limit=LOAD_PAGE)
        items = self._listed(page)
        while page.more:
            after = page.items[-1].key
            page = await self._store.list(self.prefix, limit=LOAD_PAGE, after=after, revision=page.revision)
            items |= self._listed(page)
        self._is_up()
        if self.revision == 0:
            self._items = items
            self._keys = sorted(items)
            self._ring.start(page.revision)
            self._advance((), page.revision)
            return
        events: _Events[T] = []
        for key in [key for key in self._keys if key not in items]:
            events += self._delete(key, page.revision)
        for item in items.values():
            events += self._replace(item)
        events.sort(key=lambda event: event.item.revision)
        self._advance(events, page.revision)

    def _listed(self, page: Page) -> dict[str, Item[T]]:
        return {kv.key: item for kv in page.items if (item := self._item(kv.key, kv.value, kv.revision, kv.created))}

    def _replace(self, item: Item[T]) -> _Events[T]:
        """Take a listed item; one deleted and made anew in the meantime is two events."""
        known = self._items.get(item.key)
        if known is not None and known.revision == item.revision:
            return []
        gone = self._delete(item.key, item.created - 1) if known is not None and known.created != item.created else []
        return [*gone, self._put(item)]

    def _apply(self, batch: Batch) -> None:
        events: _Events[T] = []
        for event in batch.events:
            events += self._take(event)
        self._advance(events, batch.revision)

    def _take(self, event: Event) -> _Events[T]:
        if event.value is None:
            return self._delete(event.key, event.revision)
        item = self._item(event.key, event.value, event.revision, event.created)
        return [self._put(item)] if item else self._delete(event.key, event.revision)

    def _item(self, key: str, value: bytes, revision: int, created: int) -> Item[T] | None:
        """The item of a stored value; None, with a word in the log, where somebody else wrote what is no object."""
        try:
            return Item(self._decoding, key, with_revision(value, revision), revision, created)
        except ValueError:
            log.error("%s holds no JSON object with metadata at revision %d; it is treated as absent", key, revision)
            return None

    def _put(self, item: Item[T]) -> CacheEvent[T]:
        previous = self._items.get(item.key)
        if previous is None:
            insort(self._keys, item.key)
        self._items[item.key] = item
        return CacheEvent(EventType.MODIFIED if previous else EventType.ADDED, item, previous)

    def _delete(self, key: str, revision: int) -> _Events[T]:
        previous = self._items.pop(key, None)
        if previous is None:
            return []
        del self._keys[bisect_left(self._keys, key)]
        return [CacheEvent(EventType.DELETED, previous.deleted_at(revision), previous)]

    def _advance(self, events: Sequence[CacheEvent[T]], revision: int) -> None:
        """Show events and progress to all who wait."""
        self._ring.add(events, revision)
        for listener in self._listeners if events else ():
            try:
                listener(events)
            except Exception:
                log.exception("a listener of %s failed", self.prefix)
        for waiter, wanted in self._waiters.items():
            if wanted <= self.revision and not waiter.done():
                waiter.set_result(None)


class _SharedRead:
    """One read at a time for all who ask; who comes while one runs gets the next: this one may miss news."""

    def __init__(self, read: Callable[[], Coroutine[Any, Any, int]]) -> None:
        self._call = read
        self._running: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def read(self) -> int:
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        return await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[int] | None) -> int:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        return await self._call()

    def tasks(self) -> list[asyncio.Task[int]]:
        return [task for task in (self._running, self._next) if task is not None]
