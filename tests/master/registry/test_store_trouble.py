"""What callers are told when the store fails, and what is then true."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from master.registry import authz
from master.registry.base import component
from master.registry.bootstrap import bootstrap
from master.registry.verbs import Registry
from master.store.base import Committed, Guard, NoSpace, OutcomeUnknown, Refused, Unavailable, Write
from master.store.embedded import EmbeddedStore
from timonel.api.errors import ServiceUnavailable, Timeout
from timonel.api.types import core_v1

ADMIN = component("admin")
CM = core_v1.ConfigMap


@pytest.fixture
async def shaky(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the next transactions fail: an error before applying it, or after ("lost")."""
    store = registry.core.store
    plain = store.txn
    plan: list[tuple[Exception, bool]] = []

    async def txn(guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        if not plan:
            return await plain(guards, writes)
        error, applied = plan.pop(0)
        if applied:
            await plain(guards, writes)
        raise error

    monkeypatch.setattr(store, "txn", txn)
    return plan


LOST = OutcomeUnknown("no answer")


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_answer_is_found_out(api: Any, shaky: Any, applied: bool) -> None:
    shaky.append((LOST, applied))
    made = await api.create(CM, {"metadata": {"name": "x"}})
    assert await api.get(CM, "x") == made
    shaky.append((LOST, applied))
    changed = await api.merge(CM, "x", {"data": {"a": "b"}})
    assert await api.get(CM, "x") == changed
    shaky.append((LOST, applied))
    assert (await api.delete(CM, "x")).deleted


async def test_an_answer_that_stays_lost(api: Any, shaky: Any) -> None:
    shaky.extend([(LOST, False)] * 3)
    with pytest.raises(Timeout, match="may or may not have been applied"):
        await api.create(CM, {"metadata": {"name": "x"}})


@pytest.mark.parametrize("error", [NoSpace("full"), Unavailable("down")])
async def test_a_store_that_cannot(api: Any, shaky: Any, error: Exception) -> None:
    made = await api.create(CM, {"metadata": {"name": "x"}})
    shaky.append((error, False))
    with pytest.raises(ServiceUnavailable):
        await api.merge(CM, "x", {"data": {"a": "b"}})
    assert await api.get(CM, "x") == made
    await api.merge(CM, "x", {"data": {"a": "b"}})


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async def opened() -> tuple[EmbeddedStore, Registry]:
        store = await EmbeddedStore.open(tmp_path / "again.db")
        registry = Registry(store, authz.load())
        await registry.start()
        return store, registry

    store, registry = await opened()
    await bootstrap(registry, b"pem")
    raw = (await registry.create(ADMIN, CM, "default", b'{"metadata":{"name":"x"}}')).raw
    await registry.close()
    await store.close()
    store, registry = await opened()
    assert json.loads((await registry.get(ADMIN, CM, "default", "x")).raw) == json.loads(raw)
    await registry.close()
    await store.close()
