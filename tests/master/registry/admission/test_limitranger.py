"""Limit ranges: defaults that are put in, and bounds in Kubernetes' words."""

from typing import Any

import pytest

from master.registry.admission.limitranger import claim_faults, pod_faults
from timonel.api import codec
from timonel.api.errors import Forbidden
from timonel.api.types import core_v1, storage_v1


def limits(**item: Any) -> core_v1.LimitRange:
    return codec.convert(core_v1.LimitRange, {"metadata": {"name": "l"}, "spec": {"limits": [item]}})


def pod_of(*resources: dict[str, Any], init: dict[str, Any] | None = None) -> core_v1.Pod:
    containers = [{"name": f"c{n}", "resources": each} for n, each in enumerate(resources)]
    spec = {"containers": containers, "initContainers": [{"name": "i", "resources": init}] if init else []}
    return codec.convert(core_v1.Pod, {"spec": spec})


def cpu(request: str = "", limit: str = "") -> dict[str, Any]:
    return {"requests": {"cpu": request} if request else {}, "limits": {"cpu": limit} if limit else {}}


CASES = [
    ({"min": {"cpu": "100m"}}, cpu(), ["minimum cpu usage per Container is 100m.  No request is specified"]),
    ({"min": {"cpu": "100m"}}, cpu("50m"), ["minimum cpu usage per Container is 100m, but request is 50m"]),
    ({"min": {"cpu": "100m"}}, cpu("100m", "100m"), []),
    ({"max": {"cpu": "1"}}, cpu("1"), ["maximum cpu usage per Container is 1.  No limit is specified"]),
    ({"max": {"cpu": "1"}}, cpu("1", "1500m"), ["maximum cpu usage per Container is 1, but limit is 1500m"]),
    ({"max": {"cpu": "1"}}, cpu("1", "1000m"), []),
    (
        {"maxLimitRequestRatio": {"cpu": "2"}},
        cpu("1", "3"),
        ["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"],
    ),
    ({"maxLimitRequestRatio": {"cpu": "1500m"}}, cpu("1", "1500m"), []),
    (
        {"maxLimitRequestRatio": {"cpu": "2"}},
        cpu("", "3"),
        ["cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"],
    ),
]


@pytest.mark.parametrize(("item", "resources", "expected"), CASES)
def test_bounds_of_containers(item: dict[str, Any], resources: dict[str, Any], expected: list[str]) -> None:
    assert list(pod_faults(pod_of(resources), limits(type="Container", **item))) == expected
    faults = list(pod_faults(pod_of(init=resources), limits(type="Container", **item)))
    assert faults == expected, "init containers are judged like others"


def test_a_pod_is_judged_by_the_sum_of_its_containers_or_its_greatest_init_container() -> None:
    most = limits(type="Pod", max={"cpu": "2"})
    assert not list(pod_faults(pod_of(cpu("1", "1"), cpu("1", "1")), most))
    assert list(pod_faults(pod_of(cpu("1", "1"), cpu("1", "1001m")), most)) == [
        "maximum cpu usage per Pod is 2, but limit is 2001m"
    ]
    assert list(pod_faults(pod_of(cpu("1", "1"), init=cpu("3", "3")), most)) == [
        "maximum cpu usage per Pod is 2, but limit is 3"
    ]


def test_bounds_of_claims() -> None:
    item = limits(type="PersistentVolumeClaim", min={"storage": "1Gi"}, max={"storage": "2Gi"})
    for size, expected in (("512Mi", "minimum"), ("1Gi", ""), ("3Gi", "maximum")):
        claim = codec.convert(core_v1.PersistentVolumeClaim, {"spec": {"resources": {"requests": {"storage": size}}}})
        faults = list(claim_faults(claim, item))
        assert [fault.partition(" ")[0] for fault in faults] == ([expected] if expected else [])


async def test_defaults_are_put_in_and_told_and_what_breaks_the_bounds_is_refused(api: Any, pod: Any) -> None:
    item = {
        "type": "Container",
        "max": {"memory": "1Gi"},
        "default": {"memory": "64Mi"},
        "defaultRequest": {"cpu": "1"},
    }
    await api.create(core_v1.LimitRange, {"metadata": {"name": "l"}, "spec": {"limits": [item]}})
    await api.registry.cache(core_v1.LimitRange).fresh()
    made = await api.create(core_v1.Pod, pod)
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"memory": "64Mi"},
        "requests": {"cpu": "1", "memory": "64Mi"},
    }
    assert made["status"]["qosClass"] == "Burstable"
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu, memory request for container main; memory "
        "limit for container main"
    }
    big = {"name": "main", "image": "i", "resources": {"limits": {"memory": "2Gi"}}}
    with pytest.raises(Forbidden) as refused:
        await api.create(core_v1.Pod, {"metadata": {"name": "big"}, "spec": {"containers": [big]}})
    why = "maximum memory usage per Container is 1Gi, but limit is 2Gi"
    assert refused.value.message == f'pods "big" is forbidden: {why}'
    grown = {**made["spec"]["containers"][0], "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "1"}}}
    with pytest.raises(Forbidden, match="maximum memory usage per Container is 1Gi, but limit is 2Gi"):
        await api.merge(core_v1.Pod, pod["metadata"]["name"], {"spec": {"containers": [grown]}}, subresource="resize")


async def test_a_claim_without_a_class_gets_the_default_one(api: Any) -> None:
    marked = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    await api.create(storage_v1.StorageClass, {"metadata": {"name": "fast", **marked}, "provisioner": "p"}, "")
    await api.create(storage_v1.StorageClass, {"metadata": {"name": "slow"}, "provisioner": "p"}, "")
    await api.registry.cache(storage_v1.StorageClass).fresh()
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for name, asked, got in (
        ("a", {}, "fast"),
        ("b", {"storageClassName": ""}, ""),
        ("c", {"storageClassName": "x"}, "x"),
    ):
        body = {"metadata": {"name": name}, "spec": spec | asked}
        made = await api.create(core_v1.PersistentVolumeClaim, body)
        assert made["spec"].get("storageClassName") == got
