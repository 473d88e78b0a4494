"""Delete: what holds an object, and when it goes."""

from typing import Any

import pytest

from master.registry.base import DeleteOptions, ListOptions, Preconditions
from timonel.api.errors import Conflict, Forbidden, Invalid, MethodNotAllowed, NotFound
from timonel.api.types import core_v1

CM = core_v1.ConfigMap


async def test_it_goes_at_once(api: Any) -> None:
    made = await api.create(CM, {"metadata": {"name": "x"}})
    done = await api.delete(CM, "x")
    assert done.deleted
    assert done.revision > int(made["metadata"]["resourceVersion"])
    with pytest.raises(NotFound):
        await api.get(CM, "x")
    with pytest.raises(NotFound):
        await api.delete(CM, "x")


async def test_preconditions(api: Any) -> None:
    made = await api.create(CM, {"metadata": {"name": "x"}})
    meta = made["metadata"]
    with pytest.raises(Conflict, match=r'on ConfigMap "x": the UID in the precondition \(other\)'):
        await api.delete(CM, "x", preconditions=Preconditions(uid="other"))
    with pytest.raises(Conflict, match=r"the ResourceVersion in the precondition \(1\) does not match"):
        await api.delete(CM, "x", preconditions=Preconditions(resource_version="1"))
    await api.delete(CM, "x", preconditions=Preconditions(meta["uid"], meta["resourceVersion"]))


async def test_dry_run(api: Any) -> None:
    await api.create(CM, {"metadata": {"name": "x"}})
    await api.delete(CM, "x", dry_run=True)
    await api.get(CM, "x")


async def test_a_dry_run_tells_what_finalizers_would_hold(api: Any) -> None:
    await api.create(CM, {"metadata": {"name": "x", "finalizers": ["a.b/c"]}})
    told = await api.delete(CM, "x", dry_run=True)
    assert not told.deleted
    assert b"deletionTimestamp" in told.raw
    assert "deletionTimestamp" not in (await api.get(CM, "x"))["metadata"]


async def test_finalizers_hold_it(api: Any) -> None:
    await api.create(CM, {"metadata": {"name": "x", "finalizers": ["a.b/c"]}})
    done = await api.delete(CM, "x")
    assert not done.deleted
    held = await api.get(CM, "x")
    assert held["metadata"]["deletionTimestamp"]
    again = await api.delete(CM, "x")
    assert again.revision == int(held["metadata"]["resourceVersion"]), "a second delete changes nothing"
    with pytest.raises(Invalid, match="no new finalizers can be added if the object is being deleted"):
        await api.merge(CM, "x", {"metadata": {"finalizers": ["a.b/c", "d.e/f"]}})
    kept = await api.merge(CM, "x", {"metadata": {"deletionTimestamp": None}})
    assert kept["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
    await api.merge(CM, "x", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        await api.get(CM, "x")


@pytest.mark.parametrize(
    ("propagation", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan"), ("Background", None)]
)
async def test_propagation_leaves_work_for_the_collector(api: Any, propagation: str, finalizer: str | None) -> None:
    await api.create(CM, {"metadata": {"name": "x"}})
    done = await api.delete(CM, "x", propagation=propagation)
    assert done.deleted == (finalizer is None)
    if finalizer:
        assert (await api.get(CM, "x"))["metadata"]["finalizers"] == [finalizer]
        assert (await api.delete(CM, "x", propagation="Background")).deleted


async def bind(api: Any, name: str = "web") -> None:
    binding = {"metadata": {"name": name}, "target": {"name": "node-1"}}
    await api.create(core_v1.Pod, binding, name=name, subresource="binding")


async def test_a_pod_on_no_node_goes_at_once(api: Any, pod: dict[str, Any]) -> None:
    await api.create(core_v1.Pod, pod)
    assert (await api.delete(core_v1.Pod, "web")).deleted


async def test_a_pod_has_time_to_end(api: Any, pod: dict[str, Any]) -> None:
    made = await api.create(core_v1.Pod, pod)
    await bind(api)
    assert not (await api.delete(core_v1.Pod, "web")).deleted
    ending = (await api.get(core_v1.Pod, "web"))["metadata"]
    assert ending["deletionGracePeriodSeconds"] == 30
    assert ending["deletionTimestamp"] > made["metadata"]["creationTimestamp"]
    assert ending["generation"] == made["metadata"]["generation"] + 1
    assert not (await api.delete(core_v1.Pod, "web", grace_seconds=5)).deleted
    sooner = (await api.get(core_v1.Pod, "web"))["metadata"]
    assert sooner["deletionGracePeriodSeconds"] == 5
    assert not (await api.delete(core_v1.Pod, "web", grace_seconds=60)).deleted, "it is never put off"
    assert (await api.get(core_v1.Pod, "web"))["metadata"]["deletionGracePeriodSeconds"] == 5
    assert (await api.delete(core_v1.Pod, "web", grace_seconds=0)).deleted


async def test_a_pods_finalizers_do_not_end_its_grace(api: Any, pod: dict[str, Any]) -> None:
    pod["metadata"]["finalizers"] = ["a.b/c"]
    await api.create(core_v1.Pod, pod)
    await bind(api)
    await api.delete(core_v1.Pod, "web")
    await api.merge(core_v1.Pod, "web", {"metadata": {"finalizers": None}})
    assert (await api.get(core_v1.Pod, "web"))["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await api.delete(core_v1.Pod, "web", grace_seconds=0)).deleted


async def test_a_namespace_waits_for_its_contents(api: Any) -> None:
    await api.create(core_v1.Namespace, {"metadata": {"name": "team"}}, "")
    await api.create(CM, {"metadata": {"name": "x"}}, "team")
    assert not (await api.delete(core_v1.Namespace, "team", "")).deleted
    ending = await api.get(core_v1.Namespace, "team", "")
    assert ending["status"]["phase"] == "Terminating"
    with pytest.raises(Forbidden, match="because it is being terminated"):
        await api.create(CM, {"metadata": {"name": "y"}}, "team")
    await api.merge(CM, "x", {"data": {"a": "b"}}, "team")
    ending["spec"]["finalizers"] = []
    await api.update(core_v1.Namespace, ending, "", subresource="finalize")
    with pytest.raises(NotFound):
        await api.get(core_v1.Namespace, "team", "")


@pytest.mark.parametrize("name", ["default", "kube-system"])
async def test_some_namespaces_stay(api: Any, name: str) -> None:
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        await api.delete(core_v1.Namespace, name, "")


async def test_a_collection(api: Any) -> None:
    for name in ("a", "b", "c"):
        await api.create(CM, {"metadata": {"name": name, "labels": {"go": "no" if name == "c" else "yes"}}})
    await api.registry.delete_collection(api.who, CM, "default", DeleteOptions(), ListOptions(label_selector="go=yes"))
    assert await api.names(CM) == ["c"]
    with pytest.raises(MethodNotAllowed):
        await api.registry.delete_collection(api.who, core_v1.Namespace, "")
