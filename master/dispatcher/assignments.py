"""What a node needs, and how one such set becomes the next. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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
    """What a pod wants from its node beside itself: ConfigMaps and Secrets, and its namespace's Services or not."""

    objects: frozenset[Ref]
    services: bool


@dataclass(frozen=True, slots=True)
class Change:
    """`old` became `new`; None is absent."""

    ref: Ref
    old: Stored | None
    new: Stored | None


KUBERNETES = Ref("Service", "default", "kubernetes")
"""Every container learns the API server's address from it, in whichever namespace it lives."""

_ORDER = {kind: place for place, kind in enumerate(["Node", "Service", "ConfigMap", "Secret", "Pod"])}
"""A pod comes after what it uses, and leaves before."""


def uses_of(pod: core_v1.Pod) -> Uses:
    """What `pod` uses."""
    namespace = pod.metadata.namespace or ""
    objects = frozenset(Ref(kind, namespace, name) for kind, name in _names_in(pod.spec) if name)
    return Uses(objects, services=pod.spec.enableServiceLinks is not False)


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
    refs = {node, KUBERNETES, *(ref for _, uses in pods.values() for ref in uses.objects)}
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


def _names_in(spec: core_v1.PodSpec) -> Iterator[tuple[str, str | None]]:
    for reference in spec.imagePullSecrets:
        yield "Secret", reference.name
    for container in (*spec.initContainers, *spec.containers):
        yield from _names_in_environment(container.env, container.envFrom)
    for ephemeral in spec.ephemeralContainers:
        yield from _names_in_environment(ephemeral.env, ephemeral.envFrom)
    for volume in spec.volumes:
        if volume.configMap is not None:
            yield "ConfigMap", volume.configMap.name
        if volume.secret is not None:
            yield "Secret", volume.secret.secretName
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.configMap is not None:
                yield "ConfigMap", source.configMap.name
            if source.secret is not None:
                yield "Secret", source.secret.name


def _names_in_environment(
    variables: Iterable[core_v1.EnvVar], groups: Iterable[core_v1.EnvFromSource]
) -> Iterator[tuple[str, str | None]]:
    for group in groups:
        if group.configMapRef is not None:
            yield "ConfigMap", group.configMapRef.name
        if group.secretRef is not None:
            yield "Secret", group.secretRef.name
    for variable in variables:
        source = variable.valueFrom
        if source is None:
            continue
        if source.configMapKeyRef is not None:
            yield "ConfigMap", source.configMapKeyRef.name
        if source.secretKeyRef is not None:
            yield "Secret", source.secretKeyRef.name
