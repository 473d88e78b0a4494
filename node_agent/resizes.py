"""Resizes in place: which running containers have other limits than their spec says, and whether the node has room.

Pure. What a container has is what the runtime says, so nothing has to be remembered of a resize under way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from node_agent.resources import container_resources
from node_agent.runtimes.base import Container, Resources
from timonel.api.podresources import granted, requests
from timonel.api.types import core_v1

ENDED = ("Succeeded", "Failed")
RESIZABLE = ("cpu", "memory")
PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a resize must wait: Infeasible for ever on this node, Deferred until others leave room."""

    reason: str
    message: str


def wanted(pod: core_v1.Pod, spec: core_v1.Container) -> Resources:
    """The limits that the spec asks for, those alone that can be changed while the container runs."""
    asked = container_resources(pod, spec, 0)
    return Resources(asked.cpu_shares, asked.cpu_quota, asked.cpu_period, asked.memory_bytes)


def changed(pod: core_v1.Pod, spec: core_v1.Container, container: Container) -> frozenset[str]:
    """Of cpu and memory, what the container has otherwise than its spec says; nothing where its limits are unknown."""
    has = container.resources
    if has is None:
        return frozenset()
    asked = wanted(pod, spec)
    cpu = (has.cpu_shares, has.cpu_quota) != (asked.cpu_shares, asked.cpu_quota)
    differ = {"cpu": cpu, "memory": has.memory_bytes != asked.memory_bytes}
    return frozenset(name for name, differs in differ.items() if differs)


def restarts(spec: core_v1.Container, resources: frozenset[str]) -> bool:
    """Whether a change of these resources restarts the container."""
    return any(p.resourceName in resources and p.restartPolicy == "RestartContainer" for p in spec.resizePolicy)


def hindrance(pod: core_v1.Pod, others: Iterable[core_v1.Pod], allocatable: Mapping[str, int]) -> Hindrance | None:
    """What keeps the node from giving the pod what it asks for now; ``allocatable`` is in the units of `requests`."""
    asked = requests(pod.spec)
    bounded = [name for name in RESIZABLE if name in allocatable and asked.get(name)]
    for name in bounded:
        if asked[name] > allocatable[name]:
            text = f"Node didn't have enough capacity: {name}, requested: {asked[name]}, capacity: {allocatable[name]}"
            return Hindrance("Infeasible", text)
    alive = [requests(granted(other)) for other in others if other.status.phase not in ENDED]
    for name in bounded:
        used = sum(other.get(name, 0) for other in alive)
        if used + asked[name] > allocatable[name]:
            figures = f"requested: {asked[name]}, used: {used}, capacity: {allocatable[name]}"
            return Hindrance("Deferred", f"Node didn't have enough resource: {name}, {figures}")
    return None
