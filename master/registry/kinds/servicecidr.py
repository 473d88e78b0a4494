"""ServiceCIDRs."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import StatusAlone
from master.registry.validation.addresses import is_canonical_network, network_of
from master.registry.validation.common import IMMUTABLE
from timonel.api.fields import FieldError, Path, invalid, required
from timonel.api.types import networking_v1

SPEC = Path("spec")
MOST = 2


@kind(networking_v1.ServiceCIDR, plural="servicecidrs", namespaced=False)
class ServiceCIDRs(Strategy[networking_v1.ServiceCIDR]):
    """Networks for the addresses of services."""

    columns = [Column("CIDRs", lambda cidr: ",".join(cidr.spec.cidrs)), age()]
    subresources = [StatusAlone()]

    def prepare_create(self, obj: networking_v1.ServiceCIDR, call: object) -> None:
        """Nobody uses it yet."""
        obj.status = networking_v1.ServiceCIDRStatus()

    def validate(self, obj: networking_v1.ServiceCIDR, old: networking_v1.ServiceCIDR | None) -> Iterator[FieldError]:
        """One network, or one of each family; they stay, but that another may come to one."""
        cidrs, path = obj.spec.cidrs, SPEC.child("cidrs")
        before = old.spec.cidrs if old else []
        for index, (text, was) in enumerate(zip(cidrs, before, strict=False)):
            if text != was:
                yield invalid(path.index(index), text, IMMUTABLE)
        if len(cidrs) < len(before) or len(cidrs) > len(before) == MOST:
            yield invalid(path, cidrs, IMMUTABLE)
        if len(cidrs) > len(before):
            yield from _networks(cidrs, path)
        elif not old:
            yield required(path, "at least one CIDR required")


def _networks(cidrs: list[str], path: Path) -> Iterator[FieldError]:
    if len(cidrs) > MOST:
        yield invalid(path, cidrs, "may only hold up to 2 values")
    versions = [network.version for network in map(network_of, cidrs) if network]
    if len(cidrs) == MOST and len(versions) == MOST and len(set(versions)) < MOST:
        yield invalid(
            path, cidrs, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        )
    for index, text in enumerate(cidrs):
        yield from is_canonical_network(path.index(index), text)
