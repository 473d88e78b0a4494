"""What the scheduler needs to know of a pod, read once from its object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from timonel.api import codec
from timonel.api.meta import controller_of
from timonel.api.podresources import granted, nonzero_requests, requests
from timonel.api.types import core_v1

HostPort = tuple[str, int, str]
"""Protocol, port, host address ("0.0.0.0" for all)."""


@dataclass(frozen=True)
class PodInfo:
    """A pod as the scheduler sees it. Pods with equal `signature` get equal masks and scores."""

    key: str
    uid: str
    node: str
    """The node that it is bound to; empty while it is to be scheduled."""
    spec: core_v1.PodSpec
    priority: int
    requests: dict[str, int]
    """By resource name: milli-units for cpu, units for everything else. Source: Kubernetes' resource.PodRequests."""
    nonzero: dict[str, int]
    """cpu and memory as the scores count them: containers that ask for none count as 100m and 200 MiB."""
    ports: tuple[HostPort, ...]
    owner: str
    """Namespace and uid of the controlling owner; empty without one."""

    @cached_property
    def signature(self) -> bytes:
        """Everything that a plugin may look at."""
        spec = self.spec
        return codec.encode(
            [
                self.owner,
                self.requests,
                self.nonzero,
                self.ports,
                spec.nodeName,
                spec.nodeSelector,
                spec.affinity,
                spec.tolerations,
                [container.image for container in spec.containers],
            ]
        )


def pod_info(pod: core_v1.Pod) -> PodInfo:
    """Read a pod, scheduled or not."""
    namespace = pod.metadata.namespace or ""
    owner = controller_of(pod)
    spec = granted(pod)
    return PodInfo(
        key=f"{namespace}/{pod.metadata.name}",
        uid=pod.metadata.uid or "",
        node=pod.spec.nodeName or "",
        spec=pod.spec,
        priority=pod.spec.priority or 0,
        requests=requests(spec),
        nonzero=nonzero_requests(spec),
        ports=_host_ports(pod.spec),
        owner=f"{namespace}/{owner.uid}" if owner else "",
    )


def _host_ports(spec: core_v1.PodSpec) -> tuple[HostPort, ...]:
    return tuple(
        (port.protocol or "TCP", port.hostPort, port.hostIP or "0.0.0.0")
        for container in spec.containers
        for port in container.ports
        if port.hostPort
    )
