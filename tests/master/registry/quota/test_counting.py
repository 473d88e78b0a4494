"""What objects use, and which quotas count them."""

from typing import Any

import pytest

from master.registry.quota.count import counted
from master.registry.quota.scopes import in_scope
from master.registry.quota.usage import counts_kind, grown, unsaid, usage
from timonel.api import codec
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1


def pod(*resources: dict[str, Any], phase: str = "Running", **spec: Any) -> core_v1.Pod:
    containers = [{"name": "cde"[n], "resources": each} for n, each in enumerate(resources or ({},))]
    return codec.convert(core_v1.Pod, {"spec": {"containers": containers, **spec}, "status": {"phase": phase}})


def claim(storage: str, **spec: Any) -> core_v1.PersistentVolumeClaim:
    body = {"spec": {"resources": {"requests": {"storage": storage}}, **spec}}
    return codec.convert(core_v1.PersistentVolumeClaim, body)


def service(**spec: Any) -> core_v1.Service:
    return codec.convert(core_v1.Service, {"spec": {"ports": [{"port": 1}, {"port": 2, "nodePort": 30000}], **spec}})


ASKING = {"requests": {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"}, "limits": {"cpu": "1"}}
POD = {"count/pods": "1", "pods": "1"}
SERVICE = {"count/services": "1", "services": "1"}
CLAIM = {"count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1"}
USAGE = [
    ("pods", pod(), POD),
    ("pods", pod(ASKING, phase="Succeeded"), {"count/pods": "1"}),
    (
        "pods",
        pod(ASKING, ASKING),
        POD
        | {"cpu": "1", "requests.cpu": "1", "memory": "2Gi", "requests.memory": "2Gi", "limits.cpu": "2"}
        | {"requests.nvidia.com/gpu": "2"},
    ),
    (
        "pods",
        pod({"requests": {"cpu": "1"}}, initContainers=[{"name": "i", "resources": {"requests": {"cpu": "3"}}}]),
        POD | {"cpu": "3", "requests.cpu": "3"},
    ),
    ("services", service(type="ClusterIP"), SERVICE | {"services.nodeports": "0", "services.loadbalancers": "0"}),
    ("services", service(type="NodePort"), SERVICE | {"services.nodeports": "2", "services.loadbalancers": "0"}),
    ("services", service(type="LoadBalancer"), SERVICE | {"services.nodeports": "2", "services.loadbalancers": "1"}),
    (
        "services",
        service(type="LoadBalancer", allocateLoadBalancerNodePorts=False),
        SERVICE | {"services.nodeports": "1", "services.loadbalancers": "1"},
    ),
    ("persistentvolumeclaims", claim("1Gi"), CLAIM | {"requests.storage": "1Gi"}),
    (
        "persistentvolumeclaims",
        claim("1Gi", storageClassName="fast"),
        CLAIM
        | {"requests.storage": "1Gi", "fast.storageclass.storage.k8s.io/requests.storage": "1Gi"}
        | {"fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1"},
    ),
    ("secrets", object(), {"count/secrets": "1", "secrets": "1"}),
    ("deployments.apps", object(), {"count/deployments.apps": "1"}),
]


@pytest.mark.parametrize(("resource", "obj", "expected"), USAGE)
def test_usage(resource: str, obj: Any, expected: dict[str, str]) -> None:
    assert usage(resource, obj) == expected
    for name in expected:
        assert counts_kind(resource, {name: Quantity("1")}), f"a quota on {name} looks at {resource}"


def term(**fields: Any) -> dict[str, Any]:
    terms = [{"topologyKey": "k", **fields}]
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


SCOPES = [
    ("Terminating", pod(activeDeadlineSeconds=5), pod()),
    ("NotTerminating", pod(), pod(activeDeadlineSeconds=5)),
    ("BestEffort", pod(), pod(ASKING)),
    ("NotBestEffort", pod(ASKING), pod()),
    ("PriorityClass", pod(priorityClassName="high"), pod()),
    ("CrossNamespacePodAffinity", pod(**term(namespaces=["x"])), pod(**term())),
    ("CrossNamespacePodAffinity", pod(**term(namespaceSelector={})), pod()),
    ("VolumeAttributesClass", claim("1", volumeAttributesClassName="c"), claim("1")),
    ("Terminating", pod(activeDeadlineSeconds=0), service()),
]


@pytest.mark.parametrize(("scope", "inside", "outside"), SCOPES)
def test_scopes(scope: str, inside: Any, outside: Any) -> None:
    spec = core_v1.ResourceQuotaSpec(scopes=[scope])
    assert in_scope(spec, inside)
    assert not in_scope(spec, outside)


@pytest.mark.parametrize(
    ("operator", "values", "chosen"),
    [
        ("In", ["high", "low"], {"high", "low"}),
        ("NotIn", ["high"], {"low", ""}),
        ("Exists", [], {"high", "low"}),
        ("DoesNotExist", [], {""}),
    ],
)
def test_scope_selectors(operator: str, values: list[str], chosen: set[str]) -> None:
    need = {"scopeName": "PriorityClass", "operator": operator, "values": values}
    spec = codec.convert(core_v1.ResourceQuotaSpec, {"scopeSelector": {"matchExpressions": [need]}})
    assert {name for name in ("high", "low", "") if in_scope(spec, pod(priorityClassName=name))} == chosen


def test_a_count_adds_what_is_in_scope_and_limited() -> None:
    spec = codec.convert(core_v1.ResourceQuotaSpec, {"hard": {"cpu": "4", "pods": "9"}, "scopes": ["NotBestEffort"]})
    assert counted(spec, [("pods", pod(ASKING)), ("pods", pod(ASKING)), ("pods", pod())]) == {"cpu": "1", "pods": "2"}


def test_only_growth_is_charged() -> None:
    new, old = {"a": Quantity("3"), "b": Quantity("1"), "c": Quantity("0")}, {"a": Quantity("1"), "b": Quantity("2")}
    assert grown(new, old) == {"a": "2"}


def test_containers_must_say_what_is_limited() -> None:
    hard = dict.fromkeys(("limits.cpu", "requests.cpu", "pods", "limits.memory"), Quantity("1"))
    assert unsaid(pod(ASKING, {}).spec, hard) == {
        "limits.cpu": ["d"],
        "limits.memory": ["c", "d"],
        "requests.cpu": ["d"],
    }
