"""Which pods stand behind a Service: shared by the EndpointSlices and the older Endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from master.controllers.controller import Key, Wake
from master.controllers.pods import is_ready
from master.controllers.view import View
from timonel.api.selectors import from_map
from timonel.api.types import core_v1

Port = tuple[str, int, str, str]
"""Name, number in the pod, protocol, application protocol."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod behind a Service."""

    pod: core_v1.Pod
    address: str
    ready: bool
    serving: bool
    terminating: bool
    ports: tuple[Port, ...]
    hostname: str | None
    """The pod's own name below the Service's."""


def _services(pod: core_v1.Pod, view: View) -> Iterable[Key]:
    for service in view.list(core_v1.Service, pod.metadata.namespace or ""):
        if service.spec.selector and from_map(service.spec.selector).matches(pod.metadata.labels):
            yield Key(core_v1.Service, service.metadata.namespace or "", service.metadata.name or "")


WAKE: Wake[core_v1.Pod] = Wake(core_v1.Pod, _services)
"""A pod wakes the Services that select it, or did."""


def behind(service: core_v1.Service, view: View) -> list[Endpoint]:
    """The pods that a Service selects and that have an address, in order of their names."""
    selector = from_map(service.spec.selector)
    pods = (
        pod for pod in view.list(core_v1.Pod, service.metadata.namespace or "") if selector.matches(pod.metadata.labels)
    )
    return list(_endpoints(service, pods))


def _endpoints(service: core_v1.Service, pods: Iterable[core_v1.Pod]) -> Iterator[Endpoint]:
    for pod in pods:
        if not pod.status.podIP or pod.status.phase in ("Succeeded", "Failed"):
            continue
        serving = is_ready(pod)
        terminating = pod.metadata.deletionTimestamp is not None
        ready = bool(service.spec.publishNotReadyAddresses) or (serving and not terminating)
        hostname = pod.spec.hostname if pod.spec.subdomain == service.metadata.name else None
        ports = tuple(_ports(service, pod))
        yield Endpoint(pod, pod.status.podIP, ready, serving, terminating, ports, hostname or None)


def _ports(service: core_v1.Service, pod: core_v1.Pod) -> Iterator[Port]:
    for port in service.spec.ports:
        protocol = port.protocol or "TCP"
        target = port.port if port.targetPort is None or port.targetPort == 0 else port.targetPort
        number = target if isinstance(target, int) else _named(pod, target, protocol)
        if number is not None:
            yield port.name or "", number, protocol, port.appProtocol or ""


def _named(pod: core_v1.Pod, name: str, protocol: str) -> int | None:
    """The port that a pod's containers give a name. Source: Kubernetes' podutil.FindPort."""
    sidecars = [container for container in pod.spec.initContainers if container.restartPolicy == "Always"]
    for container in (*pod.spec.containers, *sidecars):
        for port in container.ports:
            if port.name == name and (port.protocol or "TCP") == protocol:
                return port.containerPort
    return None
