"""What only the embedded store can get wrong."""

import asyncio
import threading

from master.store.base import Committed, Delete, Guard, KeyValue, Put, Refused, Unavailable
from master.store.embedded import EmbeddedStore
from master.store.sqlite import Writer


async def test_a_bug_in_one_write_does_not_end_the_writer(store: EmbeddedStore) -> None:
    def broken(writer: Writer) -> None:
        writer.txn([], [Put("/half", b"")])
        raise RuntimeError("a bug")

    outcomes = await asyncio.gather(store._submit(broken), store.txn([], [Put("/a", b"")]), return_exceptions=True)
    assert isinstance(outcomes[0], Unavailable)
    assert await store.get("/half") is None
    revision = await store.revision()
    assert await store.txn([], [Put("/b", b"")]) == Committed(revision + 1)


async def test_writes_of_one_group_see_each_other(store: EmbeddedStore) -> None:
    held = threading.Event()
    holding = asyncio.create_task(store._submit(lambda writer: held.wait(10)))
    steps = [
        store.txn([Guard("/a", 0)], [Put("/a", b"1")]),
        store.txn([Guard("/a", 0)], [Put("/a", b"2")]),
        store.txn([], [Delete("/a")]),
        store.txn([Guard("/a", 0)], [Put("/a", b"3"), Put("/b", b"3")]),
    ]
    waiting = asyncio.gather(*steps)
    await asyncio.sleep(0)
    assert store._waiting == 1 + len(steps)
    held.set()
    first, second, third, fourth = await waiting
    await holding
    assert isinstance(first, Committed)
    assert second == Refused(first.revision, (KeyValue("/a", b"1", first.revision, first.revision),))
    assert third == Committed(first.revision + 1)
    assert fourth == Committed(first.revision + 2)
    assert await store.get("/a") == KeyValue("/a", b"3", fourth.revision, fourth.revision)


async def test_many_writes_share_few_commits(store: EmbeddedStore) -> None:
    committed: list[int] = []
    group = store._writer.group

    def counted(calls, keys):  # type: ignore[no-untyped-def]
        committed.append(len(calls))
        return group(calls, keys)

    store._writer.group = counted  # type: ignore[assignment]
    outcomes = await asyncio.gather(*(store.txn([], [Put(f"/{number}", b"")]) for number in range(200)))
    revisions = [outcome.revision for outcome in outcomes]
    assert revisions == list(range(revisions[0], revisions[0] + 200))
    assert sum(committed) == 200
    assert len(committed) < 50
