"""Encryption at rest."""

import stat
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from master.store.base import Corrupt, Guard, Put, Refused
from master.store.embedded import EmbeddedStore
from master.store.encrypted import EncryptedStore, Key, load_keys

SECRETS = "/registry/core/secrets/"
SECRET, OTHER, PLAIN = f"{SECRETS}d/a", f"{SECRETS}d/b", "/registry/core/configmaps/d/a"
OLD, NEW = Key("old", b"o" * 32), Key("new", b"n" * 32)


async def test_only_ciphertext_reaches_the_store_below(store: EmbeddedStore) -> None:
    encrypted = EncryptedStore(store, [SECRETS], [OLD])
    revision = (await encrypted.txn([], [Put(SECRET, b"hidden"), Put(PLAIN, b"shown")])).revision
    below = {item.key: item.value for item in (await store.list("")).items}
    assert below[PLAIN] == b"shown"
    assert b"hidden" not in below[SECRET]
    assert below[SECRET].startswith(b"timonel-aesgcm:old:")

    shown = {SECRET: b"hidden", PLAIN: b"shown"}
    assert {item.key: item.value for item in (await encrypted.list("")).items} == shown
    assert {item.key: item.value async for item in encrypted.snapshot()} == shown
    found = await encrypted.get(SECRET)
    assert found is not None
    assert found.value == b"hidden"
    refused = await encrypted.txn([Guard(SECRET, 0)], [Put(SECRET, b"")])
    assert isinstance(refused, Refused)
    assert refused.current == (found,)
    async with aclosing(encrypted.watch(SECRETS, revision - 1)) as batches:
        assert [event.value for event in (await anext(batches)).events] == [b"hidden"]


async def test_keys_rotate_and_plain_values_are_taken_over(store: EmbeddedStore) -> None:
    await store.txn([], [Put(OTHER, b"{}")])
    await EncryptedStore(store, [SECRETS], [OLD]).txn([], [Put(SECRET, b"hidden")])
    rotated = EncryptedStore(store, [SECRETS], [NEW, OLD])
    values = [(item.key, item.value) for item in (await rotated.list(SECRETS)).items]
    assert values == [(SECRET, b"hidden"), (OTHER, b"{}")]
    await rotated.txn([], [Put(key, value) for key, value in values])
    only_new = EncryptedStore(store, [SECRETS], [NEW])
    assert [(item.key, item.value) for item in (await only_new.list(SECRETS)).items] == values


async def test_all_that_older_keys_encrypted_is_written_again(store: EmbeddedStore, monkeypatch: Any) -> None:
    monkeypatch.setattr("master.store.encrypted._PAGE", 2)
    await store.txn([], [Put(OTHER, b"{}"), Put(PLAIN, b"shown")])
    written = [Put(f"{SECRETS}d/{number}", b"hidden") for number in range(5)]
    await EncryptedStore(store, [SECRETS], [OLD]).txn([], written)
    rotated = EncryptedStore(store, [SECRETS], [NEW, OLD])
    await rotated.txn([], [Put(SECRET, b"new already")])
    assert await rotated.renew() == 6
    revision = await store.revision()
    assert await rotated.renew() == 0
    assert await store.revision() == revision
    only_new = {item.key: item.value for item in (await EncryptedStore(store, [SECRETS], [NEW]).list(SECRETS)).items}
    assert only_new == {OTHER: b"{}", SECRET: b"new already", **{put.key: b"hidden" for put in written}}


async def test_a_wrong_key_or_a_moved_value_is_corrupt(store: EmbeddedStore) -> None:
    encrypted = EncryptedStore(store, [SECRETS], [OLD])
    await encrypted.txn([], [Put(SECRET, b"hidden")])
    below = await store.get(SECRET)
    assert below is not None
    for keys in ([NEW], [Key("old", b"x" * 32)]):
        with pytest.raises(Corrupt, match=SECRET):
            await EncryptedStore(store, [SECRETS], keys).get(SECRET)
    await store.txn([], [Put(OTHER, below.value)])
    with pytest.raises(Corrupt, match=OTHER):
        await encrypted.get(OTHER)
    await store.txn([], [Put(SECRET, below.value[:25])])
    with pytest.raises(Corrupt, match=SECRET):
        await encrypted.get(SECRET)


def test_the_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "encryption.key"
    keys = load_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keys(path) == keys
    assert len(keys) == 1
    assert len(keys[0].secret) == 32
    assert keys[0].secret.hex() not in repr(keys)


@pytest.mark.parametrize("text", ["", "key1\n", "key1:AAAA\n", "key1:!\n", f":{'A' * 43}=\n", "\xff:\n"])
def test_a_damaged_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "encryption.key"
    path.write_text(text)
    with pytest.raises(Corrupt, match=r"encryption\.key"):
        load_keys(path)
