"""What nodes may write, beyond what the node rule says by names alone; and how new nodes begin."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.authz.node import node_name
from master.registry.base import Verb
from timonel.api.types import coordination_v1, core_v1

NOT_READY = "node.kubernetes.io/not-ready"
NODE_LABELS = ("kubernetes.io", "k8s.io")
OWN_LABELS = (
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
)
OWN_PREFIXES = ("kubelet.kubernetes.io/", "node.kubernetes.io/")


class TaintNodesByCondition(Plugin):
    """A new node is not ready, whatever its status says, until the node controller has seen it."""

    order: ClassVar[int] = 60
    kinds = frozenset({core_v1.Node})

    async def mutate(self, attributes: Attributes) -> None:
        """Add the taint."""
        taints: list[core_v1.Taint] = attributes.object.spec.taints
        if not any(taint.key == NOT_READY for taint in taints):
            taints.append(core_v1.Taint(key=NOT_READY, effect="NoSchedule"))


class NodeRestriction(Plugin):
    """A node makes only itself, gives itself no labels that make it wanted, leaves taints and others' pods alone."""

    order: ClassVar[int] = 20
    operations = frozenset({Verb.CREATE, Verb.UPDATE, Verb.DELETE})
    kinds = frozenset({core_v1.Node, core_v1.Pod, coordination_v1.Lease})

    def sees(self, attributes: Attributes) -> bool:
        """Writes of nodes, their subresources too."""
        return bool(node_name(attributes.call.user)) and self._sees_kind(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Judge what the write leaves."""
        if attributes.call.resource.struct is core_v1.Pod:
            self._pod(attributes)
            return
        node = node_name(attributes.call.user)
        if attributes.old is None and attributes.object.metadata.name != node:
            raise attributes.forbidden(f'node "{node}" may only create objects named after itself')
        if attributes.call.resource.struct is core_v1.Node and attributes.object is not None:
            self._node(attributes)

    def _pod(self, attributes: Attributes) -> None:
        node = node_name(attributes.call.user)
        new, old = attributes.object, attributes.old
        if attributes.call.subresource == "eviction":
            new, old = None, attributes.reader.cached(core_v1.Pod, attributes.call.namespace, attributes.call.name)
        if old is None:
            raise attributes.forbidden(f'node "{node}" may not create pods')
        if old.spec.nodeName != node or (new is not None and new.spec.nodeName != node):
            raise attributes.forbidden(f'node "{node}" can only change pods with spec.nodeName set to itself')
        if new is not None and new.metadata.labels != old.metadata.labels:
            raise attributes.forbidden(f'node "{node}" cannot update labels through pod status')

    def _node(self, attributes: Attributes) -> None:
        node = node_name(attributes.call.user)
        new: core_v1.Node = attributes.object
        old: core_v1.Node | None = attributes.old
        before = old.metadata.labels if old else {}
        changed = {
            key
            for key in new.metadata.labels.keys() | before.keys()
            if new.metadata.labels.get(key) != before.get(key) and not _is_own(key)
        }
        if changed:
            listed = ", ".join(sorted(changed))
            raise attributes.forbidden(f'node "{node}" is not allowed to modify labels: {listed}')
        if old and new.spec.taints != old.spec.taints:
            raise attributes.forbidden(f'node "{node}" is not allowed to modify taints')


def _is_own(label: str) -> bool:
    """Whether a node may set the label on itself: all but the ones reserved for who looks after it."""
    domain = label.partition("/")[0] if "/" in label else ""
    reserved = any(domain == name or domain.endswith(f".{name}") for name in NODE_LABELS)
    return not reserved or label in OWN_LABELS or label.startswith(OWN_PREFIXES)
