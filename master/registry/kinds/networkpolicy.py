"""NetworkPolicies."""

from collections.abc import Iterator, Sequence

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.templates import selector_text
from master.registry.validation.addresses import NETWORK, network_of
from master.registry.validation.common import obeys
from master.registry.validation.placement import validate_selector
from timonel.api import names
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import networking_v1

SPEC = Path("spec")
INGRESS = "Ingress"
EGRESS = "Egress"
PROTOCOLS = ("TCP", "UDP", "SCTP")


@kind(networking_v1.NetworkPolicy, plural="networkpolicies", short=["netpol"])
class NetworkPolicies(Strategy[networking_v1.NetworkPolicy]):
    """Who may speak with the selected pods, and with whom they may."""

    has_generation = True
    columns = [
        Column("Pod-Selector", lambda policy: selector_text(policy.spec.podSelector) or "<none>"),
        age(),
    ]

    def default(self, obj: networking_v1.NetworkPolicy, old: networking_v1.NetworkPolicy | None) -> None:
        """About what comes in, and about what goes out if it says anything of that; ports are TCP."""
        spec = obj.spec
        for ports in (*(rule.ports for rule in spec.ingress), *(rule.ports for rule in spec.egress)):
            for port in ports:
                if port.protocol is None:
                    port.protocol = "TCP"
        if not spec.policyTypes:
            spec.policyTypes = [INGRESS, EGRESS] if spec.egress else [INGRESS]

    def validate(
        self, obj: networking_v1.NetworkPolicy, old: networking_v1.NetworkPolicy | None
    ) -> Iterator[FieldError]:
        """Peers and ports that can be told apart."""
        spec = obj.spec
        yield from validate_selector(spec.podSelector, SPEC.child("podSelector"))
        for index, entry in enumerate(spec.ingress):
            at = SPEC.child("ingress").index(index)
            yield from _ports(entry.ports, at.child("ports"))
            yield from _peers(entry.from_, at.child("from"))
        for index, exit_ in enumerate(spec.egress):
            at = SPEC.child("egress").index(index)
            yield from _ports(exit_.ports, at.child("ports"))
            yield from _peers(exit_.to, at.child("to"))
        at = SPEC.child("policyTypes")
        if len(spec.policyTypes) > 2:
            yield invalid(at, spec.policyTypes, "may not specify more than two policyTypes")
            return
        for index, type_ in enumerate(spec.policyTypes):
            if type_ not in (INGRESS, EGRESS):
                yield not_supported(at.index(index), type_, (INGRESS, EGRESS))


def _ports(ports: Sequence[networking_v1.NetworkPolicyPort], path: Path) -> Iterator[FieldError]:
    for index, port in enumerate(ports):
        at = path.index(index)
        if port.protocol not in PROTOCOLS:
            yield not_supported(at.child("protocol"), port.protocol, PROTOCOLS)
        number = port.port
        if number is not None:
            faults = names.port_number(number) if isinstance(number, int) else names.port_name(number)
            for fault in faults:
                yield invalid(at.child("port"), number, fault)
        if port.endPort is not None:
            yield from _end(port.endPort, number, at.child("endPort"))


def _end(end: int, start: int | str | None, path: Path) -> Iterator[FieldError]:
    if start is None:
        yield invalid(path, end, "may not be specified when `port` is not specified")
    elif isinstance(start, str):
        yield invalid(path, end, "may not be specified when `port` is non-numeric")
    else:
        if end < start:
            yield invalid(path, start, "must be greater than or equal to `port`")
        yield from obeys(path, end, names.port_number)


def _peers(peers: Sequence[networking_v1.NetworkPolicyPeer], path: Path) -> Iterator[FieldError]:
    for index, peer in enumerate(peers):
        at = path.index(index)
        for field in ("podSelector", "namespaceSelector"):
            selector = getattr(peer, field)
            if selector is not None:
                yield from validate_selector(selector, at.child(field))
        if peer.ipBlock is not None:
            if peer.podSelector is not None or peer.namespaceSelector is not None:
                yield forbidden(at, "may not specify both ipBlock and another peer")
            yield from _block(peer.ipBlock, at.child("ipBlock"))
        elif peer.podSelector is None and peer.namespaceSelector is None:
            yield required(at, "must specify a peer")


def _block(block: networking_v1.IPBlock, path: Path) -> Iterator[FieldError]:
    if not block.cidr:
        yield required(path.child("cidr"))
        return
    network = network_of(block.cidr)
    if network is None:
        yield invalid(path.child("cidr"), block.cidr, NETWORK)
        return
    for index, text in enumerate(block.except_):
        at = path.child("except").index(index)
        part = network_of(text)
        if part is None:
            yield invalid(at, text, NETWORK)
        elif part.version != network.version or part == network or not part.subnet_of(network):  # type: ignore[arg-type]
            yield invalid(at, text, "must be a strict subset of `cidr`")
