"""Services: their addresses and node ports are claimed in the transaction that writes them."""

import secrets
from collections.abc import Collection, Iterator, Mapping

from master.registry.columns import Column, age
from master.registry.objects import Call
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status, proxy
from master.registry.templates import labels_text
from master.registry.validation.service import NETWORK, NODE_PORTS, validate_service, validate_service_update
from timonel.api import names
from timonel.api.errors import InternalError
from timonel.api.fields import FieldError, Path, forbidden, invalid
from timonel.api.types import core_v1

CLUSTER_IP = "ClusterIP"
NODE_PORT = "NodePort"
LOAD_BALANCER = "LoadBalancer"
EXTERNAL_NAME = "ExternalName"
WITH_NODE_PORTS = (NODE_PORT, LOAD_BALANCER)
HEADLESS = "None"
AFFINITY_SECONDS = 10800

IP_CLAIM = "/registry/claims/clusterips/"
PORT_CLAIM = "/registry/claims/nodeports/"


@kind(core_v1.Service, plural="services", short=["svc"], categories=["all"], shows_deleted=True)
class Services(Strategy[core_v1.Service]):
    """A name and an address for what pods serve."""

    create_on_update = True
    columns = [
        Column("Type", lambda service: service.spec.type),
        Column("Cluster-IP", lambda service: service.spec.clusterIP or "<none>"),
        Column("External-IP", lambda service: _external(service)),
        Column("Port(s)", lambda service: _ports(service)),
        age(),
        Column("Selector", lambda service: labels_text(service.spec.selector), priority=1),
    ]
    selectable = {
        "spec.clusterIP": lambda service: service.spec.clusterIP,
        "spec.type": lambda service: service.spec.type or "",
    }
    subresources = [Status(), proxy("ServiceProxyOptions")]
    validate_name = staticmethod(names.label_1035)

    def default(self, obj: core_v1.Service, old: core_v1.Service | None) -> None:
        """A ClusterIP service over TCP, for all within the cluster."""
        spec = obj.spec
        spec.type = spec.type or CLUSTER_IP
        spec.sessionAffinity = spec.sessionAffinity or "None"
        client = spec.sessionAffinityConfig.clientIP if spec.sessionAffinityConfig else None
        if spec.sessionAffinity == "None":
            spec.sessionAffinityConfig = None
        elif spec.sessionAffinity == "ClientIP" and (client is None or client.timeoutSeconds is None):
            client = core_v1.ClientIPConfig(timeoutSeconds=AFFINITY_SECONDS)
            spec.sessionAffinityConfig = core_v1.SessionAffinityConfig(clientIP=client)
        for port in spec.ports:
            port.protocol = port.protocol or "TCP"
            if port.targetPort in (None, 0, ""):
                port.targetPort = port.port
        if spec.type == EXTERNAL_NAME:
            return
        spec.internalTrafficPolicy = "Cluster" if spec.internalTrafficPolicy is None else spec.internalTrafficPolicy
        if spec.type in WITH_NODE_PORTS or spec.externalIPs:
            spec.externalTrafficPolicy = spec.externalTrafficPolicy or "Cluster"
        if spec.type == LOAD_BALANCER and spec.allocateLoadBalancerNodePorts is None:
            spec.allocateLoadBalancerNodePorts = True

    def prepare_create(self, obj: core_v1.Service, call: Call) -> None:
        """Nothing is balanced yet."""
        _complete_addresses(obj.spec)
        obj.status = core_v1.ServiceStatus()

    def prepare_update(self, new: core_v1.Service, old: core_v1.Service, call: Call) -> None:
        """Addresses and ports stay; a change of type leaves nothing behind that the new one does not have."""
        _keep_addresses(new.spec, old.spec)
        _complete_addresses(new.spec)
        _drop_what_the_type_has_not(new.spec, old.spec)

    def validate(self, obj: core_v1.Service, old: core_v1.Service | None) -> Iterator[FieldError]:
        """See `validation.service`."""
        yield from validate_service(obj)
        if old:
            yield from validate_service_update(obj, old)

    def prepare_status(self, new: core_v1.Service, old: core_v1.Service, call: Call) -> None:
        """A balancer's address is a virtual one unless it is said to be a proxy's."""
        for ingress in new.status.loadBalancer.ingress if new.spec.type == LOAD_BALANCER else ():
            if ingress.ip and ingress.ipMode is None:
                ingress.ipMode = "VIP"

    def validate_status(self, new: core_v1.Service, old: core_v1.Service) -> Iterator[FieldError]:
        """Only balanced services have points of ingress."""
        if new.status.loadBalancer.ingress and new.spec.type != LOAD_BALANCER and new.status != old.status:
            why = "may only be used when `spec.type` is 'LoadBalancer'"
            yield forbidden(Path("status.loadBalancer.ingress"), why)

    def warnings(self, obj: core_v1.Service, old: core_v1.Service | None) -> Iterator[str]:
        """What has no effect."""
        if obj.spec.clusterIP == HEADLESS and obj.spec.sessionAffinity == "ClientIP":
            yield "spec.SessionAffinity is ignored for headless services"
        if obj.spec.clusterIP == HEADLESS and obj.spec.externalIPs:
            yield "spec.externalIPs is ignored for headless services"

    def claims(self, obj: core_v1.Service) -> Mapping[str, str]:
        """Its address and its node ports."""
        spec = obj.spec
        if spec.type == EXTERNAL_NAME:
            return {}
        claimed = {f"{IP_CLAIM}{address}": "spec.clusterIPs" for address in spec.clusterIPs if address != HEADLESS}
        if spec.type in WITH_NODE_PORTS:
            for index, port in enumerate(spec.ports):
                if port.nodePort:
                    claimed.setdefault(f"{PORT_CLAIM}{port.nodePort}", f"spec.ports[{index}].nodePort")
        if spec.healthCheckNodePort:
            claimed.setdefault(f"{PORT_CLAIM}{spec.healthCheckNodePort}", "spec.healthCheckNodePort")
        return claimed

    def allocate(self, obj: core_v1.Service, old: core_v1.Service | None, taken: Collection[str]) -> None:
        """An address, and node ports where the type has them."""
        spec = obj.spec
        if spec.type == EXTERNAL_NAME:
            return
        if not spec.clusterIPs and not spec.clusterIP:
            spec.clusterIP = _free_address(taken)
            spec.clusterIPs = [spec.clusterIP]
        if spec.type == NODE_PORT or (spec.type == LOAD_BALANCER and spec.allocateLoadBalancerNodePorts):
            _allocate_ports(spec, taken)
        if spec.type == LOAD_BALANCER and spec.externalTrafficPolicy == "Local" and not spec.healthCheckNodePort:
            spec.healthCheckNodePort = _free_port({port.nodePort for port in spec.ports}, taken)

    def claim_refused(self, obj: core_v1.Service, key: str) -> FieldError:
        """The value is in use."""
        value = key.rpartition("/")[2]
        if key.startswith(IP_CLAIM):
            why = f"failed to allocate IP {value}: provided IP is already allocated"
            return invalid(Path("spec.clusterIPs"), list(obj.spec.clusterIPs), why)
        return invalid(Path(self.claims(obj)[key]), int(value), "provided port is already allocated")


def _free_address(taken: Collection[str]) -> str:
    """An address that nobody is known to have; at random, so that racers rarely meet. The first is the API's own."""
    usable = NETWORK.num_addresses - 2
    begin = secrets.randbelow(usable - 1) + 1
    for step in range(usable - 1):
        address = str(NETWORK[2 + (begin + step) % (usable - 1)])
        if f"{IP_CLAIM}{address}" not in taken:
            return address
    raise InternalError("failed to allocate a serviceIP: range is full")


def _allocate_ports(spec: core_v1.ServiceSpec, taken: Collection[str]) -> None:
    """Node ports for those that have none; one number serves a port over TCP and over UDP."""
    shared: dict[int, tuple[int, set[str | None]]] = {}
    for port in spec.ports:
        if not port.nodePort:
            number, protocols = shared.get(port.port, (0, set()))
            port.nodePort = (
                number
                if number and port.protocol not in protocols
                else _free_port({port.nodePort for port in spec.ports}, taken)
            )
        number, protocols = shared.setdefault(port.port, (port.nodePort, set()))
        protocols.add(port.protocol)


def _free_port(mine: Collection[int | None], taken: Collection[str]) -> int:
    begin = secrets.randbelow(len(NODE_PORTS))
    for step in range(len(NODE_PORTS)):
        number = NODE_PORTS[(begin + step) % len(NODE_PORTS)]
        if number not in mine and f"{PORT_CLAIM}{number}" not in taken:
            return number
    raise InternalError("failed to allocate a nodePort: range is full")


def _keep_addresses(spec: core_v1.ServiceSpec, old: core_v1.ServiceSpec) -> None:
    """An update that leaves the address or node ports out keeps them."""
    if old.type == EXTERNAL_NAME or spec.type == EXTERNAL_NAME:
        return
    if not spec.clusterIP and not spec.clusterIPs:
        spec.clusterIP, spec.clusterIPs = old.clusterIP, list(old.clusterIPs)
    if not spec.ipFamilies:
        spec.ipFamilies, spec.ipFamilyPolicy = list(old.ipFamilies), spec.ipFamilyPolicy or old.ipFamilyPolicy
    if spec.type in WITH_NODE_PORTS and old.type in WITH_NODE_PORTS:
        known = {(port.port, port.protocol): port.nodePort for port in old.ports}
        used = {port.nodePort for port in spec.ports if port.nodePort}
        for port in spec.ports:
            kept = known.get((port.port, port.protocol))
            if not port.nodePort and kept and kept not in used:
                port.nodePort = kept


def _complete_addresses(spec: core_v1.ServiceSpec) -> None:
    """What the service's addresses say of each other."""
    if spec.type == EXTERNAL_NAME:
        return
    # Whoever writes the endpoints of a service by hand may do so in either family.
    both = HEADLESS in (spec.clusterIP, *spec.clusterIPs) and not spec.selector and not spec.ipFamilies
    if spec.ipFamilyPolicy is None:
        spec.ipFamilyPolicy = "RequireDualStack" if both else "SingleStack"
    spec.ipFamilies = spec.ipFamilies or (["IPv4", "IPv6"] if both else ["IPv4"])
    if spec.clusterIP and not spec.clusterIPs:
        spec.clusterIPs = [spec.clusterIP]
    elif spec.clusterIPs and not spec.clusterIP:
        spec.clusterIP = spec.clusterIPs[0]


def _drop_what_the_type_has_not(spec: core_v1.ServiceSpec, old: core_v1.ServiceSpec) -> None:
    if spec.type == EXTERNAL_NAME and old.type != EXTERNAL_NAME and spec.clusterIPs == old.clusterIPs:
        spec.clusterIP, spec.clusterIPs, spec.ipFamilies, spec.ipFamilyPolicy = "", [], [], None
        spec.internalTrafficPolicy = None
    has_check = spec.type == LOAD_BALANCER and spec.externalTrafficPolicy == "Local"
    if not has_check and spec.healthCheckNodePort == old.healthCheckNodePort:
        spec.healthCheckNodePort = 0
    if spec.type not in WITH_NODE_PORTS and old.type in WITH_NODE_PORTS:
        before = {(port.port, port.protocol): port.nodePort for port in old.ports}
        for port in spec.ports:
            if port.nodePort == before.get((port.port, port.protocol)):
                port.nodePort = 0
        if spec.externalTrafficPolicy == old.externalTrafficPolicy and not spec.externalIPs:
            spec.externalTrafficPolicy = ""
    if spec.type != LOAD_BALANCER:
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if getattr(spec, field) == getattr(old, field):
                setattr(spec, field, None)


def _external(service: core_v1.Service) -> str:
    """Where it can be reached from outside."""
    spec = service.spec
    if spec.type == EXTERNAL_NAME:
        return spec.externalName or "<none>"
    ingress = service.status.loadBalancer.ingress
    found = [point.ip or point.hostname or "" for point in ingress] if spec.type == LOAD_BALANCER else []
    found += spec.externalIPs
    return ",".join(found) or ("<pending>" if spec.type == LOAD_BALANCER else "<none>")


def _ports(service: core_v1.Service) -> str:
    shown = [
        f"{port.port}:{port.nodePort}/{port.protocol}" if port.nodePort else f"{port.port}/{port.protocol}"
        for port in service.spec.ports
    ]
    return ",".join(shown) or "<none>"
