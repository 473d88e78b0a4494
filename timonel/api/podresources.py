"""What a pod asks of a node: requests, and the quality-of-service class that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from timonel.api import codec
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What scoring counts for a container that requests none. Source: kube-scheduler's util/pod_resources."""

_QOS_RESOURCES = ("cpu", "memory")


def amount(resource: str, quantity: Quantity) -> int:
    """A quantity in the unit that its resource is counted in: thousandths of a core for cpu, else whole units, rounded
    up.
    """
    return quantity.to_milli() if resource == "cpu" else quantity.to_int()


def requests(spec: core_v1.PodSpec) -> dict[str, int]:
    """What the pod requests of each resource, in the units of `amount`.

    The sum over containers and sidecars, or what the greatest init container needs beside the sidecars started before
    it, whichever is more;
    pod-level requests replace it; overhead is added. Source: Kubernetes' resource.PodRequests.
    """
    totals = _totals(spec, _container_requests)
    if spec.resources:
        totals.update({resource: amount(resource, quantity) for resource, quantity in spec.resources.requests.items()})
    return _plus(totals, {resource: amount(resource, quantity) for resource, quantity in spec.overhead.items()})


def granted(pod: core_v1.Pod) -> core_v1.PodSpec:
    """The spec as its node has granted it: the requests of an infeasible resize do not count."""
    if not any(c.type == "PodResizePending" and c.reason == "Infeasible" for c in pod.status.conditions):
        return pod.spec
    statuses = (*pod.status.initContainerStatuses, *pod.status.containerStatuses)
    given = {status.name: status.allocatedResources for status in statuses}
    spec = codec.copy(pod.spec)
    for container in (*spec.initContainers, *spec.containers):
        if given.get(container.name):
            container.resources.requests = dict(given[container.name])
    return spec


def nonzero_requests(spec: core_v1.PodSpec) -> dict[str, int]:
    """cpu and memory as `requests` has them, but with the scheduler's defaults for containers that ask for none."""

    def with_defaults(container: core_v1.Container) -> dict[str, int]:
        asked = _container_requests(container)
        return {"cpu": asked.get("cpu", DEFAULT_MILLI_CPU), "memory": asked.get("memory", DEFAULT_MEMORY)}

    totals = _plus({"cpu": 0, "memory": 0}, _totals(spec, with_defaults))
    return _plus(
        totals,
        {
            resource: amount(resource, spec.overhead[resource])
            for resource in _QOS_RESOURCES
            if resource in spec.overhead
        },
    )


def qos_class(spec: core_v1.PodSpec) -> str:
    """Guaranteed, Burstable or BestEffort. Source: Kubernetes' qos.ComputePodQOS."""
    bearers = [container.resources for container in (*spec.initContainers, *spec.containers)]
    if spec.resources is not None:
        bearers = [spec.resources]
    asked = [_counted(bearer.requests) for bearer in bearers]
    limited = [_counted(bearer.limits) for bearer in bearers]
    if not any(asked) and not any(limited):
        return "BestEffort"
    guaranteed = all(
        limits.keys() == set(_QOS_RESOURCES)
        and all(wanted.get(resource, limit) == limit for resource, limit in limits.items())
        for wanted, limits in zip(asked, limited, strict=True)
    )
    return "Guaranteed" if guaranteed else "Burstable"


def is_sidecar(container: core_v1.Container) -> bool:
    """Whether an init container keeps running beside the main ones."""
    return container.restartPolicy == "Always"


def _counted(quantities: Mapping[str, Quantity]) -> dict[str, int]:
    amounts = {
        resource: amount(resource, quantities[resource]) for resource in _QOS_RESOURCES if resource in quantities
    }
    return {resource: value for resource, value in amounts.items() if value}


def _container_requests(container: core_v1.Container) -> dict[str, int]:
    return {resource: amount(resource, quantity) for resource, quantity in container.resources.requests.items()}


def _totals(spec: core_v1.PodSpec, of: Callable[[core_v1.Container], dict[str, int]]) -> dict[str, int]:
    running = _sum(of(container) for container in spec.containers)
    sidecars: dict[str, int] = {}
    starting: dict[str, int] = {}
    for container in spec.initContainers:
        asked = _plus(sidecars, of(container))
        starting = {
            resource: max(asked.get(resource, 0), starting.get(resource, 0))
            for resource in asked.keys() | starting.keys()
        }
        if is_sidecar(container):
            sidecars = asked
    running = _plus(running, sidecars)
    return {
        resource: max(running.get(resource, 0), starting.get(resource, 0))
        for resource in running.keys() | starting.keys()
    }


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        total = _plus(total, part)
    return total


def _plus(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {resource: left.get(resource, 0) + right.get(resource, 0) for resource in left.keys() | right.keys()}
