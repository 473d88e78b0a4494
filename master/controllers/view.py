"""What a controller sees: objects of any kind as of now, read-only, with indexes over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Network
from typing import Any, Generic, Protocol, TypeVar

from master.registry.base import Resource
from master.registry.objects import APIObject
from master.registry.verbs import Registry
from master.store.cache import CacheEvent, EventType
from timonel.api.gvk import GVK
from timonel.api.meta import controller_of
from timonel.api.types import core_v1

T = TypeVar("T", bound=APIObject)


@dataclass(frozen=True, eq=False)
class Index(Generic[T]):
    """Objects of ``kind`` by the values that ``values`` finds in them."""

    kind: type[T]
    values: Callable[[T], Iterable[str]]


@cache
def controlled(kind: type[T]) -> Index[T]:
    """Objects of ``kind`` by the uid of their controlling owner."""

    def owner(obj: T) -> Iterable[str]:
        reference = controller_of(obj)
        return (reference.uid,) if reference else ()

    return Index(kind, owner)


PODS_BY_NODE: Index[core_v1.Pod] = Index(core_v1.Pod, lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())


DEFAULT_CLUSTER_CIDR = IPv4Network("10.244.0.0/16")


class View(Protocol):
    """The state that a controller decides upon. Everything it gives is shared: copy before changing."""

    cluster_cidr: IPv4Network
    """The range of all pods' addresses."""

    @property
    def since(self) -> datetime:
        """When this view began, or the store last did not write: before that, nobody could have been heard."""

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        """One object, or None."""

    def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        """All objects of a kind, of one namespace where given, in order of their keys."""

    def by(self, index: Index[T], value: str) -> Sequence[T]:
        """The objects that have ``value`` in ``index``, in order of their keys."""

    def kinds(self) -> Sequence[type[Any]]:
        """Every kind whose objects are stored and known."""

    def kind(self, api_version: str, name: str) -> type[Any] | None:
        """The stored kind that a reference names; None when it is not served, or its objects are not known yet."""

    def namespaced(self, kind: type[Any]) -> bool:
        """Whether objects of a kind are in namespaces."""

    def plural(self, kind: type[Any]) -> str:
        """The name of a kind's objects in paths: ``pods``."""


def owned(view: View, owner: APIObject, kind: type[T]) -> Sequence[T]:
    """The objects of ``kind`` whose controlling owner is ``owner``."""
    return view.by(controlled(kind), owner.metadata.uid or "")


class _Indexed(Generic[T]):
    """One index, kept from the cache's events."""

    def __init__(self, index: Index[T]) -> None:
        self._index = index
        self._keys: dict[str, set[str]] = {}

    def keys(self, value: str) -> Iterable[str]:
        return sorted(self._keys.get(value, ()))

    def add(self, key: str, obj: T) -> None:
        for value in self._index.values(obj):
            self._keys.setdefault(value, set()).add(key)

    def discard(self, key: str, obj: T) -> None:
        for value in self._index.values(obj):
            keys = self._keys.get(value)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys[value]

    def on_events(self, events: Sequence[CacheEvent[T]]) -> None:
        for event in events:
            if event.previous is not None:
                self.discard(event.previous.key, event.previous.object)
            if event.type is not EventType.DELETED:
                self.add(event.item.key, event.item.object)


class CacheView:
    """The view over the registry's watch caches."""

    def __init__(self, registry: Registry, cluster_cidr: IPv4Network = DEFAULT_CLUSTER_CIDR) -> None:
        self.cluster_cidr = cluster_cidr
        self._registry = registry
        self._began = datetime.now(UTC)
        self._indexes: dict[Index[Any], _Indexed[Any]] = {}

    @property
    def since(self) -> datetime:
        """When this view began, or the store last did not write."""
        return max(self._began, self._registry.troubled or self._began)

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        """One object, or None; also where the kind is a custom one that is served no longer."""
        if not self._registry.resources.serves(kind):
            return None
        item = self._registry.cache(kind).get(self._registry.resources.of(kind).key(namespace, name))
        return None if item is None else item.object

    def list(self, kind: type[T], namespace: str = "") -> Sequence[T]:
        """All objects of a kind, of one namespace where given."""
        if not self._registry.resources.serves(kind):
            return []
        prefix = self._registry.resources.of(kind).prefix + (f"{namespace}/" if namespace else "")
        return [item.object for item in self._registry.cache(kind).list(prefix)]

    def by(self, index: Index[T], value: str) -> Sequence[T]:
        """The objects that have ``value`` in ``index``; the index is made at its first use and kept from then on."""
        if not self._registry.resources.serves(index.kind):
            return []
        items = self._registry.cache(index.kind)
        kept = self._indexes.get(index)
        if kept is None:
            kept = self._indexes[index] = _Indexed(index)
            for item in items.list():
                kept.add(item.key, item.object)
            items.add_listener(kept.on_events)
        found = [items.get(key) for key in kept.keys(value)]
        return [item.object for item in found if item is not None]

    def kinds(self) -> Sequence[type[Any]]:
        """Every kind whose objects are stored."""
        resources = self._registry.resources
        stored = (r for r in resources if resources.strategy(r).is_stored and self._is_loaded(r))
        return [resource.struct for resource in stored if resource.struct is not None]

    def kind(self, api_version: str, name: str) -> type[Any] | None:
        """The stored kind that a reference names; None when it is not served."""
        resources = self._registry.resources
        resource = resources.of_gvk(GVK.parse(api_version, name))
        stored = resources.stored(resource) if resource else None
        return stored.struct if stored and self._is_loaded(stored) else None

    def namespaced(self, kind: type[Any]) -> bool:
        """Whether objects of a kind are in namespaces."""
        return self._registry.resources.of(kind).namespaced

    def plural(self, kind: type[Any]) -> str:
        """The name of a kind's objects in paths."""
        return self._registry.resources.of(kind).plural

    def _is_loaded(self, resource: Resource) -> bool:
        """Whether a kind's objects are known: those of a custom kind may still be on their way."""
        return self._registry.cache(resource).revision > 0

    def forget_gone(self) -> None:
        """Drop the indexes over kinds that are served no longer."""
        for index in [index for index in self._indexes if not self._registry.resources.serves(index.kind)]:
            del self._indexes[index]

    def close(self) -> None:
        """Stop following the caches."""
        self.forget_gone()
        for index, kept in self._indexes.items():
            self._registry.cache(index.kind).remove_listener(kept.on_events)
        self._indexes.clear()
