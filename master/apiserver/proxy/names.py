"""Which server the name in a `proxy` path stands for: `name`, `name:port` or `scheme:name:port`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from timonel.api.types import core_v1

SCHEMES = ("http", "https")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ProxyName:
    """An object's name with what is wanted of it; the port is a number or a name, empty for the first there is."""

    name: str
    port: str = ""
    scheme: str = "http"


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


def may_be_reached(address: str) -> bool:
    """Whether an address that others have chosen may be connected to: not the master's own machine, nor its links."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified)
