"""A store as one version of a definition sees it: values are converted, pruned and given defaults on their way out,
and converted to the version that is stored on their way in.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import msgspec

from master.registry.custom.conversion import ConversionFailed, Converter
from master.registry.custom.kinds import CustomKind
from master.registry.write import stored_form
from master.store.base import (
    Batch,
    Committed,
    Guard,
    KeyValue,
    Page,
    Put,
    Refused,
    Store,
    StoreError,
    Write,
)
from master.store.layer import Layer
from timonel.api.custom import Document


class VersionStore(Layer):
    """``inner``, with the values under ``prefix`` in the version of ``kind``; they are stored as ``stored``."""

    def __init__(self, inner: Store, prefix: str, kind: type[CustomKind], stored: str, converter: Converter) -> None:
        super().__init__(inner)
        self._prefix = prefix
        self._kind = kind
        self._version = kind.gvk.api_version
        self._stored = stored
        self._converter = converter

    async def get(self, key: str, revision: int = 0) -> KeyValue | None:
        found = await self._inner.get(key, revision)
        return (await self._shown([found]))[0] if found else None

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        page = await self._inner.list(prefix, limit=limit, after=after, revision=revision)
        return replace(page, items=[*await self._shown(page.items)])

    async def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        outcome = await self._inner.txn(guards, [await self._kept(write) for write in writes])
        if isinstance(outcome, Refused):
            own = [each for each in outcome.current if each and each.key.startswith(self._prefix)]
            shown = {each.key: each for each in await self._shown(own)}
            return replace(
                outcome, current=tuple(shown.get(each.key, each) if each else None for each in outcome.current)
            )
        return outcome

    async def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(self._inner.watch(prefix, after)) as batches:
            async for batch in batches:
                values = [event.value for event in batch.events if event.value is not None]
                shown = iter(await self._converted(values))
                events = [replace(each, value=next(shown)) if each.value else each for each in batch.events]
                yield replace(batch, events=events)

    async def close(self) -> None:
        """The store below belongs to others."""

    async def _shown(self, items: Sequence[KeyValue]) -> Sequence[KeyValue]:
        """Items as this version; all are under the prefix, since one definition's objects are asked for at a time."""
        values = await self._converted([item.value for item in items])
        return [replace(item, value=value) for item, value in zip(items, values, strict=True)]

    async def _converted(self, values: Sequence[bytes]) -> Sequence[bytes]:
        documents = [_document(value) for value in values]
        objects = [document for document in documents if document is not None]
        try:
            converted = iter(await self._converter.convert(objects, self._version) if objects else [])
        except ConversionFailed as error:
            raise StoreError(str(error)) from error
        return [
            value if document is None else self._written(value, document, next(converted))
            for value, document in zip(values, documents, strict=True)
        ]

    def _written(self, value: bytes, before: Document, converted: Document) -> bytes:
        """The bytes of a converted object: those that are there where nothing has changed."""
        normalized = self._kind.normalized(converted)
        return value if normalized == before else stored_form(normalized)

    async def _kept(self, write: Write) -> Write:
        if not isinstance(write, Put) or not write.key.startswith(self._prefix) or self._stored == self._version:
            return write
        document = _document(write.value)
        assert document is not None  # the registry writes objects
        try:
            converted = await self._converter.convert([document], self._stored)
        except ConversionFailed as error:
            raise StoreError(str(error)) from error
        return replace(write, value=stored_form(converted[0]))


def _document(value: bytes) -> Document | None:
    """The object in a stored value; None for what somebody else wrote there, which the cache will speak of."""
    try:
        document = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("metadata"), dict) else None
