"""Every node has a range of pod addresses of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Patch, Tell
from master.controllers.controller import Key, Wake, controller
from master.controllers.view import View
from timonel.api.types import core_v1

NODE_PREFIX = 24
CLUSTER = Key(core_v1.Namespace, "", "kube-system")
"""All nodes are looked at under one key, which stands for the cluster: two at a time could be given the same range."""


def _cluster(node: core_v1.Node, view: View) -> Iterator[Key]:
    if not node.spec.podCIDR:
        yield CLUSTER


@controller(core_v1.Namespace, wakes_on=[Wake(core_v1.Node, _cluster)], account="node-controller")
def node_ipam(ns: core_v1.Namespace, view: View, now: datetime) -> Iterator[Action]:
    """Give each node that has none the lowest range that is free."""
    if ns.metadata.name != CLUSTER.name:
        return
    nodes = view.list(core_v1.Node)
    taken = {node.spec.podCIDR for node in nodes if node.spec.podCIDR}
    ranges = (str(cidr) for cidr in view.cluster_cidr.subnets(new_prefix=NODE_PREFIX))
    free = (cidr for cidr in ranges if cidr not in taken)
    for node in nodes:
        if node.spec.podCIDR:
            continue
        cidr = next(free, None)
        if cidr is None:
            yield Tell(node, "CIDRNotAvailable", f"No pod addresses are left in {view.cluster_cidr}", "Warning")
            return
        yield Patch(node, {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})
