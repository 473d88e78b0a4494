"""What the master assigned to this node: a set of objects kept in step by chained messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar, get_args

from node_agent.observed import pod_id
from node_agent.runtimes.base import PodId
from timonel.api import codec
from timonel.api.errors import StatusError
from timonel.api.types import core_v1, discovery_v1, node_v1
from timonel.rpc import node_pb2

Object = (
    core_v1.Pod
    | core_v1.Node
    | core_v1.ConfigMap
    | core_v1.Secret
    | core_v1.Service
    | discovery_v1.EndpointSlice
    | node_v1.RuntimeClass
)
_TYPES: dict[str, type[Object]] = {kind.__name__: kind for kind in get_args(Object)}
T = TypeVar("T", bound=Object)
_Key = tuple[str, str, str, str]


class OutOfStep(Exception):
    """A message was missed or cannot be read: everything must be sent again."""


@dataclass(slots=True)
class Changes:
    """What one message changed. ``touched`` names the namespaces of other objects that changed."""

    pods: list[core_v1.Pod] = field(default_factory=list)
    removed: list[PodId] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    node: core_v1.Node | None = None


class Assignments:
    """The assigned objects; also what pods' references are looked up in."""

    def __init__(self) -> None:
        self._objects: dict[_Key, tuple[bytes, Object]] = {}
        self._sequence: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole set has come once."""
        return self._sequence is not None

    def apply(self, message: node_pb2.Assignments) -> Changes:
        """Take a message in. Raises OutOfStep and changes nothing when it does not continue what came before."""
        whole = message.type == node_pb2.Assignments.COMPLETE
        if not whole and message.applies_to != self._sequence:
            raise OutOfStep(f"assignments apply to sequence {message.applies_to}, but this node is at {self._sequence}")
        before = self._objects
        after = {} if whole else dict(before)
        for change in message.changes:
            key = _key(change)
            if change.action == node_pb2.AssignmentChange.REMOVE:
                after.pop(key, None)
            elif change.kind in _TYPES:  # a newer master may send what this agent has no use for
                after[key] = self._decoded(key, change.object_json)
        self._objects = after
        self._sequence = message.sequence
        return _changes(before, after)

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        """The ConfigMap of that name."""
        return self._find(core_v1.ConfigMap, namespace, name)

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        """The Secret of that name."""
        return self._find(core_v1.Secret, namespace, name)

    def runtime_class(self, name: str) -> node_v1.RuntimeClass | None:
        """The RuntimeClass of that name."""
        return self._find(node_v1.RuntimeClass, "", name)

    def services(self, namespace: str) -> Iterable[core_v1.Service]:
        """The Services of the namespace."""
        return [
            item
            for (kind, where, _, _), (_, item) in self._objects.items()
            if kind == "Service" and where == namespace and isinstance(item, core_v1.Service)
        ]

    def endpoints(self, namespace: str, service: str) -> discovery_v1.EndpointSlice | None:
        """Where a Service leads, in the slice of its own name; the master sends those of the API's own service."""
        return self._find(discovery_v1.EndpointSlice, namespace, service)

    def pod_uids(self) -> set[str]:
        """The uids of all assigned pods."""
        return {key[3] for key in self._objects if key[0] == "Pod"}

    def _find(self, kind: type[T], namespace: str, name: str) -> T | None:
        found = self._objects.get((kind.__name__, namespace, name, ""))
        return found[1] if found is not None and isinstance(found[1], kind) else None

    def _decoded(self, key: _Key, raw: bytes) -> tuple[bytes, Object]:
        known = self._objects.get(key)
        if known is not None and known[0] == raw:
            return known
        try:
            return raw, codec.decode(_TYPES[key[0]], raw)
        except StatusError as error:
            raise OutOfStep(f"{key[0]} {key[1]}/{key[2]} cannot be read: {error}") from error


def _key(change: node_pb2.AssignmentChange) -> _Key:
    """Pods are told apart by uid too: one of the same name may still be ending."""
    uid = change.object_uid if change.kind == "Pod" else ""
    return change.kind, change.object_namespace, change.object_name, uid


def _changes(before: dict[_Key, tuple[bytes, Object]], after: dict[_Key, tuple[bytes, Object]]) -> Changes:
    changes = Changes()
    for key, (_, item) in before.items():
        if key not in after:
            if isinstance(item, core_v1.Pod):
                changes.removed.append(pod_id(item))
            elif key[0] != "Node":
                changes.touched.add(key[1])
    for key, entry in after.items():
        if before.get(key) is entry:
            continue
        match entry[1]:
            case core_v1.Pod() as pod:
                changes.pods.append(pod)
            case core_v1.Node() as node:
                changes.node = node
            case _:
                changes.touched.add(key[1])
    return changes
