"""What a node needs, and how one such set becomes the next. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from master.registry.podreferences import config_maps_of, secrets_of
from timonel.api.types import core_v1


class Ref(NamedTuple):
    """An object's kind, namespace and name."""

    kind: str
    namespace: str
    name: str


class Stored(Protocol):
    """An object as a cache holds it: its JSON, the revision of its last change and that of its creation."""

    @property
    def raw(self) -> bytes: ...

    @property
    def revision(self) -> int: ...

    @property
    def created(self) -> int: ...


Needed = Mapping[Ref, Stored]
"""Everything that one node has to know."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a pod wants from its node beside itself: ConfigMaps, Secrets, a RuntimeClass, and Services or not."""

    objects: frozenset[Ref]
    services: bool


@dataclass(frozen=True, slots=True)
class Change:
    """`old` became `new`; None is absent."""

    ref: Ref
    old: Stored | None
    new: Stored | None


API = frozenset({Ref("Service", "default", "kubernetes"), Ref("EndpointSlice", "default", "kubernetes")})
"""The API's own service and where it leads: every pod learns the one's address and can reach it, wherever it lives."""

_KINDS = ("Node", "EndpointSlice", "Service", "RuntimeClass", "ConfigMap", "Secret", "Pod")
_ORDER = {kind: place for place, kind in enumerate(_KINDS)}
"""A pod comes after what it uses, and leaves before."""


def uses_of(pod: core_v1.Pod) -> Uses:
    """What `pod` uses: what the node rule lets its node read, by the same reading of its spec."""
    namespace = pod.metadata.namespace or ""
    used = {"ConfigMap": config_maps_of(pod.spec), "Secret": secrets_of(pod.spec)}
    objects = {Ref(kind, namespace, name) for kind, names in used.items() for name in names if name}
    if pod.spec.runtimeClassName:
        objects.add(Ref("RuntimeClass", "", pod.spec.runtimeClassName))
    return Uses(frozenset(objects), services=pod.spec.enableServiceLinks is not False)


def needed(
    node: Ref,
    pods: Mapping[Ref, tuple[Stored, Uses]],
    find: Callable[[Ref], Stored | None],
    services_in: Callable[[str], Iterable[tuple[Ref, Stored]]],
) -> dict[Ref, Stored]:
    """What `node` needs to run `pods`, and no more; what does not exist (yet) is left out.

    Args:
        node: the Node object.
        pods: the pods bound to the node, each with what it uses.
        find: looks an object up.
        services_in: the Services of a namespace.
    """
    refs = {node, *API, *(ref for _, uses in pods.values() for ref in uses.objects)}
    result = {ref: stored for ref in refs if (stored := find(ref)) is not None}
    for namespace in linked_namespaces(pods):
        result.update(services_in(namespace))
    result.update((ref, stored) for ref, (stored, _) in pods.items())
    return result


def linked_namespaces(pods: Mapping[Ref, tuple[Stored, Uses]]) -> set[str]:
    """The namespaces whose Services the pods want as environment variables."""
    return {ref.namespace for ref, (_, uses) in pods.items() if uses.services}


def diff(old: Needed, new: Needed) -> list[Change]:
    """What changed: removals first. An object that was deleted and made anew is removed and added."""
    removals, updates = [], []
    for ref, was in old.items():
        now = new.get(ref)
        if now is None or now.created != was.created:
            removals.append(Change(ref, was, None))
    for ref, now in new.items():
        before = old.get(ref)
        if before is None or (before.created, before.revision) != (now.created, now.revision):
            updates.append(Change(ref, before, now))
    removals.sort(key=lambda change: -_ORDER[change.ref.kind])
    updates.sort(key=lambda change: _ORDER[change.ref.kind])
    return removals + updates
