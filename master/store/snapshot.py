"""Snapshots in a file, and their way back into an empty store of any kind.

The file is JSON lines: a header, one line a key (its value in base64), and a last line with the count, without which
the file is known to be cut off. Values are as the store gives them: take the snapshot below `EncryptedStore` to keep
secrets encrypted.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from master.store.base import MAX_BYTES, MAX_WRITES, Committed, Corrupt, Guard, KeyValue, Put, Store, StoreError

FORMAT = 1


class _Header(msgspec.Struct, tag="timonel-snapshot"):
    format: int


class _Entry(msgspec.Struct, tag="key"):
    key: str
    value: bytes


class _End(msgspec.Struct, tag="end"):
    count: int


_decode = msgspec.json.Decoder(_Header | _Entry | _End).decode


class NotEmpty(StoreError):
    """The store to restore into holds keys already. Nothing was written."""


async def write_snapshot(store: Store, path: Path) -> int:
    """Write every key of ``store`` as of now to ``path`` (mode 0600), which is replaced only when all is on disk.

    Returns:
        How many keys there are.
    """
    draft = path.with_name(path.name + ".part")
    with suppress(FileNotFoundError):
        draft.unlink()
    count = 0
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(_Header(FORMAT)) + b"\n")
        async for item in store.snapshot():
            file.write(msgspec.json.encode(_Entry(item.key, item.value)) + b"\n")
            count += 1
        file.write(msgspec.json.encode(_End(count)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return count


def read_snapshot(path: Path) -> Iterator[Put]:
    """The keys of a file of `write_snapshot`. Only the last line tells that nothing is missing: check, then restore.

    Raises:
        Corrupt: the file is not a snapshot, or it is cut off.
    """
    count, expected = 0, -1
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = _decode(line)
            except msgspec.DecodeError as error:
                raise Corrupt(f"line {number} of {path} is no part of a snapshot: {error}") from error
            if isinstance(entry, _Header) != (number == 1):
                raise Corrupt(f"line {number} of {path}: a snapshot has its header in the first line, and only there")
            match entry:
                case _Header(format=found) if found != FORMAT:
                    raise Corrupt(f"{path} is a snapshot of format {found}, this program reads format {FORMAT}")
                case _Entry(key, value):
                    yield Put(key, value)
                    count += 1
                case _End(count=expected):
                    pass
    if count != expected:
        raise Corrupt(f"{path} is cut off after {count} keys; take the snapshot again")


async def restore(store: Store, items: AsyncIterator[KeyValue | Put] | Iterator[KeyValue | Put]) -> int:
    """Write ``items`` into ``store``, which must be empty; returns how many.

    Objects get new revisions, and keys lose their leases: whoever held one takes it again. Stop every master first.

    Raises:
        NotEmpty: the store holds something.
        StoreError: a write failed; what was written before stays.
    """
    if (await store.list("", limit=1)).items:
        raise NotEmpty("the store to restore into is not empty; give it a fresh file or prefix")
    count = size = 0
    group: list[Put] = []
    async for item in _asynchronous(items):
        if group and (len(group) == MAX_WRITES or size + len(item.value) > MAX_BYTES):
            await _create(store, group)
            group, size = [], 0
        group.append(Put(item.key, item.value))
        size += len(item.value)
        count += 1
    await _create(store, group)
    return count


async def _asynchronous(
    items: AsyncIterator[KeyValue | Put] | Iterator[KeyValue | Put],
) -> AsyncIterator[KeyValue | Put]:
    if isinstance(items, AsyncIterator):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def _create(store: Store, group: list[Put]) -> None:
    outcome = await store.txn([Guard(put.key, 0) for put in group], group)
    if not isinstance(outcome, Committed):
        raise NotEmpty("somebody else writes to the store; stop every master first")
