"""Encryption at rest: a store whose values under some prefixes are ciphertext in the store below.

A value begins with ``timonel-aesgcm:<key name>:``, then come nonce and ciphertext (AES-256-GCM). The storage key is
part of it as associated data: a value moved to another key does not decrypt. A value without that beginning is plain,
as it was before encryption was turned on; writing it again encrypts it.
"""

import base64
import binascii
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from master.files import adopt_or_create
from master.store.base import (
    Batch,
    Committed,
    Corrupt,
    Event,
    Guard,
    KeyValue,
    Page,
    Put,
    Refused,
    Store,
    Write,
)
from master.store.layer import Layer

_HEADER = b"timonel-aesgcm:"
_NONCE_BYTES = 12
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Key:
    """An encryption key; ``name`` tells values which key they were written with."""

    name: str
    secret: bytes = field(repr=False)


def load_keys(path: Path) -> list[Key]:
    """The keys in ``path``, one ``name:base64`` a line: the first encrypts, all decrypt. An absent file is made (0600).

    To rotate, put a new line before the old ones and restart: `EncryptedStore.renew` writes every value again, so that
    the old lines can go.

    Raises:
        Corrupt: the file is not of that form.
    """
    keys = []
    for number, line in enumerate(adopt_or_create(path, _new_key).decode(errors="replace").splitlines(), 1):
        name, _, encoded = line.partition(":")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            secret = b""
        if not name or len(secret) != 32:
            raise Corrupt(f"line {number} of {path} is not <name>:<base64 of 32 bytes>; restore the file from a backup")
        keys.append(Key(name, secret))
    if not keys:
        raise Corrupt(f"{path} holds no encryption key; restore the file from a backup")
    return keys


def _new_key() -> bytes:
    return f"key1:{base64.b64encode(secrets.token_bytes(32)).decode()}\n".encode()


class EncryptedStore(Layer):
    """``inner`` with the values of all keys under ``prefixes`` encrypted."""

    def __init__(self, inner: Store, prefixes: Sequence[str], keys: Sequence[Key]) -> None:
        super().__init__(inner)
        self._prefixes = tuple(prefixes)
        self._ciphers = {key.name: AESGCM(key.secret) for key in keys}
        self._header = _HEADER + keys[0].name.encode() + b":"
        self._cipher = self._ciphers[keys[0].name]

    def _seal(self, write: Write) -> Write:
        if not isinstance(write, Put) or not write.key.startswith(self._prefixes):
            return write
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, write.value, write.key.encode())
        return replace(write, value=self._header + nonce + sealed)

    def _open(self, key: str, value: bytes) -> bytes:
        if not value.startswith(_HEADER):
            return value
        name, _, rest = value[len(_HEADER) :].partition(b":")
        cipher = self._ciphers.get(name.decode(errors="replace"))
        if cipher is None:
            raise Corrupt(f"{key} is encrypted with key {name!r}, which the key file lacks")
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], key.encode())
        except (InvalidTag, ValueError) as error:
            raise Corrupt(f"{key} does not decrypt with key {name!r}: the value or the key file has changed") from error

    async def renew(self) -> int:
        """Write all values again that the first key has not encrypted; how many there were.

        What somebody else changes meanwhile is left to them. Nobody else may lack the first key.

        Raises:
            Corrupt: a value cannot be decrypted.
        """
        count = 0
        for prefix in self._prefixes:
            after, more = "", True
            while more:
                page = await self._inner.list(prefix, limit=_PAGE, after=after)
                for item in page.items:
                    if not item.value.startswith(self._header):
                        put = Put(item.key, self._open(item.key, item.value))
                        count += isinstance(await self.txn([Guard(item.key, item.revision)], [put]), Committed)
                after, more = page.items[-1].key if page.items else "", page.more
        return count

    def _open_one(self, item: KeyValue) -> KeyValue:
        return replace(item, value=self._open(item.key, item.value)) if item.key.startswith(self._prefixes) else item

    def _open_event(self, event: Event) -> Event:
        if event.value is None or not event.key.startswith(self._prefixes):
            return event
        return replace(event, value=self._open(event.key, event.value))

    async def get(self, key: str, revision: int = 0) -> KeyValue | None:
        found = await self._inner.get(key, revision)
        return self._open_one(found) if found else None

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        page = await self._inner.list(prefix, limit=limit, after=after, revision=revision)
        return replace(page, items=[self._open_one(item) for item in page.items])

    async def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        outcome = await self._inner.txn(guards, [self._seal(write) for write in writes])
        if isinstance(outcome, Refused):
            return replace(outcome, current=tuple(self._open_one(item) if item else None for item in outcome.current))
        return outcome

    async def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(self._inner.watch(prefix, after)) as batches:
            async for batch in batches:
                yield replace(batch, events=[self._open_event(event) for event in batch.events])

    async def snapshot(self) -> AsyncIterator[KeyValue]:
        async for item in self._inner.snapshot():
            yield self._open_one(item)
