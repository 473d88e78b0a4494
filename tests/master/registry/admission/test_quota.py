"""Quotas: refusals in Kubernetes' words, charges that are exact under concurrency, recounts."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from master.registry.admission import quota as plugin
from master.registry.authz.masters import Masters
from master.registry.base import User
from master.registry.verbs import Registry
from master.store.base import Batch
from master.store.embedded import EmbeddedStore
from timonel.api.errors import Forbidden, StatusError
from timonel.api.types import apps_v1, core_v1

CONTROLLER = User(plugin.CONTROLLER, groups=("system:masters",))


@pytest.fixture
def recount(api: Any) -> Any:
    """Do what the controller does for a quota."""

    async def order(name: str = "q") -> Any:
        held = await api.get(core_v1.ResourceQuota, name)
        status = {"status": {"hard": held["spec"]["hard"]}}
        return await api.as_user(CONTROLLER).merge(core_v1.ResourceQuota, name, status, subresource="status")

    return order


@pytest.fixture
def quota(api: Any, recount: Any) -> Any:
    """Make a quota that is counted."""

    async def make(name: str = "q", **spec: Any) -> None:
        await api.create(core_v1.ResourceQuota, {"metadata": {"name": name}, "spec": spec})
        await recount(name)
        await api.registry.cache(core_v1.ResourceQuota).fresh()

    return make


async def used(api: Any, name: str = "q") -> Any:
    return (await api.get(core_v1.ResourceQuota, name))["status"]["used"]


def named(pod: dict[str, Any], name: str, **resources: Any) -> dict[str, Any]:
    container = pod["spec"]["containers"][0] | ({"resources": resources} if resources else {})
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


async def test_fifty_creations_at_once_leave_exactly_what_is_allowed(api: Any, quota: Any, pod: Any) -> None:
    await quota(hard={"pods": "10"})
    creations = (api.create(core_v1.Pod, named(pod, f"p{n}")) for n in range(50))
    outcomes = await asyncio.gather(*creations, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Forbidden)]
    assert (len(refused), len(await api.names(core_v1.Pod))) == (40, 10)
    assert await used(api) == {"pods": "10"}
    why = "is forbidden: exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10"
    assert all(error.message.endswith(why) for error in refused)


async def test_recounts_during_creations_forget_nothing(api: Any, quota: Any, recount: Any, pod: Any) -> None:
    await quota(hard={"pods": "10"})
    creations = [api.create(core_v1.Pod, named(pod, f"p{n}")) for n in range(20)]
    await asyncio.gather(*creations, *(recount() for _ in range(20)), return_exceptions=True)
    assert (len(await api.names(core_v1.Pod)), await used(api)) == (10, {"pods": "10"})


@pytest.fixture
async def pods_seen(store: EmbeddedStore, api: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    """While it is not set the caches of ``api`` hear nothing of pods."""
    opened = asyncio.Event()
    opened.set()
    plain = store.watch

    async def watch(prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(plain(prefix, after)) as batches:
            async for batch in batches:
                if prefix == "/registry/core/pods/":
                    await opened.wait()
                yield batch

    monkeypatch.setattr(store, "watch", watch)
    lagging = Registry(store, Masters())
    await lagging.start()
    monkeypatch.setattr(api, "registry", lagging)
    yield opened
    await lagging.close()


async def test_a_recount_waits_for_the_pods_that_were_charged(
    api: Any, pods_seen: asyncio.Event, quota: Any, recount: Any, pod: Any
) -> None:
    await quota(hard={"pods": "5"})
    pods_seen.clear()
    await api.create(core_v1.Pod, pod)
    await api.registry.cache(core_v1.ResourceQuota).fresh()
    counting = asyncio.create_task(recount())
    await asyncio.wait({counting}, timeout=0.2)
    pods_seen.set()
    assert (await counting)["status"]["used"] == {"pods": "1"}


async def test_a_write_that_fails_charges_nothing(api: Any, quota: Any, pod: Any) -> None:
    await quota(hard={"pods": "5"})
    await api.create(core_v1.Pod, pod)
    await api.create(core_v1.Pod, named(pod, "dry"), dry_run=True)
    with pytest.raises(StatusError):
        await api.create(core_v1.Pod, pod)
    assert await used(api) == {"pods": "1"}


async def test_what_goes_is_taken_off_by_the_next_count(api: Any, quota: Any, recount: Any) -> None:
    await quota(hard={"configmaps": "1", "count/configmaps": "5"})
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "one"}})
    with pytest.raises(Forbidden, match="exceeded quota: q, requested: configmaps=1, used: configmaps=1"):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "two"}})
    await api.delete(core_v1.ConfigMap, "one")
    assert (await recount())["status"] == {
        "hard": {"configmaps": "1", "count/configmaps": "5"},
        "used": {"configmaps": "0", "count/configmaps": "0"},
    }
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "two"}})


async def test_an_unchanged_count_writes_nothing(api: Any, quota: Any, recount: Any) -> None:
    await quota(hard={"pods": "5"})
    before = await api.get(core_v1.ResourceQuota, "q")
    assert (await recount())["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_containers_say_what_is_limited_and_all_quotas_are_kept(api: Any, quota: Any, pod: Any) -> None:
    await quota(hard={"limits.cpu": "2", "requests.memory": "1Gi"})
    await quota("few", hard={"pods": "1"})
    with pytest.raises(Forbidden) as refused:
        await api.create(core_v1.Pod, pod)
    why = "failed quota: q: must specify limits.cpu for: main; requests.memory for: main"
    assert refused.value.message == f'pods "web" is forbidden: {why}'
    asked = {"limits": {"cpu": "1500m"}, "requests": {"memory": "1Gi"}}
    await api.create(core_v1.Pod, named(pod, "a", **asked))
    assert (await used(api), await used(api, "few")) == (
        {"limits.cpu": "1500m", "requests.memory": "1Gi"},
        {"pods": "1"},
    )
    with pytest.raises(Forbidden, match=r"requested: pods=1, used: pods=1, limited: pods=1"):
        await api.create(core_v1.Pod, named(pod, "b", **asked))


async def test_a_service_that_grows_is_charged_for_the_growth(api: Any, quota: Any) -> None:
    await quota(hard={"services": "2", "services.nodeports": "1"})
    made = await api.create(core_v1.Service, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    assert made["spec"]["type"] == "ClusterIP"
    await api.merge(core_v1.Service, "s", {"spec": {"type": "NodePort"}})
    assert await used(api) == {"services": "2", "services.nodeports": "1"}, "the API's own service counts too"
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    with pytest.raises(Forbidden, match=r"services\.nodeports=1, used: services\.nodeports=1"):
        await api.merge(core_v1.Service, "s", {"spec": {"ports": ports}})


async def test_a_quota_that_nobody_counts_refuses(api: Any, pod: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "FIRST_COUNT", 0.0)
    spec = {"hard": {"pods": "5", "count/deployments.apps": "0"}}
    await api.create(core_v1.ResourceQuota, {"metadata": {"name": "q"}, "spec": spec})
    await api.registry.cache(core_v1.ResourceQuota).fresh()
    with pytest.raises(Forbidden, match="status unknown for quota: q, resources: pods"):
        await api.create(core_v1.Pod, pod)


async def test_objects_of_any_group_are_counted(api: Any, quota: Any, pod: Any) -> None:
    await quota(hard={"count/replicasets.apps": "0"})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod["spec"]}
    body = {"metadata": {"name": "r"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    with pytest.raises(Forbidden, match=r"requested: count/replicasets\.apps=1, used: count/replicasets\.apps=0"):
        await api.create(apps_v1.ReplicaSet, body)
