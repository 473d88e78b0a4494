"""What a session writes: not what is stored already, not into others' pods, not by a cache that is behind."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from master.dispatcher.assignments import Ref
from master.dispatcher.nodeapi import STATUS_PERIOD, NodeApi
from timonel.api import codec
from timonel.api.errors import Conflict
from timonel.api.types import coordination_v1, core_v1

WEB = Ref("Pod", "default", "web")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(master: Any, clock: Clock) -> NodeApi:
    api = NodeApi(master.registry, "n1", lease_seconds=8, clock=clock)
    await api.register(codec.decode(core_v1.Node, master.node_json("n1")))
    return api


def status(message: str) -> core_v1.PodStatus:
    return core_v1.PodStatus(phase="Running", message=message)


async def cached(master: Any, pod: core_v1.Pod) -> None:
    cache = master.registry.cache(core_v1.Pod)
    await cache.wait_until(int(pod.metadata.resourceVersion))


async def test_another_pod_of_the_same_name_keeps_its_status(master: Any, api: NodeApi) -> None:
    pod = await master.pod("web", "n1")
    await cached(master, pod)
    await api.write_pod_status(WEB, "uid-of-a-former-pod", status("wrong"))
    assert (await master.find(core_v1.Pod, "default", "web")).status.message == ""
    await api.write_pod_status(WEB, pod.metadata.uid, status("right"))
    assert (await master.find(core_v1.Pod, "default", "web")).status.message == "right"


async def test_a_status_that_goes_back_is_written_though_the_cache_is_behind(
    master: Any, api: NodeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = await master.pod("web", "n1")
    await cached(master, pod)
    await api.write_pod_status(WEB, pod.metadata.uid, status("one"))
    cache = master.registry.cache(core_v1.Pod)
    await cache.fresh()
    old = cache.get(cache.prefix + "default/web")
    behind = SimpleNamespace(prefix=cache.prefix, get=lambda key: old)
    monkeypatch.setattr(master.registry, "cache", lambda kind: behind)
    await api.write_pod_status(WEB, pod.metadata.uid, status("two"))
    await api.write_pod_status(WEB, pod.metadata.uid, status("one"))
    assert (await master.find(core_v1.Pod, "default", "web")).status.message == "one"


async def test_what_is_stored_already_is_not_written_again(master: Any, api: NodeApi) -> None:
    pod = await master.pod("web", "n1")
    await cached(master, pod)
    for _ in range(2):
        await api.write_pod_status(WEB, pod.metadata.uid, status("same"))
        pod, before = await master.find(core_v1.Pod, "default", "web"), pod
    assert pod.metadata.resourceVersion == before.metadata.resourceVersion


async def test_an_unchanged_node_is_written_every_five_minutes(master: Any, api: NodeApi, clock: Clock) -> None:
    reported = codec.convert(core_v1.NodeStatus, master.node_status())

    async def beat(after: timedelta) -> str:
        clock.now = START + after
        await api.write_node_status(reported)
        node = await master.find(core_v1.Node, "", "n1")
        return str(node.status.conditions[0].lastHeartbeatTime)

    assert await beat(STATUS_PERIOD - timedelta(seconds=1)) == "2026-01-01T00:00:00Z"
    assert await beat(STATUS_PERIOD) == "2026-01-01T00:05:00Z"
    assert await beat(STATUS_PERIOD + timedelta(seconds=1)) == "2026-01-01T00:05:00Z"


async def test_a_lease_that_another_wrote_or_deleted_is_renewed(master: Any, api: NodeApi, clock: Clock) -> None:
    async def lease() -> Any:
        return await master.find(coordination_v1.Lease, "kube-node-lease", "n1")

    await api.renew_lease()
    theirs = await lease()
    theirs.spec.holderIdentity = "somebody"
    await master.registry.update(master.admin, coordination_v1.Lease, "kube-node-lease", "n1", theirs)
    await api.renew_lease()
    assert (await lease()).spec.holderIdentity == "n1"
    await master.registry.delete(master.admin, coordination_v1.Lease, "kube-node-lease", "n1")
    clock.now += timedelta(seconds=2)
    await api.renew_lease()
    assert (await lease()).spec.renewTime == "2026-01-01T00:00:02.000000Z"


async def test_a_write_that_loses_every_race_says_so(
    master: Any, api: NodeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = await master.pod("web", "n1")
    await cached(master, pod)

    async def lose(*_: Any, **__: Any) -> None:
        raise Conflict("pods", "web")

    monkeypatch.setattr(master.registry, "update", lose)
    with pytest.raises(Conflict):
        await api.write_pod_status(WEB, pod.metadata.uid, status("never"))


async def test_pods_that_are_gone_are_no_error(master: Any, api: NodeApi) -> None:
    await api.write_pod_status(WEB, "uid", status("x"))
    await api.remove_pod(WEB, "uid")
