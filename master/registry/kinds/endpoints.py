"""Endpoints: the older form of EndpointSlices, which some clients still read."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.addresses import ADDRESS, is_destination
from master.registry.validation.common import is_label, is_port, is_qualified, is_subdomain, one_of
from timonel.api.fields import FieldError, Path, invalid, required
from timonel.api.types import core_v1

SHOWN = 3


def _addresses(endpoints: core_v1.Endpoints) -> str:
    words = [
        f"{address.ip}{ending}"
        for subset in endpoints.subsets
        for ending in [f":{port.port}" for port in subset.ports] or [""]
        for address in subset.addresses
    ]
    if not words:
        return "<none>"
    more = f" + {len(words) - SHOWN} more..." if len(words) > SHOWN else ""
    return ",".join(words[:SHOWN]) + more


@kind(core_v1.Endpoints, plural="endpoints", singular="endpoints", short=["ep"])
class EndpointsObjects(Strategy[core_v1.Endpoints]):
    """All addresses behind a service in one object."""

    create_on_update = True
    deprecation = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    columns = [Column("Endpoints", _addresses), age()]

    def default(self, obj: core_v1.Endpoints, old: core_v1.Endpoints | None) -> None:
        """Ports are TCP."""
        for subset in obj.subsets:
            for port in subset.ports:
                port.protocol = port.protocol or "TCP"

    def validate(self, obj: core_v1.Endpoints, old: core_v1.Endpoints | None) -> Iterator[FieldError]:
        """Addresses that traffic can go to, and ports; what was there before may stay as it is."""
        if old and old.subsets == obj.subsets:
            return
        for index, subset in enumerate(obj.subsets):
            at = Path("subsets").index(index)
            if not subset.addresses and not subset.notReadyAddresses:
                yield required(at, "must specify `addresses` or `notReadyAddresses`")
            for field in ("addresses", "notReadyAddresses"):
                for number, address in enumerate(getattr(subset, field)):
                    yield from _address(address, at.child(field).index(number))
            for number, port in enumerate(subset.ports):
                yield from _port(port, at.child("ports").index(number), named=len(subset.ports) > 1)


def _address(address: core_v1.EndpointAddress, path: Path) -> Iterator[FieldError]:
    faults = list(is_destination(path.child("ip"), address.ip))
    yield from faults
    if any(fault.detail == ADDRESS for fault in faults):
        yield invalid(path.child("ip"), address.ip, "must be a valid IP address")
    if address.hostname:
        yield from is_label(path.child("hostname"), address.hostname)
    if address.nodeName is not None:
        yield from is_subdomain(path.child("nodeName"), address.nodeName)


def _port(port: core_v1.EndpointPort, path: Path, *, named: bool) -> Iterator[FieldError]:
    if port.name:
        yield from is_label(path.child("name"), port.name)
    elif named:
        yield required(path.child("name"))
    yield from is_port(path.child("port"), port.port)
    yield from one_of(path.child("protocol"), port.protocol, ("SCTP", "TCP", "UDP"))
    if port.appProtocol:
        yield from is_qualified(path.child("appProtocol"), port.appProtocol)
