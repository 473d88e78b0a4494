"""Nodes."""

import ipaddress
from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.objects import Call
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status, proxy
from master.registry.validation.common import obeys, one_of
from master.registry.validation.placement import EFFECTS
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, required
from timonel.api.types import core_v1

SPEC = Path("spec")
ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def _status(node: core_v1.Node) -> str:
    ready = next((condition for condition in node.status.conditions if condition.type == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"]
    if node.spec.unschedulable:
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: core_v1.Node) -> str:
    labels = node.metadata.labels
    roles = {label.removeprefix(ROLE_PREFIX) for label in labels if label.startswith(ROLE_PREFIX)}
    roles.add(labels.get(ROLE_LABEL, ""))
    return ",".join(sorted(roles - {""})) or "<none>"


def _address(node: core_v1.Node, kind_of: str) -> str:
    return next((address.address for address in node.status.addresses if address.type == kind_of), "<none>")


@kind(core_v1.Node, plural="nodes", short=["no"], namespaced=False)
class Nodes(Strategy[core_v1.Node]):
    """Machines that run pods."""

    columns = [
        Column("Status", _status),
        Column("Roles", _roles),
        age(),
        Column("Version", lambda node: node.status.nodeInfo.kubeletVersion),
        Column("Internal-IP", lambda node: _address(node, "InternalIP"), priority=1),
        Column("External-IP", lambda node: _address(node, "ExternalIP"), priority=1),
        Column("OS-Image", lambda node: node.status.nodeInfo.osImage or "<unknown>", priority=1),
        Column("Kernel-Version", lambda node: node.status.nodeInfo.kernelVersion or "<unknown>", priority=1),
        Column(
            "Container-Runtime", lambda node: node.status.nodeInfo.containerRuntimeVersion or "<unknown>", priority=1
        ),
    ]
    selectable = {"spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false"}
    subresources = [Status(), proxy("NodeProxyOptions")]

    def prepare_update(self, new: core_v1.Node, old: core_v1.Node, call: Call) -> None:
        """A pod network is given once; leaving it out keeps it."""
        if not new.spec.podCIDR and not new.spec.podCIDRs:
            new.spec.podCIDR, new.spec.podCIDRs = old.spec.podCIDR, list(old.spec.podCIDRs)

    def default(self, obj: core_v1.Node, old: core_v1.Node | None) -> None:
        """The first pod network stands in both fields."""
        if obj.spec.podCIDR:
            obj.spec.podCIDRs = [obj.spec.podCIDR, *obj.spec.podCIDRs[1:]]
        elif obj.spec.podCIDRs and not obj.spec.podCIDR:
            obj.spec.podCIDR = obj.spec.podCIDRs[0]
        if old is None:
            _default_allocatable(obj)

    def prepare_status(self, new: core_v1.Node, old: core_v1.Node, call: Call) -> None:
        """What is allocatable is the capacity unless told otherwise."""
        _default_allocatable(new)

    def validate(self, obj: core_v1.Node, old: core_v1.Node | None) -> Iterator[FieldError]:
        """Taints are well formed and not given twice; networks are networks and stay."""
        yield from _taints(obj.spec.taints, Path("metadata.taints"))
        for index, cidr in enumerate(obj.spec.podCIDRs):
            yield from is_network(cidr, SPEC.child("podCIDRs").index(index))
        families = [":" in cidr for cidr in obj.spec.podCIDRs]
        if len(set(families)) < len(families):
            why = "may specify no more than one CIDR for each IP family"
            yield invalid(SPEC.child("podCIDRs"), obj.spec.podCIDRs, why)
        if old and old.spec.podCIDRs and obj.spec.podCIDRs != old.spec.podCIDRs:
            why = 'node updates may not change podCIDR except from "" to valid'
            yield forbidden(SPEC.child("podCIDRs"), why)
        if old and old.spec.providerID and obj.spec.providerID != old.spec.providerID:
            why = 'node updates may not change providerID except from "" to valid'
            yield forbidden(SPEC.child("providerID"), why)


def _default_allocatable(node: core_v1.Node) -> None:
    if node.status.capacity and not node.status.allocatable:
        node.status.allocatable = dict(node.status.capacity)


def _taints(taints: list[core_v1.Taint], path: Path) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        at = path.index(index)
        yield from obeys(at.child("key"), taint.key, names.qualified)
        for fault in names.label_value(taint.value or ""):
            yield invalid(at.child("value"), taint.value, fault)
        if not taint.effect:
            yield required(at.child("effect"))
        else:
            yield from one_of(at.child("effect"), taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            shown = {"Key": taint.key, "Value": taint.value or "", "Effect": taint.effect, "TimeAdded": taint.timeAdded}
            yield duplicate(at, shown, "taints must be unique by key and effect pair")
        seen.add((taint.key, taint.effect))


def is_network(text: str, path: Path) -> Iterator[FieldError]:
    """The text is a network in CIDR notation."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        yield invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
