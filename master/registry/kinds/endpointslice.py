"""EndpointSlices."""

import ipaddress
from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.addresses import is_destination
from master.registry.validation.common import is_label, is_qualified, is_subdomain, obeys, one_of, repeats, unchanged
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, invalid, not_supported, required, too_many
from timonel.api.types import discovery_v1

MAX_ENDPOINTS = 1000
MAX_ADDRESSES = 100
MAX_PORTS = 100
SHOWN = 3
PROTOCOLS = ("SCTP", "TCP", "UDP")
VERSIONS = {"IPv4": 4, "IPv6": 6}


def _shortened(words: list[str], none: str) -> str:
    if not words:
        return none
    more = f" + {len(words) - SHOWN} more..." if len(words) > SHOWN else ""
    return ",".join(words[:SHOWN]) + more


def _ports(slice_: discovery_v1.EndpointSlice) -> str:
    return _shortened([str(port.port) if port.port else "*" for port in slice_.ports], "<unset>")


def _endpoints(slice_: discovery_v1.EndpointSlice) -> str:
    return _shortened([address for endpoint in slice_.endpoints for address in endpoint.addresses], "<unset>")


@kind(discovery_v1.EndpointSlice, plural="endpointslices")
class EndpointSlices(Strategy[discovery_v1.EndpointSlice]):
    """Some of the addresses behind a service."""

    has_generation = True
    columns = [
        Column("AddressType", lambda slice_: slice_.addressType),
        Column("Ports", _ports),
        Column("Endpoints", _endpoints),
        age(),
    ]

    def counted(self, obj: discovery_v1.EndpointSlice) -> object:
        """All that it says."""
        return obj.endpoints, obj.ports, obj.addressType, obj.metadata.labels

    def default(self, obj: discovery_v1.EndpointSlice, old: discovery_v1.EndpointSlice | None) -> None:
        """Ports are TCP and unnamed; nothing is known of what is not said."""
        for port in obj.ports:
            port.name = port.name or ""
            if port.protocol is None:
                port.protocol = "TCP"

    def validate(self, obj: discovery_v1.EndpointSlice, old: discovery_v1.EndpointSlice | None) -> Iterator[FieldError]:
        """Addresses are of the slice's type, and not too many; port names differ."""
        yield from one_of(Path("addressType"), obj.addressType, ("FQDN", "IPv4", "IPv6"))
        path = Path("endpoints")
        if len(obj.endpoints) > MAX_ENDPOINTS:
            yield too_many(path, len(obj.endpoints), MAX_ENDPOINTS)
        for index, endpoint in enumerate(obj.endpoints):
            yield from _addresses(endpoint.addresses, obj.addressType, path.index(index).child("addresses"))
            yield from _place(endpoint, path.index(index))
        yield from _port_rules(obj.ports, Path("ports"))
        if old:
            yield from unchanged(obj, old, "addressType")


def _addresses(addresses: list[str], type_: str, path: Path) -> Iterator[FieldError]:
    if not addresses:
        yield required(path, "must contain at least 1 address")
    if len(addresses) > MAX_ADDRESSES:
        yield too_many(path, len(addresses), MAX_ADDRESSES)
    for index, address in enumerate(addresses):
        at = path.index(index)
        if type_ == "FQDN":
            yield from is_subdomain(at, address)
        elif type_ in VERSIONS:
            faults = list(is_destination(at, address))
            yield from faults
            if not faults and ipaddress.ip_address(address).version != VERSIONS[type_]:
                yield invalid(at, address, f"must be an {type_} address")


def _place(endpoint: discovery_v1.Endpoint, path: Path) -> Iterator[FieldError]:
    if endpoint.nodeName is not None:
        yield from is_subdomain(path.child("nodeName"), endpoint.nodeName)
    if endpoint.hostname is not None:
        yield from is_label(path.child("hostname"), endpoint.hostname)
    hints = endpoint.hints or discovery_v1.EndpointHints()
    places = {"forZones": [zone.name for zone in hints.forZones], "forNodes": [node.name for node in hints.forNodes]}
    for field, found in places.items():
        again = repeats(found)
        for index, name in enumerate(found):
            at = path.child("hints", field).index(index).child("name")
            if again[index]:
                yield duplicate(at, name)
            for fault in names.label_value(name) if field == "forZones" else names.subdomain(name):
                yield invalid(at, name, fault)


def _port_rules(ports: list[discovery_v1.EndpointPort], path: Path) -> Iterator[FieldError]:
    if len(ports) > MAX_PORTS:
        yield too_many(path, len(ports), MAX_PORTS)
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        name = port.name or ""
        if name in seen:
            yield duplicate(at.child("name"), name)
        seen.add(name)
        if name:
            yield from obeys(at.child("name"), name, names.label)
        if port.protocol not in PROTOCOLS:
            yield not_supported(at.child("protocol"), port.protocol, PROTOCOLS)
        if port.appProtocol is not None:
            yield from is_qualified(at.child("appProtocol"), port.appProtocol)
