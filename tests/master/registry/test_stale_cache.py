"""Writes and reads while the cache lags behind the store: slower, never wrong."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from master.registry.authz.masters import Masters
from master.registry.verbs import Registry
from master.store.base import Batch
from master.store.embedded import EmbeddedStore
from timonel.api.errors import Conflict, NotFound
from timonel.api.types import core_v1

CM = core_v1.ConfigMap


@pytest.fixture
async def gate(store: EmbeddedStore, api: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    """While it is not set the caches of ``api`` hear nothing of the store's changes."""
    opened = asyncio.Event()
    opened.set()
    plain = store.watch

    async def watch(prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(plain(prefix, after)) as batches:
            async for batch in batches:
                await opened.wait()
                yield batch

    monkeypatch.setattr(store, "watch", watch)
    lagging = Registry(store, Masters())
    await lagging.start()
    monkeypatch.setattr(api, "registry", lagging)
    yield opened
    await lagging.close()


async def test_updates_see_what_the_cache_does_not(api: Any, gate: asyncio.Event) -> None:
    gate.clear()
    made = await api.create(CM, {"metadata": {"name": "x"}, "data": {"a": "1"}})
    second = await api.update(CM, {**made, "data": {"a": "2"}})
    assert second["data"] == {"a": "2"}
    third = await api.merge(CM, "x", {"data": {"b": "3"}})
    assert third["data"] == {"a": "2", "b": "3"}
    assert (await api.delete(CM, "x")).deleted


async def test_errors_of_a_stale_state_are_not_believed(api: Any, gate: asyncio.Event) -> None:
    first = await api.create(CM, {"metadata": {"name": "x"}})
    await api.get(CM, "x")
    gate.clear()
    second = await api.update(CM, {**first, "data": {"a": "2"}})
    third = await api.update(CM, {**second, "data": {"a": "3"}})
    assert third["data"] == {"a": "3"}, "the cache still has the first state, for which the third is a conflict"
    with pytest.raises(Conflict):
        await api.update(CM, {**second, "data": {"a": "4"}})
    await api.delete(CM, "x")
    with pytest.raises(NotFound):
        await api.merge(CM, "x", {"data": {"a": "5"}})


async def test_a_stale_delete_finds_what_is_there_now(api: Any, gate: asyncio.Event) -> None:
    await api.create(CM, {"metadata": {"name": "x", "finalizers": ["a.b/c"]}})
    await api.get(CM, "x")
    gate.clear()
    await api.merge(CM, "x", {"metadata": {"finalizers": None}})
    assert (await api.delete(CM, "x")).deleted


async def test_reads_wait_for_the_newest_state(api: Any, gate: asyncio.Event) -> None:
    gate.clear()
    await api.create(CM, {"metadata": {"name": "x"}})
    reading = asyncio.create_task(api.get(CM, "x"))
    listing = asyncio.create_task(api.names(CM))
    with pytest.raises(NotFound):
        await api.get(CM, "x", resource_version="0")
    assert not reading.done()
    assert not listing.done()
    gate.set()
    assert (await reading)["metadata"]["name"] == "x"
    assert await listing == ["x"]
