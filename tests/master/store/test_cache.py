"""The watch cache on a real store whose watch can be cut."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from master.store import cache as cache_module
from master.store import items
from master.store.base import Batch, Compacted, Delete, Put, StoreError, Unavailable
from master.store.cache import CacheEvent, EventType, WatchCache, with_revision
from master.store.embedded import EmbeddedStore

PODS = "/registry/core/pods/"

Cache = WatchCache[Any]
Events = Sequence[CacheEvent[Any]]


class CuttableStore:
    """The parts of a store that the cache uses; while `error` is set, watches end with it and listing fails."""

    def __init__(self, inner: EmbeddedStore) -> None:
        self.inner = inner
        self.error: StoreError | None = None
        self.lists = True
        self.reads = 0
        self.failures = 0
        """Watches that have ended with the error."""
        self._cut = asyncio.Event()

    def cut(self, error: StoreError, *, lists: bool = True) -> None:
        self.error, self.lists = error, lists
        self._cut.set()

    def mend(self) -> None:
        self.error, self.lists = None, True
        self._cut.clear()

    async def list(self, prefix: str, **how: Any) -> Any:
        if not self.lists and self.error is not None:
            raise self.error
        return await self.inner.list(prefix, **how)

    async def revision(self, watched: str = "") -> int:
        self.reads += 1
        await asyncio.sleep(0)
        return await self.inner.revision(watched)

    async def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(self.inner.watch(prefix, after)) as batches:
            while True:
                following = asyncio.ensure_future(anext(batches))
                cut = asyncio.ensure_future(self._cut.wait())
                await asyncio.wait({following, cut}, return_when=asyncio.FIRST_COMPLETED)
                cut.cancel()
                if self.error is not None:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                    self.failures += 1
                    raise self.error
                yield following.result()


def pod(name: str, **labels: str) -> bytes:
    metadata = {"name": name, **({"labels": labels} if labels else {})}
    return msgspec.json.encode({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}})


async def write(store: EmbeddedStore, **pods: bytes | None) -> int:
    """Write or delete pods by the last part of their keys ("d_a" is d/a), each in a revision of its own."""
    revision = 0
    for name, value in pods.items():
        key = PODS + name.replace("_", "/")
        revision = (await store.txn([], [Put(key, value) if value else Delete(key)])).revision
    return revision


def told(events: Events) -> list[tuple[EventType, str, int]]:
    return [(event.type, event.item.key.removeprefix(PODS), event.item.revision) for event in events]


@pytest.fixture
def cuttable(store: EmbeddedStore) -> CuttableStore:
    return CuttableStore(store)


@pytest.fixture
async def cache(cuttable: CuttableStore) -> AsyncIterator[Cache]:
    opened: Cache = WatchCache(cuttable, PODS, msgspec.json.decode)  # type: ignore[arg-type]
    await opened.start()
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"kind":"A","metadata":{"name":"x"}}', b'{"kind":"A","metadata":{"resourceVersion":"7","name":"x"}}'),
        (b'{"kind":"A","metadata":{}}', b'{"kind":"A","metadata":{"resourceVersion":"7"}}'),
        (
            b'{"metadata":{"name":"\\"metadata\\":{"},"template":{"metadata":{}}}',
            b'{"metadata":{"resourceVersion":"7","name":"\\"metadata\\":{"},"template":{"metadata":{}}}',
        ),
    ],
)
def test_the_revision_goes_into_the_objects_own_metadata(value: bytes, expected: bytes) -> None:
    assert with_revision(value, 7) == expected
    msgspec.json.decode(expected)


async def test_what_is_stored_is_loaded_and_followed(
    store: EmbeddedStore, cuttable: CuttableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "LOAD_PAGE", 1)
    first = await write(store, d_b=pod("b"), d_a=pod("a", app="web"))
    cache: Cache = WatchCache(cuttable, PODS, msgspec.json.decode)  # type: ignore[arg-type]
    await cache.start()
    try:
        assert cache.revision == first
        last = await write(store, e_c=pod("c"), d_b=None, d_a0=pod("a0"), da=pod("da"))
        await cache.fresh()
        assert cache.revision == last
        assert [item.key.removeprefix(PODS) for item in cache.list()] == ["d/a", "d/a0", "da", "e/c"]
        assert [item.key.removeprefix(PODS) for item in cache.list(PODS + "d/")] == ["d/a", "d/a0"]
        assert cache.list(PODS + "x/") == []
        item = cache.get(PODS + "d/a")
        assert item is not None
        assert (item.revision, item.created, item.labels) == (first, first, {"app": "web"})
        assert item.object["metadata"] == {"resourceVersion": str(first), "name": "a", "labels": {"app": "web"}}
        assert item.object is item.object
        assert cache.get(PODS + "d/b") is None
    finally:
        await cache.close()


async def test_events_tell_what_was_and_what_is(store: EmbeddedStore, cache: Cache) -> None:
    subscription = cache.subscribe()
    first = await write(store, d_a=pod("a"), d_b=None)
    await write(store, d_a=pod("a", v="2"))
    last = await write(store, d_a=None)
    await cache.fresh()
    events = await subscription.next()
    assert told(events) == [
        (EventType.ADDED, "d/a", first),
        (EventType.MODIFIED, "d/a", first + 1),
        (EventType.DELETED, "d/a", last),
    ]
    added, modified, deleted = events
    assert added.previous is None
    assert modified.previous is added.item
    assert deleted.previous is modified.item
    assert deleted.item.labels == {"v": "2"}
    assert msgspec.json.decode(deleted.wire) == {
        "type": "DELETED",
        "object": {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"resourceVersion": str(last), "name": "a", "labels": {"v": "2"}},
            "spec": {},
        },
    }
    assert deleted.wire.endswith(b"}\n")
    assert deleted.wire is deleted.wire
    assert subscription.revision == last


async def test_a_subscription_starts_where_it_is_told(store: EmbeddedStore, cache: Cache) -> None:
    start = await store.revision()
    last = await write(store, d_a=pod("a"), d_b=pod("b"), d_c=pod("c"))
    await cache.fresh()
    assert len(await cache.subscribe(start).next()) == 3
    assert told(await cache.subscribe(last - 1).next()) == [(EventType.ADDED, "d/c", last)]
    assert await cache.subscribe(last).next(0.01) == ()
    ahead = cache.subscribe(last + 1)
    await write(store, d_d=pod("d"), d_e=pod("e"))
    await cache.fresh()
    assert told(await ahead.next()) == [(EventType.ADDED, "d/e", last + 2)]


async def test_waiting_for_events_can_be_given_up_without_loss(store: EmbeddedStore, cache: Cache) -> None:
    subscription = cache.subscribe()
    revisions: list[int] = []

    async def write_all() -> None:
        for number in range(50):
            await write(store, d_a=pod("a", n=str(number)))

    writing = asyncio.create_task(write_all())
    async with asyncio.timeout(10):
        while len(revisions) < 50:
            revisions += [event.item.revision for event in await subscription.next(0.0005)]
    await writing
    assert revisions == list(range(revisions[0], revisions[0] + 50))


async def test_who_is_too_slow_or_too_late_is_told(store: EmbeddedStore) -> None:
    cache: Cache = WatchCache(store, PODS, msgspec.json.decode, ring=8)
    await cache.start()
    try:
        start = cache.revision
        slow = cache.subscribe()
        for number in range(8):
            await write(store, d_a=pod("a", n=str(number)))
        await cache.fresh()
        assert len(await cache.subscribe(start).next()) == 8
        last = await write(store, d_a=pod("a", n="8"))
        await cache.fresh()
        for late in (lambda: cache.subscribe(start), slow.take):
            with pytest.raises(Compacted):
                late()
        recent = await cache.subscribe(last - 3).next()
        assert [event.item.revision for event in recent] == [last - 2, last - 1, last]
    finally:
        await cache.close()


async def test_the_ring_is_bounded_in_bytes(store: EmbeddedStore) -> None:
    cache: Cache = WatchCache(store, PODS, msgspec.json.decode, ring_bytes=10_000)
    await cache.start()
    try:
        start = cache.revision
        last = await write(store, d_a=pod("a", big="x" * 6000), d_b=pod("b", big="x" * 6000))
        await cache.fresh()
        with pytest.raises(Compacted):
            cache.subscribe(start)
        assert len(await cache.subscribe(last - 1).next()) == 1
    finally:
        await cache.close()


async def test_few_objects_stay_decoded(store: EmbeddedStore, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "DECODED", 2)
    await write(store, d_a=pod("a"), d_b=pod("b"), d_c=pod("c"))
    await cache.fresh()
    a, b, c = cache.list()
    first = a.object
    assert b.object is not None
    assert a.object is first
    assert c.object is not None
    assert a.object is not first
    assert a.object == first


async def test_fresh_sees_every_earlier_write(store: EmbeddedStore, cuttable: CuttableStore, cache: Cache) -> None:
    for number in range(20):
        revision = await write(store, d_a=pod("a", n=str(number)))
        if number % 2:
            revision = (await store.txn([], [Put("/registry/elsewhere", b"")])).revision
        await cache.fresh()
        assert cache.revision >= revision
        item = cache.get(PODS + "d/a")
        assert item is not None
        assert item.labels == {"n": str(number)}
    before = cuttable.reads
    await asyncio.gather(*(cache.fresh() for _ in range(50)))
    assert cuttable.reads - before <= 2


async def test_a_read_that_has_begun_serves_nobody_who_comes_later(cuttable: CuttableStore, cache: Cache) -> None:
    begun, answer, calls = asyncio.Event(), asyncio.Event(), 0

    async def revision(watched: str = "") -> int:
        nonlocal calls
        calls += 1
        begun.set()
        await answer.wait()
        return 1

    cuttable.revision = revision  # type: ignore[method-assign]
    early = asyncio.create_task(cache.fresh())
    await begun.wait()
    late = [asyncio.create_task(cache.fresh()) for _ in range(5)]
    await asyncio.sleep(0)
    assert calls == 1
    answer.set()
    await asyncio.gather(early, *late)
    assert calls == 2


async def test_a_revision_of_another_type_is_reached_quickly(store: EmbeddedStore, cache: Cache) -> None:
    revision = (await store.txn([], [Put("/registry/core/nodes/n", b"{}")])).revision
    await cache.wait_until(revision, 1.0)
    with pytest.raises(TimeoutError):
        await cache.wait_until(revision + 1, 0.05)


async def test_listeners_hear_all_in_order_even_beside_a_broken_one(
    store: EmbeddedStore, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[EventType, str, int]] = []

    def broken(events: Events) -> None:
        raise RuntimeError("no")

    def listen(events: Events) -> None:
        heard.extend(told(events))

    cache.add_listener(broken)
    cache.add_listener(listen)
    last = await write(store, d_a=pod("a"), d_b=pod("b"))
    await cache.fresh()
    assert heard == [(EventType.ADDED, "d/a", last - 1), (EventType.ADDED, "d/b", last)]
    assert "a listener of /registry/core/pods/ failed" in caplog.text
    cache.remove_listener(listen)
    await write(store, d_a=None)
    await cache.fresh()
    assert len(heard) == 2


async def test_after_lost_history_the_difference_is_told(
    store: EmbeddedStore, cuttable: CuttableStore, cache: Cache
) -> None:
    await write(store, d_same=pod("same"), d_gone=pod("gone"), d_new=pod("old"), d_changed=pod("changed"))
    await cache.fresh()
    subscription = cache.subscribe()
    cuttable.cut(Compacted(1), lists=False)
    await write(store, d_gone=None, d_new=None, d_passing=pod("p"))
    last = await write(store, d_new=pod("new"), d_changed=pod("changed", v="2"), d_passing=None)
    cuttable.mend()
    async with asyncio.timeout(10):
        events = await subscription.next()
    new = last - 2
    assert told(events) == [
        (EventType.DELETED, "d/new", new - 1),
        (EventType.ADDED, "d/new", new),
        (EventType.MODIFIED, "d/changed", last - 1),
        (EventType.DELETED, "d/gone", last),
    ]
    listed = (await store.list(PODS)).items
    assert [(item.key, item.revision) for item in cache.list()] == [(kv.key, kv.revision) for kv in listed]
    assert cache.revision == last


async def test_an_outage_is_bridged_and_logged_once(
    store: EmbeddedStore, cuttable: CuttableStore, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    subscription = cache.subscribe()
    cuttable.cut(Unavailable("no route"))
    first = await write(store, d_a=pod("a"))
    async with asyncio.timeout(10):
        while cuttable.failures < 3:  # noqa: ASYNC110  # the cache tells nobody of its tries
            await asyncio.sleep(0.01)
    last = await write(store, d_a=None)
    assert cache.list() == []
    cuttable.mend()
    async with asyncio.timeout(10):
        events = list(await subscription.next())
        while len(events) < 2:
            events += await subscription.next()
    assert told(events) == [(EventType.ADDED, "d/a", first), (EventType.DELETED, "d/a", last)]
    assert caplog.text.count("no route") == 1
    assert caplog.text.count("watching /registry/core/pods/ again") == 1


async def test_what_is_no_object_is_left_out(
    store: EmbeddedStore, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    await write(store, d_a=b"junk", d_b=pod("b"))
    await cache.fresh()
    await write(store, d_b=b"junk")
    await cache.fresh()
    assert cache.list() == []
    assert caplog.text.count("no JSON object") == 2


async def test_closing_ends_all_waiting(cache: Cache) -> None:
    subscription = cache.subscribe()
    waits = [asyncio.create_task(subscription.next()), asyncio.create_task(cache.wait_until(10**9, None))]
    await asyncio.sleep(0)
    await cache.close()
    for wait in waits:
        with pytest.raises(Unavailable):
            await wait
    with pytest.raises(Unavailable):
        await subscription.next()
