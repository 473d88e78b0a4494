"""EndpointSlices for Endpoints that somebody writes by hand: readers need to know of slices only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address

from master.controllers.actions import Action, Create, Delete, Update
from master.controllers.controller import Key, Wake, controlled_by, controller
from master.controllers.endpoints import Port
from master.controllers.endpointslice import MANAGED_BY, SERVICE, ports_of, told_ports
from master.controllers.view import View, owned
from timonel.api import codec
from timonel.api.meta import owner_reference
from timonel.api.types import core_v1, discovery_v1, meta_v1

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
"""Endpoints with this annotation are a lock of an old kind of leader election."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MOST = 1000
"""Source: kube-controller-manager's --mirroring-max-endpoints-per-subset."""

_Form = tuple[str, tuple[Port, ...]]
"""What all endpoints of a slice share: the family of their addresses, and their ports."""


def _same_name(service: core_v1.Service, view: View) -> Iterator[Key]:
    yield Key(core_v1.Endpoints, service.metadata.namespace or "", service.metadata.name or "")


@controller(
    core_v1.Endpoints,
    wakes_on=[Wake(core_v1.Service, _same_name), controlled_by(core_v1.Endpoints, discovery_v1.EndpointSlice)],
)
def endpointslicemirroring(endpoints: core_v1.Endpoints, view: View, now: datetime) -> Iterator[Action]:
    """Keep a slice for each form of endpoints of a Service without a selector."""
    if endpoints.metadata.deletionTimestamp:
        return
    wanted = _by_form(endpoints) if _is_mirrored(endpoints, view) else {}
    for piece in owned(view, endpoints, discovery_v1.EndpointSlice):
        entries = wanted.pop((piece.addressType, ports_of(piece)), None)
        if entries is None:
            yield Delete(piece)
            continue
        updated = codec.copy(piece)
        _fill(updated, endpoints, entries)
        if codec.encode(updated) != codec.encode(piece):
            yield Update(updated)
    for (family, ports), entries in wanted.items():
        meta = meta_v1.ObjectMeta(
            generateName=f"{endpoints.metadata.name}-",
            namespace=endpoints.metadata.namespace,
            ownerReferences=[owner_reference(endpoints)],
        )
        piece = discovery_v1.EndpointSlice(metadata=meta, addressType=family)
        piece.ports = told_ports(ports)
        _fill(piece, endpoints, entries)
        yield Create(piece)


def _is_mirrored(endpoints: core_v1.Endpoints, view: View) -> bool:
    meta = endpoints.metadata
    if meta.labels.get(SKIP) == "true" or LEADER in meta.annotations:
        return False
    service = view.get(core_v1.Service, meta.namespace or "", meta.name or "")
    return service is not None and not service.spec.selector


def _fill(
    piece: discovery_v1.EndpointSlice, endpoints: core_v1.Endpoints, entries: dict[str, discovery_v1.Endpoint]
) -> None:
    meta = endpoints.metadata
    piece.metadata.labels = {**meta.labels, SERVICE: meta.name or "", MANAGED_BY: MANAGER}
    piece.metadata.annotations = {key: value for key, value in meta.annotations.items() if key != LAST_APPLIED}
    piece.endpoints = list(entries.values())


def _by_form(endpoints: core_v1.Endpoints) -> dict[_Form, dict[str, discovery_v1.Endpoint]]:
    """The endpoints by their addresses; one that is told of twice is what is told last."""
    found: dict[_Form, dict[str, discovery_v1.Endpoint]] = {}
    for subset in endpoints.subsets:
        ports = tuple((p.name or "", p.port, p.protocol or "TCP", p.appProtocol or "") for p in subset.ports)
        states = [(address, True) for address in subset.addresses]
        states += [(address, False) for address in subset.notReadyAddresses]
        for address, ready in states[:MOST]:
            form = (f"IPv{ip_address(address.ip).version}", ports)
            found.setdefault(form, {})[address.ip] = discovery_v1.Endpoint(
                addresses=[address.ip],
                conditions=discovery_v1.EndpointConditions(ready=ready),
                hostname=address.hostname or None,
                nodeName=address.nodeName or None,
                targetRef=address.targetRef,
            )
    return found
