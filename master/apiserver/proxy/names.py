"""Which server the name in a `proxy` path stands for: `name`, `name:port` or `scheme:name:port`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from timonel.api.types import core_v1, discovery_v1

SCHEMES = ("http", "https")
DEFAULT_PORTS = {"http": 80, "https": 443}
SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class ProxyName:
    """An object's name with what is wanted of it; the port is a number or a name, empty for the first there is."""

    name: str
    port: str = ""
    scheme: str = "http"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address behind a service."""

    address: str
    port: int
    pod: str = ""
    """The pod that it belongs to, in the service's namespace; empty when it is no pod's."""


def split(text: str) -> ProxyName | None:
    """The parts of a name; None when it has too many, an unknown scheme, or nothing where the name should be."""
    match text.split(":"):
        case [name] if name:
            return ProxyName(name)
        case [name, port] if name:
            return ProxyName(name, port)
        case [scheme, name, port] if name and scheme in ("", *SCHEMES):
            return ProxyName(name, port, scheme or "http")
    return None


def pod_port(pod: core_v1.Pod, asked: ProxyName) -> int | None:
    """The port of a pod: by number, by the name that a container gives it, or the first that one declares."""
    if asked.port.isascii() and asked.port.isdigit():
        return int(asked.port) if 0 < int(asked.port) < 65536 else None
    declared = [port for container in pod.spec.containers for port in container.ports]
    if asked.port:
        return next((port.containerPort for port in declared if port.name == asked.port), None)
    return declared[0].containerPort if declared else DEFAULT_PORTS[asked.scheme]


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
    return endpoint.conditions is None or endpoint.conditions.ready is not False


def may_be_reached(address: str) -> bool:
    """Whether an address that others have chosen may be connected to: not the master's own machine, nor its links."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified)


def _pod_of(endpoint: discovery_v1.Endpoint) -> str:
    reference = endpoint.targetRef
    return reference.name or "" if reference and reference.kind == "Pod" else ""
