"""Endpoints: the older form of EndpointSlices, one object a Service, for clients that still read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Create, Update
from master.controllers.controller import Key, Wake, controller
from master.controllers.endpoints import WAKE, Endpoint, Port, behind
from master.controllers.view import View
from timonel.api import codec
from timonel.api.meta import owner_reference
from timonel.api.types import core_v1, meta_v1

MOST = 1000
"""Source: Kubernetes' documentation of Endpoints; what is beyond it is left out and annotated."""
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


def _same_name(endpoints: core_v1.Endpoints, view: View) -> Iterator[Key]:
    yield Key(core_v1.Service, endpoints.metadata.namespace or "", endpoints.metadata.name or "")


@controller(core_v1.Service, wakes_on=[WAKE, Wake(core_v1.Endpoints, _same_name)], account="endpoint-controller")
def legacy_endpoints(service: core_v1.Service, view: View, now: datetime) -> Iterator[Action]:
    """Keep the Endpoints of a Service with a selector in step with its pods."""
    if service.metadata.deletionTimestamp or not service.spec.selector or service.spec.type == "ExternalName":
        return
    present = view.get(core_v1.Endpoints, service.metadata.namespace or "", service.metadata.name or "")
    found = behind(service, view)
    wanted = core_v1.Endpoints(metadata=meta_v1.ObjectMeta()) if present is None else codec.copy(present)
    wanted.metadata.name, wanted.metadata.namespace = service.metadata.name, service.metadata.namespace
    wanted.metadata.ownerReferences = [owner_reference(service, controller=False)]
    wanted.metadata.labels = {**service.metadata.labels, MANAGED_BY: MANAGER}
    if len(found) > MOST:
        wanted.metadata.annotations[OVER_CAPACITY] = "truncated"
    wanted.subsets = _subsets(found[:MOST])
    if present is None:
        yield Create(wanted)
    elif codec.encode(wanted) != codec.encode(present):
        yield Update(wanted)


def _subsets(endpoints: list[Endpoint]) -> list[core_v1.EndpointSubset]:
    groups: dict[tuple[Port, ...], list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.ports, []).append(endpoint)
    return [
        core_v1.EndpointSubset(
            addresses=[_address(endpoint) for endpoint in group if endpoint.ready],
            notReadyAddresses=[
                _address(endpoint) for endpoint in group if not endpoint.ready and not endpoint.terminating
            ],
            ports=[
                core_v1.EndpointPort(name=name, port=number, protocol=protocol, appProtocol=application or None)
                for name, number, protocol, application in ports
            ],
        )
        for ports, group in sorted(groups.items())
        if any(endpoint.ready or not endpoint.terminating for endpoint in group)
    ]


def _address(endpoint: Endpoint) -> core_v1.EndpointAddress:
    pod = endpoint.pod
    return core_v1.EndpointAddress(
        ip=endpoint.address,
        hostname=endpoint.hostname or "",
        nodeName=pod.spec.nodeName,
        targetRef=core_v1.ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )
