"""EndpointSlices: who answers for a Service, in slices of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from master.controllers.actions import Action, Create, Delete, Update
from master.controllers.controller import Wake, controlled_by, controller
from master.controllers.endpoints import WAKE, Endpoint, Port, behind
from master.controllers.view import View, owned
from timonel.api import codec
from timonel.api.meta import owner_reference
from timonel.api.types import core_v1, discovery_v1, meta_v1

SERVICE = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
PER_SLICE = 100
"""Source: kube-controller-manager's --max-endpoints-per-slice."""

_SLICES: Wake[discovery_v1.EndpointSlice] = controlled_by(core_v1.Service, discovery_v1.EndpointSlice)


@controller(core_v1.Service, wakes_on=[WAKE, _SLICES])
def endpointslice(service: core_v1.Service, view: View, now: datetime) -> Iterator[Action]:
    """Keep a Service's slices in step with its pods; a Service without a selector has others to write them."""
    if service.metadata.deletionTimestamp or not service.spec.selector or service.spec.type == "ExternalName":
        return
    present = [
        piece
        for piece in owned(view, service, discovery_v1.EndpointSlice)
        if piece.metadata.labels.get(MANAGED_BY) == MANAGER and not piece.metadata.deletionTimestamp
    ]
    for ports, endpoints in _by_ports(behind(service, view)).items():
        mine = [piece for piece in present if ports_of(piece) == ports]
        present = [piece for piece in present if piece not in mine]
        yield from _fill(service, ports, endpoints, mine)
    yield from map(Delete, present)


def _fill(
    service: core_v1.Service,
    ports: tuple[Port, ...],
    endpoints: Sequence[Endpoint],
    slices: Sequence[discovery_v1.EndpointSlice],
) -> Iterator[Action]:
    """Keep each endpoint in the slice that it is in; new ones fill what is free, then new slices."""
    left = {endpoint.pod.metadata.uid or "": endpoint for endpoint in endpoints}
    contents: list[list[Endpoint]] = []
    for piece in slices:
        uids = [entry.targetRef.uid or "" for entry in piece.endpoints if entry.targetRef]
        contents.append([left.pop(uid) for uid in uids if uid in left])
    rest = list(left.values())
    for content in contents:
        free = PER_SLICE - len(content)
        content += rest[:free]
        rest = rest[free:]
    for piece, content in zip(slices, contents, strict=True):
        wanted = codec.copy(piece)
        wanted.metadata.labels = _labels(service)
        wanted.endpoints = [_entry(endpoint) for endpoint in content]
        if not content and len(slices) > 1:
            yield Delete(piece)
        elif codec.encode(wanted) != codec.encode(piece):
            yield Update(wanted)
    while rest or not slices:
        yield Create(_new(service, ports, rest[:PER_SLICE]))
        rest = rest[PER_SLICE:]
        if not rest:
            return


def _new(
    service: core_v1.Service, ports: tuple[Port, ...], endpoints: Sequence[Endpoint]
) -> discovery_v1.EndpointSlice:
    return discovery_v1.EndpointSlice(
        metadata=meta_v1.ObjectMeta(
            generateName=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=_labels(service),
            ownerReferences=[owner_reference(service)],
        ),
        addressType="IPv4",
        endpoints=[_entry(endpoint) for endpoint in endpoints],
        ports=told_ports(ports),
    )


def _entry(endpoint: Endpoint) -> discovery_v1.Endpoint:
    pod = endpoint.pod
    return discovery_v1.Endpoint(
        addresses=[endpoint.address],
        conditions=discovery_v1.EndpointConditions(
            ready=endpoint.ready, serving=endpoint.serving, terminating=endpoint.terminating
        ),
        hostname=endpoint.hostname,
        nodeName=pod.spec.nodeName,
        targetRef=core_v1.ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )


def _labels(service: core_v1.Service) -> dict[str, str]:
    labels = {**service.metadata.labels, SERVICE: service.metadata.name or "", MANAGED_BY: MANAGER}
    if service.spec.clusterIP == "None":
        labels[HEADLESS] = ""
    return labels


def _by_ports(endpoints: Sequence[Endpoint]) -> dict[tuple[Port, ...], list[Endpoint]]:
    """Pods that give a named port different numbers need slices of their own. Without pods one empty slice stays."""
    groups: dict[tuple[Port, ...], list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.ports, []).append(endpoint)
    return groups or {(): []}


def told_ports(ports: tuple[Port, ...]) -> list[discovery_v1.EndpointPort]:
    """The ports as a slice tells them."""
    return [
        discovery_v1.EndpointPort(name=name, port=number, protocol=protocol, appProtocol=application or None)
        for name, number, protocol, application in ports
    ]


def ports_of(piece: discovery_v1.EndpointSlice) -> tuple[Port, ...]:
    """The ports of a slice, in a form that can be compared."""
    return tuple(
        (port.name or "", port.port or 0, port.protocol or "TCP", port.appProtocol or "") for port in piece.ports
    )
