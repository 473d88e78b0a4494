"""The rule of automatic compaction."""

import asyncio
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from master.store.base import Compacted, Delete, Put
from master.store.embedded import EmbeddedStore
from master.store.retention import Keep, Retention


def test_history_is_kept_for_its_time() -> None:
    retention = Retention(Keep(seconds=100, revisions=1000))
    horizons = [retention.horizon(now, revision=now + 1) for now in range(0, 400, 5)]
    assert horizons[:20] == [0] * 20
    for now, horizon in zip(range(100, 400, 5), horizons[20:], strict=True):
        assert now - 120 <= horizon <= now + 1 - 100


def test_never_more_revisions_than_told() -> None:
    retention = Retention(Keep(seconds=1e9, revisions=10))
    assert retention.horizon(0.0, 5) <= 0
    assert retention.horizon(1.0, 500) == 490


def test_after_a_long_silence_all_history_may_go() -> None:
    retention = Retention(Keep(seconds=100, revisions=1000))
    retention.horizon(0.0, 7)
    assert retention.horizon(1000.0, 7) == 7


async def read_until_refused(store: EmbeddedStore, key: str, revision: int) -> None:
    async with asyncio.timeout(10):
        while True:
            await store.get(key, revision)
            await asyncio.sleep(0.02)


async def test_the_store_compacts_by_itself(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.db", Keep(seconds=0.1, revisions=10))
    try:
        for number in range(100):
            await store.txn([], [Put("/a", b"%d" % number)])
        with pytest.raises(Compacted):
            await read_until_refused(store, "/a", 90)
        now = await store.get("/a")
        assert now is not None
        assert now.value == b"99"
    finally:
        await store.close()


async def test_compaction_leaves_no_more_than_what_is_current(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.db")
    for number in range(20):
        await store.txn([], [Put("/kept", b"%d" % number), Put("/gone", b"")])
        await store.txn([], [Delete("/gone")])
    await store.compact(await store.revision())
    await store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        assert file.execute("SELECT key, value FROM history").fetchall() == [("/kept", b"19")]


async def test_a_snapshot_holds_compaction_off(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.db", Keep(seconds=0.1, revisions=1))
    try:
        for start in range(0, 1500, 100):
            await store.txn([], [Put(f"/{number:04}", b"old") for number in range(start, start + 100)])
        async with aclosing(store.snapshot()) as items:
            values = [(await anext(items)).value]
            past = await store.revision()
            await store.txn([], [Put("/1400", b"new")])
            revision = (await store.txn([], [Put("/1400", b"newer")])).revision
            with pytest.raises(Compacted):
                await read_until_refused(store, "/1400", past - 1)
            values += [item.value async for item in items]
        assert values == [b"old"] * 1500
        with pytest.raises(Compacted):
            await read_until_refused(store, "/1400", revision - 1)
    finally:
        await store.close()
