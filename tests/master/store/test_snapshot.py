"""Snapshots and their way back."""

import stat
from pathlib import Path

import pytest

from master.store.base import Corrupt, Put
from master.store.embedded import EmbeddedStore
from master.store.snapshot import NotEmpty, read_snapshot, restore, write_snapshot

VALUES = {f"/registry/{number:04}": bytes([number % 256]) * (number * 40) for number in range(300)}


@pytest.fixture
async def filled(store: EmbeddedStore) -> EmbeddedStore:
    for key, value in VALUES.items():
        await store.txn([], [Put(key, value)])
    return store


async def test_a_snapshot_comes_back_whole(filled: EmbeddedStore, tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    assert await write_snapshot(filled, file) == len(VALUES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = await EmbeddedStore.open(tmp_path / "other.db")
    try:
        assert await restore(other, read_snapshot(file)) == len(VALUES)
        assert {item.key: item.value for item in (await other.list("")).items} == VALUES
        with pytest.raises(NotEmpty):
            await restore(other, read_snapshot(file))
    finally:
        await other.close()


async def test_stores_can_be_copied_directly(filled: EmbeddedStore, tmp_path: Path) -> None:
    other = await EmbeddedStore.open(tmp_path / "other.db")
    try:
        assert await restore(other, filled.snapshot()) == len(VALUES)
        assert {item.key: item.value async for item in other.snapshot()} == VALUES
    finally:
        await other.close()


async def test_an_empty_store_can_be_saved(store: EmbeddedStore, tmp_path: Path) -> None:
    await write_snapshot(store, tmp_path / "snapshot")
    assert await restore(store, read_snapshot(tmp_path / "snapshot")) == 0


async def test_a_damaged_file_is_refused(filled: EmbeddedStore, tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    await write_snapshot(filled, file)
    lines = file.read_bytes().splitlines(keepends=True)
    missing, late = lines[:5] + lines[6:], [*lines, lines[5]]
    for broken in (lines[:-1], missing, late, lines[1:], [lines[0], *lines], [b"not\n"], []):
        file.write_bytes(b"".join(broken))
        with pytest.raises(Corrupt, match="snapshot"):
            list(read_snapshot(file))
