"""What one object uses, by the names of quotas' resources. Source: Kubernetes' pkg/quota/v1/evaluator/core."""

from collections.abc import Mapping
from typing import Any

from master.registry.podamounts import LIMITS, REQUESTS, Amounts, asked, pod_totals
from master.registry.volumeclaims import CLASS_ANNOTATION
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

ONE, ZERO = Quantity("1"), Quantity("0")
OVER = ("Succeeded", "Failed")
PLAIN = ("cpu", "memory", "ephemeral-storage")
"""Resources of nodes whose requests quotas also name without a prefix."""
COUNTED = frozenset({"configmaps", "secrets", "replicationcontrollers", "resourcequotas"})
"""Kinds that quotas also count by their plain names, beside pods, services and claims."""
MUST_SAY = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
"""What a quota on it obliges every container to say."""


def usage(group_resource: str, obj: Any) -> Amounts:
    """What an object uses; ``group_resource`` is its resource as in ``deployments.apps``."""
    used: Amounts = {f"count/{group_resource}": ONE}
    match obj:
        case core_v1.Pod():
            return used if obj.status.phase in OVER else used | _pod(obj.spec)
        case core_v1.Service():
            return used | _service(obj.spec)
        case core_v1.PersistentVolumeClaim():
            return used | _claim(obj)
    return used | {group_resource: ONE} if group_resource in COUNTED else used


def counts_kind(group_resource: str, hard: Mapping[str, Quantity]) -> bool:
    """Whether objects of a resource may use something that a quota limits."""
    if f"count/{group_resource}" in hard or (group_resource in COUNTED and group_resource in hard):
        return True
    return any(_counted_kind(name) == group_resource for name in hard)


def _counted_kind(name: str) -> str:
    """The resource whose objects use what a quota calls so; empty for what `usage` counts by the kind's name."""
    if name.startswith("count/") or name in COUNTED:
        return ""
    if name.startswith("services"):
        return "services"
    if name.endswith(("persistentvolumeclaims", "requests.storage")):
        return "persistentvolumeclaims"
    return "pods"


def grown(new: Mapping[str, Quantity], old: Mapping[str, Quantity]) -> Amounts:
    """By how much more is used; what has shrunk is left to the recount."""
    more = {name: amount.minus(old.get(name, ZERO)) for name, amount in new.items()}
    return {name: amount for name, amount in more.items() if amount.amount.nanos > 0}


def unsaid(spec: core_v1.PodSpec, hard: Mapping[str, Quantity]) -> dict[str, list[str]]:
    """What the quota limits and containers do not say, with their names, sorted."""
    missing: dict[str, list[str]] = {}
    own = _prefixed(spec.resources.requests, spec.resources.limits) if spec.resources else {}
    for container in (*spec.containers, *spec.initContainers):
        said = _prefixed(asked(container, REQUESTS), asked(container, LIMITS))
        for name in sorted(hard):
            if name in MUST_SAY and name not in said and name not in own:
                missing.setdefault(name, []).append(container.name)
    return {name: sorted(containers) for name, containers in sorted(missing.items())}


def _pod(spec: core_v1.PodSpec) -> Amounts:
    return {"pods": ONE, **_prefixed(pod_totals(spec, REQUESTS), pod_totals(spec, LIMITS))}


def _prefixed(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> Amounts:
    """Requests and limits by quotas' names: huge pages and plain resources with and without a prefix."""
    used: Amounts = {}
    for name, amount in requests.items():
        used[f"requests.{name}"] = amount
        if name in PLAIN or name.startswith("hugepages-"):
            used[name] = amount
    used |= {f"limits.{name}": amount for name, amount in limits.items() if name in PLAIN}
    return used


def _service(spec: core_v1.ServiceSpec) -> Amounts:
    used: Amounts = {"services": ONE, "services.nodeports": ZERO, "services.loadbalancers": ZERO}
    ports = len(spec.ports)
    if spec.type == "NodePort":
        used["services.nodeports"] = Quantity(ports)
    elif spec.type == "LoadBalancer":
        if spec.allocateLoadBalancerNodePorts is False:
            ports = sum(bool(port.nodePort) for port in spec.ports)
        used["services.nodeports"], used["services.loadbalancers"] = Quantity(ports), ONE
    return used


def _claim(claim: core_v1.PersistentVolumeClaim) -> Amounts:
    used: Amounts = {"persistentvolumeclaims": ONE}
    requests = claim.spec.resources.requests
    name = claim.metadata.annotations.get(CLASS_ANNOTATION) or claim.spec.storageClassName
    of_class = f"{name}.storageclass.storage.k8s.io/"
    if name:
        used[f"{of_class}persistentvolumeclaims"] = ONE
    if "storage" in requests:
        used["requests.storage"] = requests["storage"]
        if name:
            used[f"{of_class}requests.storage"] = requests["storage"]
    return used
