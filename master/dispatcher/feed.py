"""What every node needs, kept current by the caches: a change costs as much as the nodes that it touches have pods."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from master.dispatcher.assignments import API, Ref, Stored, Uses, linked_namespaces, needed, uses_of
from master.store.cache import WatchCache
from master.store.items import CacheEvent, EventType, Item

Caches = Mapping[str, WatchCache[Any]]
"""The caches of all kinds that nodes get, by kind."""

ALL_SERVICES = ""
"""Stands for the name of a Service in what a node is interested in: any of the namespace."""


class _Spec(msgspec.Struct):
    nodeName: str = ""


class _Bound(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


_bound = msgspec.json.Decoder(_Bound)


class Feed:
    """Tells watchers of a node that what it needs may have changed, and what that is.

    Everything runs in the event loop of the caches.
    """

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._node_of: dict[Ref, str] = {}
        self._pods: defaultdict[str, dict[Ref, Item[Any]]] = defaultdict(dict)
        self._uses: dict[Ref, tuple[int, Uses]] = {}
        self._wakes: dict[str, Callable[[], None]] = {}
        self._interests: dict[str, frozenset[Ref]] = {}
        self._interested: defaultdict[Ref, set[str]] = defaultdict(set)
        self._listeners = {kind: self._listener(kind) for kind in caches}

    def start(self) -> None:
        """Take in what the caches, which must be loaded, hold, and follow them."""
        for item in self._caches["Pod"].list():
            self._place(self._ref("Pod", item), item)
        for kind, listener in self._listeners.items():
            self._caches[kind].add_listener(listener)

    def close(self) -> None:
        """Follow the caches no longer."""
        for kind, listener in self._listeners.items():
            self._caches[kind].remove_listener(listener)

    def watch(self, node: str, wake: Callable[[], None]) -> None:
        """Call `wake`, in place of any earlier one, when what `needed` gives for `node` may have changed."""
        self._wakes[node] = wake

    def unwatch(self, node: str, wake: Callable[[], None]) -> None:
        """Undo `watch`; when another has taken the place of `wake`, that one stays."""
        if self._wakes.get(node) == wake:
            del self._wakes[node]
            self._take_interest(node, frozenset())
            for ref in self._pods.get(node, ()):
                self._uses.pop(ref, None)

    async def fresh(self) -> None:
        """Wait until the caches have seen all that was written before, so that no node is told to drop a new pod.

        Raises:
            StoreError, TimeoutError: the store does not answer.
        """
        await asyncio.gather(*(cache.fresh() for cache in self._caches.values()))

    def needed(self, node: str) -> dict[Ref, Stored]:
        """What `node` needs now."""
        pods = {ref: (item, self._uses_of(ref, item)) for ref, item in self._pods.get(node, {}).items()}
        own = Ref("Node", "", node)
        interest = {own, *API, *(ref for _, uses in pods.values() for ref in uses.objects)}
        interest |= {Ref("Service", namespace, ALL_SERVICES) for namespace in linked_namespaces(pods)}
        self._take_interest(node, frozenset(interest))
        return needed(own, pods, self._find, self._services_in)

    def _listener(self, kind: str) -> Callable[[Sequence[CacheEvent[Any]]], None]:
        def listen(events: Sequence[CacheEvent[Any]]) -> None:
            for node in {node for event in events for node in self._touched(kind, event)}:
                if wake := self._wakes.get(node):
                    wake()

        return listen

    def _touched(self, kind: str, event: CacheEvent[Any]) -> Iterator[str]:
        """The nodes to which the event matters; for pods the index follows."""
        ref = self._ref(kind, event.item)
        if kind == "Pod":
            yield self._displace(ref)
            if event.type is not EventType.DELETED:
                yield self._place(ref, event.item)
            return
        yield from self._interested.get(ref, ())
        if kind == "Service":
            yield from self._interested.get(ref._replace(name=ALL_SERVICES), ())

    def _place(self, ref: Ref, item: Item[Any]) -> str:
        node = _bound.decode(item.raw).spec.nodeName
        if node:
            self._node_of[ref] = node
            self._pods[node][ref] = item
        return node

    def _displace(self, ref: Ref) -> str:
        self._uses.pop(ref, None)
        node = self._node_of.pop(ref, "")
        if node:
            del self._pods[node][ref]
            if not self._pods[node]:
                del self._pods[node]
        return node

    def _uses_of(self, ref: Ref, item: Item[Any]) -> Uses:
        known = self._uses.get(ref)
        if known is not None and known[0] == item.revision:
            return known[1]
        uses = uses_of(item.object)
        self._uses[ref] = (item.revision, uses)
        return uses

    def _take_interest(self, node: str, refs: frozenset[Ref]) -> None:
        before = self._interests.pop(node, frozenset())
        if refs:
            self._interests[node] = refs
        for ref in refs - before:
            self._interested[ref].add(node)
        for ref in before - refs:
            self._interested[ref].discard(node)
            if not self._interested[ref]:
                del self._interested[ref]

    def _find(self, ref: Ref) -> Item[Any] | None:
        cache = self._caches[ref.kind]
        path = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name
        return cache.get(cache.prefix + path)

    def _services_in(self, namespace: str) -> Iterator[tuple[Ref, Stored]]:
        cache = self._caches["Service"]
        for item in cache.list(f"{cache.prefix}{namespace}/"):
            yield self._ref("Service", item), item

    def _ref(self, kind: str, item: Item[Any]) -> Ref:
        namespace, _, name = item.key.removeprefix(self._caches[kind].prefix).rpartition("/")
        return Ref(kind, namespace, name)
