"""The addresses behind a Service, as its EndpointSlices tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from timonel.api.types import core_v1, discovery_v1

SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address behind a service."""

    address: str
    port: int
    pod: str = ""
    """The pod that it belongs to, in the service's namespace; empty when it is no pod's."""


def service_port(service: core_v1.Service, number: int) -> str | None:
    """The name, which may be empty, of a service's port; None when it has no such port."""
    return next((port.name or "" for port in service.spec.ports if port.port == number), None)


def slices_of(slices: Iterable[discovery_v1.EndpointSlice], service: str) -> Iterator[discovery_v1.EndpointSlice]:
    """The slices of a service, out of those of its namespace."""
    return (each for each in slices if (each.metadata.labels or {}).get(SERVICE_NAME) == service)


def endpoints(slices: Iterable[discovery_v1.EndpointSlice], port_name: str) -> list[Endpoint]:
    """The addresses that are ready and have a port of this name."""
    return [
        Endpoint(endpoint.addresses[0], port.port, _pod_of(endpoint))
        for each in slices
        for port in each.ports
        if (port.name or "") == port_name and port.port
        for endpoint in each.endpoints
        if endpoint.addresses and is_ready(endpoint)
    ]


def is_ready(endpoint: discovery_v1.Endpoint) -> bool:
    """Whether an endpoint takes requests; one that does not say does."""
    return endpoint.conditions.ready is not False


def _pod_of(endpoint: discovery_v1.Endpoint) -> str:
    reference = endpoint.targetRef
    return reference.name or "" if reference and reference.kind == "Pod" else ""
