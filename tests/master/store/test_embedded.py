"""What only the embedded store can get wrong."""

import asyncio

from master.store.base import Committed, Put, Unavailable
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


async def test_many_writes_share_few_commits(store: EmbeddedStore) -> None:
    committed: list[int] = []
    group = store._writer.group

    def counted(calls):  # type: ignore[no-untyped-def]
        committed.append(len(calls))
        return group(calls)

    store._writer.group = counted  # type: ignore[method-assign]
    outcomes = await asyncio.gather(*(store.txn([], [Put(f"/{number}", b"")]) for number in range(200)))
    revisions = [outcome.revision for outcome in outcomes]
    assert revisions == list(range(revisions[0], revisions[0] + 200))
    assert sum(committed) == 200
    assert len(committed) < 50
