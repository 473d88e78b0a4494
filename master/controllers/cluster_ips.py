"""IPAddresses show which Service has which cluster IP. What is taken is settled when a Service is written, see
`kinds.service`: these objects follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address as parsed

from master.controllers.actions import Action, Create, Delete
from master.controllers.controller import API_SERVER, Key, Wake, controller, key_of
from master.controllers.view import Index, View
from timonel.api.types import core_v1, meta_v1
from timonel.api.types import networking_v1 as v1

FAMILY, MANAGED_BY = "ipaddress.kubernetes.io/ip-family", "ipaddress.kubernetes.io/managed-by"
MANAGER = "ipallocator.k8s.io"


def _addresses(service: core_v1.Service) -> Iterator[str]:
    return (address for address in service.spec.clusterIPs if address and address != "None")


_BY_ADDRESS: Index[core_v1.Service] = Index(core_v1.Service, _addresses)


def _owners(address: v1.IPAddress, view: View) -> Iterator[Key]:
    return map(key_of, view.by(_BY_ADDRESS, address.metadata.name or ""))


def _shown(service: core_v1.Service, view: View) -> Iterator[Key]:
    return (Key(v1.IPAddress, "", address) for address in _addresses(service))


@controller(core_v1.Service, wakes_on=[Wake(v1.IPAddress, _owners)], account=API_SERVER)
def cluster_ips(service: core_v1.Service, view: View, now: datetime) -> Iterator[Action]:
    """Make what is missing."""
    for address in _addresses(service):
        if view.get(v1.IPAddress, "", address) is None:
            labels = {FAMILY: f"IPv{parsed(address).version}", MANAGED_BY: MANAGER}
            parent = v1.ParentReference(
                resource="services", namespace=service.metadata.namespace, name=service.metadata.name or ""
            )
            yield Create(
                v1.IPAddress(
                    metadata=meta_v1.ObjectMeta(name=address, labels=labels), spec=v1.IPAddressSpec(parentRef=parent)
                )
            )


@controller(v1.IPAddress, wakes_on=[Wake(core_v1.Service, _shown)], account=API_SERVER)
def ip_address(address: v1.IPAddress, view: View, now: datetime) -> Iterator[Action]:
    """Remove one whose Service is gone, or has another address."""
    parent = address.spec.parentRef
    service = view.get(core_v1.Service, parent.namespace, parent.name) if parent else None
    held = service is not None and address.metadata.name in service.spec.clusterIPs
    if address.metadata.labels.get(MANAGED_BY) == MANAGER and not held:
        yield Delete(address)
