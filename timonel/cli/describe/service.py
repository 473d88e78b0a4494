"""Describes Services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from timonel.api.types import core_v1, discovery_v1
from timonel.cli.describe.generic import notes
from timonel.cli.describe.page import NONE, Page

MOST_ENDPOINTS = 3


def service(page: Page, obj: core_v1.Service, slices: Sequence[discovery_v1.EndpointSlice]) -> None:
    """Its addresses and ports, and the endpoints behind each, from its EndpointSlices."""
    metadata, spec = obj.metadata, obj.spec
    page.field(0, "Name", metadata.name)
    page.field(0, "Namespace", metadata.namespace)
    page.mapping(0, "Labels", metadata.labels)
    page.mapping(0, "Annotations", notes(metadata.annotations), sign=": ")
    page.field(0, "Selector", ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items())) or NONE)
    page.field(0, "Type", spec.type or "ClusterIP")
    page.field(0, "IP Family Policy", spec.ipFamilyPolicy or NONE)
    page.field(0, "IP Families", ",".join(spec.ipFamilies) or NONE)
    page.field(0, "IP", spec.clusterIP)
    page.field(0, "IPs", ",".join(spec.clusterIPs) or NONE)
    page.fields(0, [("External IPs", ",".join(spec.externalIPs)), ("External Name", spec.externalName)])
    for port in spec.ports:
        protocol = port.protocol or "TCP"
        page.field(0, "Port", f"{port.name or '<unset>'}\t{port.port}/{protocol}")
        page.field(0, "TargetPort", f"{port.targetPort}/{protocol}")
        if port.nodePort:
            page.field(0, "NodePort", f"{port.name or '<unset>'}\t{port.nodePort}/{protocol}")
        page.field(0, "Endpoints", endpoints(port.name, slices))
    page.field(0, "Session Affinity", spec.sessionAffinity or "None")
    page.fields(0, [("Internal Traffic Policy", spec.internalTrafficPolicy)])


def endpoints(port: str, slices: Sequence[discovery_v1.EndpointSlice]) -> str:
    """The ready endpoints behind a port: the first few, and how many more there are."""
    found = list(_endpoints(port, slices))
    more = f" + {len(found) - MOST_ENDPOINTS} more..." if len(found) > MOST_ENDPOINTS else ""
    return ",".join(found[:MOST_ENDPOINTS]) + more


def _endpoints(port: str, slices: Sequence[discovery_v1.EndpointSlice]) -> Iterator[str]:
    for each in slices:
        numbers = [entry.port for entry in each.ports if (entry.name or "") == port]
        for endpoint in each.endpoints:
            ready = endpoint.conditions.ready is not False
            if ready and endpoint.addresses:
                yield from (f"{endpoint.addresses[0]}:{number}" for number in numbers)
