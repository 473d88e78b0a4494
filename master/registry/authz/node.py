"""The node rule: a node sees and changes itself, the pods bound to it, and what these use. All else needs a role.

Source: Kubernetes' node authorizer. Here the answer is read from the caches: a pod's own references say what it uses.
"""

from collections.abc import Iterator
from typing import Any

from master.registry.authz.base import ALLOW, NO_OPINION, Attributes, Decision, Rules, Verdict
from master.registry.base import User
from master.registry.objects import Reader
from timonel.api.types import coordination_v1, core_v1

NODES = "system:nodes"
PREFIX = "system:node:"
LEASES = "kube-node-lease"
READ = frozenset({"get", "list", "watch"})
USED_BY_PODS = (core_v1.ConfigMap, core_v1.Secret)


def node_name(user: User) -> str:
    """The node that the user is; empty for everybody else."""
    return user.name.removeprefix(PREFIX) if user.name.startswith(PREFIX) and NODES in user.groups else ""


class NodeRule:
    """Judges nodes; has no opinion on others."""

    def __init__(self) -> None:
        self._reader: Reader | None = None

    def use(self, reader: Reader) -> None:
        """Judge by these objects."""
        self._reader = reader

    def authorize(self, asked: Attributes) -> Verdict:
        """Allow what is the node's business."""
        node = node_name(asked.user)
        if not node or asked.resource is None or self._reader is None:
            return NO_OPINION
        if self._allowed(node, asked, self._reader):
            return ALLOW
        return Verdict(Decision.NO_OPINION, f"node '{node}' may not do this: it is not about itself or its own pods")

    def rules_for(self, user: User, namespace: str) -> Rules:
        """None: what a node may do depends on its pods."""
        return Rules(problems=("node authorizer does not support user rule resolution",) if node_name(user) else ())

    def _allowed(self, node: str, asked: Attributes, reader: Reader) -> bool:
        struct = asked.resource.struct if asked.resource else None
        if struct is core_v1.Node:
            return _own_node(node, asked)
        if struct is coordination_v1.Lease:
            own = asked.name == node and asked.verb in ("get", "update", "patch", "delete")
            return asked.namespace == LEASES and (own or asked.verb == "create")
        if struct is core_v1.Pod:
            return _own_pods(node, asked, reader)
        if struct in USED_BY_PODS:
            return asked.verb in READ and bool(asked.name) and _used(node, struct, asked, reader)
        if struct is core_v1.ServiceAccount:
            return asked.verb in ("get", "create") and _runs_as(node, asked, reader)
        if struct is core_v1.Event:
            return asked.verb in ("create", "update", "patch")
        return struct is core_v1.Service and asked.verb in READ


def _own_node(node: str, asked: Attributes) -> bool:
    if asked.subresource not in ("", "status"):
        return False
    if asked.verb in ("get", "update", "patch"):
        return asked.name == node
    if asked.verb == "create":
        return asked.name in ("", node)
    return asked.verb in ("list", "watch") and f"metadata.name={node}" in asked.field_selector.split(",")


def _own_pods(node: str, asked: Attributes, reader: Reader) -> bool:
    if asked.verb in ("list", "watch"):
        return f"spec.nodeName={node}" in asked.field_selector.split(",")
    allowed = asked.verb in ("get", "delete") if not asked.subresource else asked.verb in ("get", "update", "patch")
    if not allowed or asked.subresource not in ("", "status") or not asked.name:
        return False
    pod = reader.cached(core_v1.Pod, asked.namespace, asked.name)
    return pod is not None and pod.spec.nodeName == node


def _used(node: str, struct: type[Any] | None, asked: Attributes, reader: Reader) -> bool:
    """Whether a pod of the node refers to the ConfigMap or Secret."""
    names = config_maps_of if struct is core_v1.ConfigMap else secrets_of
    return any(asked.name in names(pod.spec) for pod in _pods(node, asked.namespace, reader))


def _runs_as(node: str, asked: Attributes, reader: Reader) -> bool:
    """Whether a pod of the node runs as the account; only then the node may read it and ask for its tokens."""
    if (asked.verb == "create") != (asked.subresource == "token"):
        return False
    return any(pod.spec.serviceAccountName == asked.name for pod in _pods(node, asked.namespace, reader))


def _pods(node: str, namespace: str, reader: Reader) -> Iterator[core_v1.Pod]:
    return (pod for pod in reader.all_cached(core_v1.Pod, namespace) if pod.spec.nodeName == node)


def config_maps_of(spec: core_v1.PodSpec) -> set[str | None]:
    """The names of the ConfigMaps that a pod uses."""
    found = {volume.configMap.name for volume in spec.volumes if volume.configMap}
    for source in _projections(spec):
        if source.configMap:
            found.add(source.configMap.name)
    for container in _containers(spec):
        found |= {source.configMapRef.name for source in container.envFrom if source.configMapRef}
        found |= {
            variable.valueFrom.configMapKeyRef.name
            for variable in container.env
            if variable.valueFrom and variable.valueFrom.configMapKeyRef
        }
    return found


def secrets_of(spec: core_v1.PodSpec) -> set[str | None]:
    """The names of the Secrets that a pod uses."""
    found = {volume.secret.secretName for volume in spec.volumes if volume.secret}
    found |= {secret.name for secret in spec.imagePullSecrets}
    for source in _projections(spec):
        if source.secret:
            found.add(source.secret.name)
    for container in _containers(spec):
        found |= {source.secretRef.name for source in container.envFrom if source.secretRef}
        found |= {
            variable.valueFrom.secretKeyRef.name
            for variable in container.env
            if variable.valueFrom and variable.valueFrom.secretKeyRef
        }
    return found


def _containers(spec: core_v1.PodSpec) -> Iterator[core_v1.Container | core_v1.EphemeralContainer]:
    yield from spec.containers
    yield from spec.initContainers
    yield from spec.ephemeralContainers


def _projections(spec: core_v1.PodSpec) -> Iterator[core_v1.VolumeProjection]:
    return (source for volume in spec.volumes if volume.projected for source in volume.projected.sources)
