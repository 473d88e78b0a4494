"""Every node has a range of pod addresses of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Patch, Tell
from master.controllers.controller import Key, Wake, controller
from master.controllers.view import View
from timonel.api.types import core_v1

NODE_PREFIX = 24


def _first(node: core_v1.Node, view: View) -> Iterator[Key]:
    """All nodes are looked at under the first one's key: two at a time could be given the same range."""
    yield from (Key(core_v1.Node, "", other.metadata.name or "") for other in view.list(core_v1.Node)[:1])


@controller(core_v1.Node, wakes_on=[Wake(core_v1.Node, _first)])
def node_ipam(node: core_v1.Node, view: View, now: datetime) -> Iterator[Action]:
    """Give each node that has none the lowest range that is free."""
    nodes = view.list(core_v1.Node)
    if node.metadata.name != nodes[0].metadata.name:
        return
    taken = {other.spec.podCIDR for other in nodes if other.spec.podCIDR}
    free = (str(cidr) for cidr in view.cluster_cidr.subnets(new_prefix=NODE_PREFIX) if str(cidr) not in taken)
    for other in nodes:
        if other.spec.podCIDR:
            continue
        cidr = next(free, None)
        if cidr is None:
            yield Tell(other, "CIDRNotAvailable", f"No range of pod addresses is left in {view.cluster_cidr}", "Warning")
            return
        yield Patch(other, {"metadata": {"uid": other.metadata.uid}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})
