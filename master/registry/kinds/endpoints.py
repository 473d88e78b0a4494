"""Endpoints: the older form of EndpointSlices, which some clients still read."""

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
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
    columns = [Column("Endpoints", _addresses), age()]

    def default(self, obj: core_v1.Endpoints, old: core_v1.Endpoints | None) -> None:
        """Ports are TCP."""
        for subset in obj.subsets:
            for port in subset.ports:
                port.protocol = port.protocol or "TCP"
