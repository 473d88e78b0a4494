"""The store that watches another: it gives what that gives, and counts under Kubernetes' names."""

from pathlib import Path

import pytest

from master.metrics import render
from master.store.base import Delete, Guard, Put, StoreError, Unavailable
from master.store.embedded import EmbeddedStore
from master.store.observed import ObservedStore

KEY = "/registry/apps/deployments/default/web"


def count(name: str, operation: str, group: str = "apps", resource: str = "deployments") -> float:
    start = f'{name}{{operation="{operation}",group="{group}",resource="{resource}"}} '
    return sum(float(line.rpartition(" ")[2]) for line in render().splitlines() if line.startswith(start))


async def test_calls_are_counted_by_what_they_do(tmp_path: Path) -> None:
    store = ObservedStore(await EmbeddedStore.open(tmp_path / "store.db"))
    operations = ("create", "update", "delete", "get", "list")
    before = {each: count("etcd_requests_total", each) for each in operations}
    made = await store.txn([Guard(KEY, 0)], [Put(KEY, b"{}")])
    changed = await store.txn([Guard(KEY, made.revision)], [Put(KEY, b'{"a":1}')])
    found = await store.get(KEY)
    assert found is not None
    assert (found.value, found.revision) == (b'{"a":1}', changed.revision)
    assert [item.key for item in (await store.list("/registry/apps/deployments/")).items] == [KEY]
    await store.txn([Guard(KEY, changed.revision)], [Delete(KEY)])
    assert await store.revision() > changed.revision
    await store.close()
    assert {each: count("etcd_requests_total", each) - before[each] for each in operations} == dict.fromkeys(
        operations, 1
    )
    assert count("etcd_request_duration_seconds_count", "get") >= 1


async def test_failures_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = await EmbeddedStore.open(tmp_path / "store.db")
    store, before = ObservedStore(inner), count("etcd_request_errors_total", "get", "", "pods")

    async def fail(*_: object) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(inner, "get", fail)
    with pytest.raises(StoreError):
        await store.get("/registry/core/pods/default/web")
    assert count("etcd_request_errors_total", "get", "", "pods") == before + 1
    await inner.close()
