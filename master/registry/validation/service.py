"""The rules of services (Kubernetes' apis/core/validation)."""

import ipaddress
from collections.abc import Iterator

from master.registry.validation.addresses import NETWORK as CIDR
from master.registry.validation.addresses import is_destination, network_of
from master.registry.validation.common import is_label, is_qualified, is_subdomain, obeys, one_of, repeats
from master.registry.validation.handlers import port_reference
from master.registry.validation.meta import validate_labels
from master.registry.validation.podspec import is_address
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_supported, required
from timonel.api.types import core_v1

SPEC = Path("spec")
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
NODE_PORTS = range(30000, 32768)
NETWORK = ipaddress.IPv4Network("10.96.0.0/16")
FAMILIES = ("IPv4", "IPv6")
LONGEST_AFFINITY = 86400


def validate_service(service: core_v1.Service) -> Iterator[FieldError]:
    """A service by itself."""
    spec = service.spec
    yield from one_of(SPEC.child("type"), spec.type, TYPES)
    yield from one_of(SPEC.child("sessionAffinity"), spec.sessionAffinity, ("ClientIP", "None"))
    yield from _affinity(spec)
    headless = spec.clusterIP == "None"
    if not spec.ports and not headless and spec.type != "ExternalName":
        yield required(SPEC.child("ports"))
    yield from _ports(spec)
    if spec.selector:
        yield from validate_labels(spec.selector, SPEC.child("selector"))
    yield from _of_type(spec)
    yield from _addresses(spec)
    for index, address in enumerate(spec.externalIPs):
        yield from is_destination(SPEC.child("externalIPs").index(index), address)


def _affinity(spec: core_v1.ServiceSpec) -> Iterator[FieldError]:
    config = spec.sessionAffinityConfig
    path = SPEC.child("sessionAffinityConfig")
    if spec.sessionAffinity == "None" and config and config.clientIP:
        yield forbidden(path, "must not be set when session affinity is None")
    elif config and config.clientIP and config.clientIP.timeoutSeconds is not None:
        seconds = config.clientIP.timeoutSeconds
        if not 0 < seconds <= LONGEST_AFFINITY:
            why = f"must be greater than 0 and less than {LONGEST_AFFINITY}"
            yield invalid(path.child("clientIP", "timeoutSeconds"), seconds, why)


def _ports(spec: core_v1.ServiceSpec) -> Iterator[FieldError]:
    seen: set[tuple[int, str | None]] = set()
    named: set[str] = set()
    node_ports: set[tuple[int, str | None]] = set()
    for index, port in enumerate(spec.ports):
        at = SPEC.child("ports").index(index)
        if len(spec.ports) > 1 and not port.name:
            yield required(at.child("name"))
        elif port.name:
            yield from is_label(at.child("name"), port.name)
            if port.name in named:
                yield duplicate(at.child("name"), port.name)
            named.add(port.name)
        yield from obeys(at.child("port"), port.port, names.port_number)
        yield from one_of(at.child("protocol"), port.protocol, ("SCTP", "TCP", "UDP"))
        if port.targetPort is not None:
            yield from port_reference(port.targetPort, at.child("targetPort"))
        if port.appProtocol is not None:
            yield from is_qualified(at.child("appProtocol"), port.appProtocol)
        if port.nodePort:
            yield from _node_port(spec, port, node_ports, at.child("nodePort"))
        pair = (port.port, port.protocol)
        if pair in seen:
            shown = {"Name": "", "Protocol": port.protocol, "AppProtocol": None, "Port": port.port}
            yield duplicate(at, shown | {"TargetPort": 0, "NodePort": 0})
        seen.add(pair)


def _node_port(
    spec: core_v1.ServiceSpec, port: core_v1.ServicePort, seen: set[tuple[int, str | None]], path: Path
) -> Iterator[FieldError]:
    number = port.nodePort
    if spec.type in ("ClusterIP", "ExternalName"):
        yield forbidden(path, f"may not be used when `type` is '{spec.type}'")
    elif number not in NODE_PORTS:
        why = f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
        yield invalid(path, number, why)
    if (number, port.protocol) in seen:
        yield duplicate(path, number)
    seen.add((number, port.protocol))


def _of_type(spec: core_v1.ServiceSpec) -> Iterator[FieldError]:
    """What a type asks for or does not have."""
    if spec.type == "ExternalName":
        if spec.clusterIPs or spec.clusterIP not in ("", "None"):
            yield forbidden(SPEC.child("clusterIPs"), "may not be set when `type` is 'ExternalName'")
        if not spec.externalName:
            yield required(SPEC.child("externalName"))
        else:
            yield from is_subdomain(SPEC.child("externalName"), spec.externalName.removesuffix("."))
    elif spec.type != "ClusterIP" and spec.clusterIP == "None":
        yield invalid(SPEC.child("clusterIPs").index(0), "None", f"may not be set to 'None' for {spec.type} services")
    if spec.type != "LoadBalancer":
        why = "may only be used when `type` is 'LoadBalancer'"
        if spec.loadBalancerSourceRanges:
            yield forbidden(SPEC.child("LoadBalancerSourceRanges"), why)
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if getattr(spec, field) is not None:
                yield forbidden(SPEC.child(field), why)
    elif spec.loadBalancerClass is not None:
        yield from is_qualified(SPEC.child("loadBalancerClass"), spec.loadBalancerClass)
    for index, text in enumerate(spec.loadBalancerSourceRanges):
        if network_of(text.strip()) is None:
            yield invalid(SPEC.child("LoadBalancerSourceRanges").index(index), text, CIDR)
    if spec.trafficDistribution is not None and spec.trafficDistribution not in DISTRIBUTIONS:
        yield not_supported(SPEC.child("trafficDistribution"), spec.trafficDistribution, DISTRIBUTIONS)
    external = spec.type in ("NodePort", "LoadBalancer") or bool(spec.externalIPs)
    if spec.externalTrafficPolicy and not external:
        why = "may only be set for externally-accessible services"
        yield invalid(SPEC.child("externalTrafficPolicy"), spec.externalTrafficPolicy, why)
    policies = ("Cluster", "Local")
    yield from one_of(SPEC.child("externalTrafficPolicy"), spec.externalTrafficPolicy or None, policies, optional=True)
    yield from one_of(SPEC.child("internalTrafficPolicy"), spec.internalTrafficPolicy, policies, optional=True)


def _addresses(spec: core_v1.ServiceSpec) -> Iterator[FieldError]:
    path = SPEC.child("clusterIPs")
    if spec.type == "ExternalName":
        return
    if spec.clusterIPs and spec.clusterIP != spec.clusterIPs[0]:
        yield invalid(path, spec.clusterIPs, "first value must match `clusterIP`")
    families = ("PreferDualStack", "RequireDualStack", "SingleStack")
    yield from one_of(SPEC.child("ipFamilyPolicy"), spec.ipFamilyPolicy, families, optional=True)
    by_hand = spec.clusterIP == "None" and not spec.selector
    if spec.ipFamilyPolicy == "RequireDualStack" and not by_hand:
        yield invalid(
            SPEC.child("ipFamilyPolicy"), spec.ipFamilyPolicy, "this cluster is not configured for dual-stack services"
        )
    again = repeats(spec.ipFamilies)
    for index, family in enumerate(spec.ipFamilies):
        if family not in FAMILIES:
            yield not_supported(SPEC.child("ipFamilies").index(index), family, FAMILIES)
        elif again[index]:
            yield duplicate(SPEC.child("ipFamilies").index(index), family)
        elif family != "IPv4" and not by_hand:
            at = SPEC.child("ipFamilies").index(index)
            yield invalid(at, family, "not configured on this cluster")
    for index, address in enumerate(spec.clusterIPs):
        at = path.index(index)
        if address == "None":
            continue
        faults = list(is_address(address, at))
        yield from faults
        if not faults and ipaddress.ip_address(address) not in NETWORK:
            why = f"failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. "
            yield invalid(path, spec.clusterIPs, f"{why}The range of valid IPs is {NETWORK}")


def validate_service_update(new: core_v1.Service, old: core_v1.Service) -> Iterator[FieldError]:
    """The address of a service that keeps having one stays."""
    theirs, ours = new.spec, old.spec
    kept = theirs.type != "ExternalName" and ours.type != "ExternalName"
    if kept and ours.clusterIPs and theirs.clusterIPs[:1] != ours.clusterIPs[:1]:
        why = "may not change once set"
        yield invalid(SPEC.child("clusterIPs").index(0), theirs.clusterIPs, why)
