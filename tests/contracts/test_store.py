"""What every store promises: see master/store/base.py."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest

from master.store.base import (
    Batch,
    Committed,
    Compacted,
    Delete,
    Event,
    Guard,
    KeyValue,
    LeaseEnded,
    Put,
    Refused,
    Store,
    TooLarge,
    Unavailable,
)

DEADLINE = 20.0


async def put(store: Store, key: str, value: bytes = b"{}", lease: int = 0) -> int:
    outcome = await store.txn([], [Put(key, value, lease)])
    assert isinstance(outcome, Committed)
    return outcome.revision


async def delete(store: Store, key: str) -> int:
    return (await store.txn([], [Delete(key)])).revision


async def seen(store: Store, prefix: str, after: int, upto: int) -> list[Event]:
    """The events that a watch gives from ``after`` until it is complete up to ``upto``."""
    events: list[Event] = []
    async with asyncio.timeout(DEADLINE), aclosing(store.watch(prefix, after)) as batches:
        async for batch in batches:
            events += batch.events
            assert all(event.revision <= batch.revision for event in batch.events)
            if batch.revision >= upto:
                return events
    raise AssertionError("the watch ended")


async def test_a_write_raises_the_revision_by_one_and_can_be_read(store: Store) -> None:
    before = await store.revision()
    assert await store.get("/a") is None
    revision = await put(store, "/a", b"one")
    assert revision == before + 1 == await store.revision()
    assert await store.get("/a") == KeyValue("/a", b"one", revision, revision)
    second = await put(store, "/a", b"two")
    assert await store.get("/a") == KeyValue("/a", b"two", second, revision)
    assert await delete(store, "/a") == second + 1
    assert await store.get("/a") is None
    third = await put(store, "/a", b"three")
    assert await store.get("/a") == KeyValue("/a", b"three", third, third)


async def test_values_and_keys_come_back_as_they_were(store: Store) -> None:
    value = bytes(range(256)) * 4000
    await put(store, "/ü/ключ", value)
    found = await store.get("/ü/ключ")
    assert found is not None
    assert found.value == value


async def test_deleting_what_is_absent_changes_nothing(store: Store) -> None:
    before = await store.revision()
    assert await store.txn([], [Delete("/nothing")]) == Committed(before)
    assert await store.revision() == before


async def test_guards_decide(store: Store) -> None:
    created = await put(store, "/a", b"one")
    refused = await store.txn([Guard("/b", 0), Guard("/a", 0)], [Put("/a", b"two"), Put("/b", b"two")])
    assert refused == Refused(created, (None, KeyValue("/a", b"one", created, created)))
    assert await store.get("/b") is None
    assert isinstance(await store.txn([Guard("/a", created + 1)], [Delete("/a")]), Refused)
    assert isinstance(await store.txn([Guard("/a", created), Guard("/b", 0)], [Put("/a", b"two")]), Committed)
    assert isinstance(await store.txn([Guard("/a", created)], [Delete("/a")]), Refused)
    assert isinstance(await store.txn([Guard("/a", created + 1)], [Delete("/a")]), Committed)
    assert isinstance(await store.txn([Guard("/a", 0)], []), Committed)


async def test_a_transaction_is_one_revision(store: Store) -> None:
    await put(store, "/x/gone")
    outcome = await store.txn([], [Put("/x/a", b"1"), Delete("/x/gone"), Put("/x/b", b"2")])
    assert [(kv.key, kv.revision) for kv in (await store.list("/x/")).items] == [
        ("/x/a", outcome.revision),
        ("/x/b", outcome.revision),
    ]
    events = await seen(store, "/x/", outcome.revision - 1, outcome.revision)
    assert sorted((event.key, event.value) for event in events) == [("/x/a", b"1"), ("/x/b", b"2"), ("/x/gone", None)]
    assert {event.revision for event in events} == {outcome.revision}


async def test_impossible_transactions_are_refused_whole(store: Store) -> None:
    before = await store.revision()
    with pytest.raises(ValueError, match="twice"):
        await store.txn([], [Put("/a", b"1"), Delete("/a")])
    with pytest.raises(ValueError, match="surrogates"):
        await store.txn([], [Put("/a", b"1"), Put("/\ud800", b"1")])
    with pytest.raises(TooLarge):
        await store.txn([], [Put("/a", b"x" * 1_600_000)])
    with pytest.raises(TooLarge):
        await store.txn([], [Put(f"/a{n}", b"") for n in range(129)])
    with pytest.raises(LeaseEnded):
        await store.txn([], [Put("/a", b"1"), Put("/b", b"1", lease=4711)])
    assert await store.revision() == before


async def test_concurrent_guarded_updates_lose_nothing(store: Store) -> None:
    await put(store, "/count", b"0")

    async def increment() -> None:
        while True:
            now = await store.get("/count")
            assert now is not None
            write = Put("/count", str(int(now.value) + 1).encode())
            if isinstance(await store.txn([Guard("/count", now.revision)], [write]), Committed):
                return

    await asyncio.gather(*(increment() for _ in range(30)))
    final = await store.get("/count")
    assert final is not None
    assert final.value == b"30"


async def test_lists_are_ordered_and_hold_to_their_prefix(store: Store) -> None:
    for key in ("/p/b", "/p/a/z", "/p/a", "/p", "/q", "/p/a-", "/p/é"):
        await put(store, key)
    page = await store.list("/p/")
    assert [kv.key for kv in page.items] == ["/p/a", "/p/a-", "/p/a/z", "/p/b", "/p/é"]
    assert (page.more, page.remaining, page.revision) == (False, 0, await store.revision())
    assert len((await store.list("")).items) == 7
    assert (await store.list("/nothing")).items == []


async def test_pages_at_one_revision_are_one_listing(store: Store) -> None:
    for number in range(10):
        await put(store, f"/p/{number}", b"old")
    first = await store.list("/p/", limit=4)
    assert (len(first.items), first.more, first.remaining) == (4, True, 6)
    await put(store, "/p/5", b"new")
    await put(store, "/p/55", b"new")
    await delete(store, "/p/7")
    second = await store.list("/p/", limit=4, after="/p/3", revision=first.revision)
    assert [(kv.key, kv.value) for kv in second.items] == [(f"/p/{n}", b"old") for n in (4, 5, 6, 7)]
    assert (second.more, second.remaining, second.revision) == (True, 2, first.revision)
    last = await store.list("/p/", limit=4, after="/p/7", revision=first.revision)
    assert [kv.key for kv in last.items] == ["/p/8", "/p/9"]
    assert (last.more, last.remaining) == (False, 0)
    assert [kv.value for kv in (await store.list("/p/", after="/p/4", limit=2)).items] == [b"new", b"new"]


async def test_the_past_can_be_read(store: Store) -> None:
    first = await put(store, "/a", b"one")
    second = await put(store, "/a", b"two")
    third = await delete(store, "/a")
    assert await store.get("/a", first) == KeyValue("/a", b"one", first, first)
    assert await store.get("/a", second) == KeyValue("/a", b"two", second, first)
    assert await store.get("/a", third) is None
    with pytest.raises(Unavailable):
        await store.get("/a", third + 100)


async def test_a_watch_gives_the_past_and_then_the_present(store: Store) -> None:
    start = await store.revision()
    first = await put(store, "/w/a", b"1")
    await put(store, "/other", b"no")
    watching = asyncio.create_task(seen(store, "/w/", start, first + 4))
    await put(store, "/w/a", b"2")
    await delete(store, "/w/a")
    again = await put(store, "/w/a", b"3")
    assert [(e.key, e.value, e.created == e.revision) for e in await watching] == [
        ("/w/a", b"1", True),
        ("/w/a", b"2", False),
        ("/w/a", None, False),
        ("/w/a", b"3", True),
    ]
    assert await seen(store, "/w/", again - 1, again) == [Event("/w/a", b"3", again, again)]


async def test_a_watch_can_begin_in_the_future(store: Store) -> None:
    now = await store.revision()
    watching = asyncio.create_task(seen(store, "/w/", now + 1, now + 2))
    await asyncio.sleep(0)
    await put(store, "/w/a", b"1")
    await put(store, "/w/a", b"2")
    assert [event.value for event in await watching] == [b"2"]


async def test_watches_resume_anywhere_without_gap_or_repeat(store: Store) -> None:
    start = await store.revision()
    written: list[int] = []

    async def write(worker: int) -> None:
        for number in range(40):
            written.append(await put(store, f"/w/{worker}", b"%d" % number))
            await put(store, f"/other/{worker}")

    async def watch_with_breaks(most: int) -> list[int]:
        revisions, after = [], start
        while len(revisions) < 160:
            async with aclosing(store.watch("/w/", after)) as batches:
                for _ in range(most):
                    if len(revisions) == 160:
                        break
                    batch = await anext(batches)
                    revisions += [event.revision for event in batch.events]
                    after = batch.revision
        return revisions

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        watches = [group.create_task(watch_with_breaks(most)) for most in (1, 3, 1000)]
        for worker in range(4):
            group.create_task(write(worker))
    for watch in watches:
        assert watch.result() == sorted(written)


async def test_a_slow_watch_loses_nothing(store: Store) -> None:
    async with aclosing(store.watch("/w/", await store.revision())) as batches:
        await put(store, "/w/first")
        events = list((await anext(batches)).events)
        for _ in range(60):
            await store.txn([], [Put(f"/w/{number}", b"") for number in range(100)])
        async with asyncio.timeout(DEADLINE):
            while len(events) < 6001:
                events += (await anext(batches)).events
    assert len(events) == 6001
    assert [event.revision for event in events] == sorted(event.revision for event in events)


async def test_asking_for_the_revision_brings_progress(store: Store) -> None:
    await put(store, "/w/a")
    async with aclosing(store.watch("/w/", await store.revision())) as batches:
        for number in range(3):
            progress = asyncio.ensure_future(anext(batches))
            await put(store, f"/elsewhere/{number}")
            async with asyncio.timeout(2.0):
                revision = await store.revision(watched="/w/")
                assert await progress == Batch([], revision)


async def test_compaction_forgets_the_past_and_keeps_the_present(store: Store) -> None:
    first = await put(store, "/c/a", b"1")
    await put(store, "/c/gone", b"1")
    await put(store, "/c/a", b"2")
    at = await delete(store, "/c/gone")
    last = await put(store, "/c/a", b"3")
    await store.compact(at)
    await store.compact(at)
    for call in (store.get("/c/a", first), store.list("/c/", revision=at - 1), seen(store, "/c/", first, last)):
        with pytest.raises(Compacted):
            await call
    with pytest.raises(Compacted):
        await seen(store, "/c/", at - 1, last)
    old = await store.get("/c/a", at)
    assert old is not None
    assert old.value == b"2"
    assert await store.get("/c/a") == KeyValue("/c/a", b"3", last, first)
    assert [kv.key for kv in (await store.list("/c/", revision=at)).items] == ["/c/a"]
    assert [event.value for event in await seen(store, "/c/", at, last)] == [b"3"]


async def test_a_lease_ends_with_its_keys(store: Store) -> None:
    lease = await store.grant(1.0)
    other = await store.grant(60.0)
    start = await put(store, "/l/a", b"1", lease)
    await put(store, "/l/b", b"1", lease)
    kept = await put(store, "/l/kept", b"1", lease)
    await put(store, "/l/kept", b"2", other)
    events = await seen(store, "/l/", kept + 1, kept + 2)
    assert {(event.key, event.value) for event in events} == {("/l/a", None), ("/l/b", None)}
    assert {event.revision for event in events} == {kept + 2}
    assert await store.get("/l/a") is None
    assert await store.get("/l/kept") is not None
    assert await store.keep_alive(lease) is False
    with pytest.raises(LeaseEnded):
        await put(store, "/l/a", b"1", lease)
    await store.revoke(lease)
    await store.revoke(other)
    assert await store.get("/l/kept") is None
    assert start < kept


async def test_a_lease_lives_while_it_is_renewed(store: Store) -> None:
    lease = await store.grant(2.0)
    await put(store, "/l/a", b"1", lease)
    ends = asyncio.get_running_loop().time() + 4.0
    while asyncio.get_running_loop().time() < ends:
        assert await store.keep_alive(lease)
        await asyncio.sleep(0.3)  # the renewals themselves are what is tested: they have to take longer than the lease
    assert await store.get("/l/a") is not None


async def test_a_snapshot_is_of_one_revision(store: Store) -> None:
    pairs = [f"/s/{number:03}" for number in range(600)]
    for start in range(0, 600, 100):
        await store.txn([], [Put(key, b"0") for key in pairs[start : start + 100]])

    async def write() -> None:
        for number in range(1, 20):
            await store.txn([], [Put(pairs[0], b"%d" % number), Put(pairs[-1], b"%d" % number)])

    writing = asyncio.create_task(write())
    items = await collect(store.snapshot())
    await writing
    assert [item.key for item in items] == pairs
    assert items[0].value == items[-1].value


async def collect(items: AsyncIterator[KeyValue]) -> Sequence[KeyValue]:
    return [item async for item in items]


async def test_closing_ends_watches_and_calls(store: Store) -> None:
    revision = await put(store, "/a")
    watching = asyncio.create_task(seen(store, "/", revision, revision + 1))
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(Unavailable):
            await watching
        with pytest.raises(Unavailable):
            await store.get("/a")
        with pytest.raises(Unavailable):
            await put(store, "/a")
