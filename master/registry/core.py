"""What the verbs share: the index, the caches, the clock, authorisation and admission."""

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from master.registry.admission.base import Chain
from master.registry.authz.base import Attributes, Authorizer, Decision, refusal
from master.registry.base import Resource
from master.registry.objects import Call, Sources, T
from master.registry.remarks import remark
from master.registry.resources import Resources
from master.registry.strategy import AnyStrategy
from master.registry.subresources import TokenMinter, TokenVerifier
from master.store.base import KeyValue, Store
from master.store.cache import CacheEvent, EventType, Item, WatchCache, labels_of, with_revision
from master.store.items import Decoding
from timonel.api import codec, time
from timonel.api.errors import NoSuchPath, ServiceUnavailable

DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"
"""What the audit log tells of the authorisation."""

Clock = Callable[[], datetime]
AnyCache = WatchCache[Any]
AnyItem = Item[Any]


def _random_uids() -> Iterator[str]:
    """Randomness is taken in advance: each time that the system is asked for some, other threads run in between."""
    while True:
        pool = os.urandom(16 * 256)
        for at in range(0, len(pool), 16):
            yield str(uuid.UUID(bytes=pool[at : at + 16], version=4))


_uids = _random_uids()


def new_uid() -> str:
    """A random uid."""
    return next(_uids)


def _struct(resource: Resource) -> type[Any]:
    """The Struct of a built-in resource."""
    assert resource.struct is not None
    return resource.struct


class Core:
    """The parts that every verb needs; also the `Reader` of hooks and admission."""

    def __init__(
        self,
        store: Store,
        resources: Resources,
        authorizer: Authorizer,
        admission: Chain,
        clock: Clock,
        uid: Callable[[], str],
    ) -> None:
        self.store = store
        self.resources = resources
        self.authorizer = authorizer
        self.admission = admission
        self.clock = clock
        self.uid = uid
        self.minter: TokenMinter | None = None
        self.verifier: TokenVerifier | None = None
        self.sources = Sources(self)
        stored = [r for r in resources if r.struct is not None and resources.strategy(r).is_stored]
        self._decoders = {resource: partial(codec.decode_stored, _struct(resource)) for resource in stored}
        self._caches: dict[Resource, AnyCache] = {
            resource: WatchCache(store, resource.prefix, self._decoders[resource]) for resource in stored
        }
        self._stores: dict[Resource, Store] = {}
        self._listeners: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Load all caches."""
        async with asyncio.TaskGroup() as group:
            for cache in self._caches.values():
                group.create_task(cache.start())

    async def close(self) -> None:
        """Stop all caches."""
        await asyncio.gather(*(cache.close() for cache in self._caches.values()))

    def cache(self, resource: Resource) -> AnyCache:
        """The cache of a stored resource."""
        try:
            return self._caches[resource]
        except KeyError:
            raise NoSuchPath from None

    def store_of(self, resource: Resource) -> Store:
        """The store as a resource sees it: a version of a custom resource has one that converts."""
        return self._stores.get(resource, self.store)

    # Resources that come and go

    def serve(self, strategy: AnyStrategy, store: Store) -> AnyCache:
        """Serve one more resource; its cache is yet to be started by the caller, and requests wait for that."""
        resource = strategy.resource
        self._decoders[resource] = partial(codec.decode_stored, _struct(resource))
        self._stores[resource] = store
        self._caches[resource] = WatchCache(store, resource.prefix, self._decoders[resource])
        self.resources.add(strategy)
        return self._caches[resource]

    def unserve(self, resource: Resource) -> AnyCache:
        """Serve a resource no longer; its cache is the caller's to close, which ends what still watches it."""
        self.resources.remove(resource)
        del self._decoders[resource], self._stores[resource]
        cache = self._caches.pop(resource)
        self.announce()
        return cache

    def announce(self) -> None:
        """Tell those who follow all kinds that others have come, their caches loaded, or gone."""
        for listener in self._listeners:
            listener()

    def on_kinds(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` whenever `announce` is called; gives what undoes that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def strategy(self, resource: Resource) -> AnyStrategy:
        """The rules of a resource."""
        return self.resources.strategy(resource)

    def now(self) -> str:
        """The time, as timestamps say it."""
        return time.text(self.clock())

    def authorize(self, asked: Attributes) -> None:
        """Refuse what is not allowed.

        Raises:
            Forbidden: with the reasons.
        """
        verdict = self.authorizer.authorize(asked)
        remark(DECISION, "allow" if verdict.decision is Decision.ALLOW else "forbid")
        remark(REASON, verdict.reason)
        if verdict.decision is not Decision.ALLOW:
            raise refusal(asked, verdict.reason)

    def authorize_call(self, call: Call) -> None:
        """`authorize` for a call."""
        resource = call.face.resource if call.face else call.resource
        self.authorize(Attributes(call.user, call.verb, resource, call.subresource, call.namespace, call.name))

    async def read(self, resource: Resource, key: str) -> AnyItem | None:
        """An object from the store itself."""
        found = await self.store_of(resource).get(key)
        return self.item(resource, found) if found else None

    def item(self, resource: Resource, stored: KeyValue) -> AnyItem:
        """A stored value as the cache would show it."""
        raw = with_revision(stored.value, stored.revision)
        decoding = Decoding(self._decoders[resource], labels_of)
        return Item(decoding, stored.key, raw, stored.revision, stored.created)

    # The Reader

    def cached(self, kind: type[T], namespace: str, name: str) -> T | None:
        """See `Reader`."""
        resource = self.resources.of(kind)
        item = self._caches[resource].get(resource.key(namespace, name))
        return item.object if item else None

    async def current(self, kind: type[T], namespace: str, name: str) -> T | None:
        """See `Reader`."""
        resource = self.resources.of(kind)
        item = await self.read(resource, resource.key(namespace, name))
        return item.object if item else None

    def all_cached(self, kind: type[T], namespace: str = "") -> Iterator[T]:
        """See `Reader`."""
        resource = self.resources.of(kind)
        cache = self._caches[resource]
        if not cache.count:  # as it is with most that admission asks for at every write
            return iter(())
        return (item.object for item in cache.list(f"{resource.prefix}{namespace}/" if namespace else ""))

    def stored(self) -> Iterator[Resource]:
        """See `Reader`."""
        return (resource for resource in self.resources if self.strategy(resource).is_stored)

    async def caught_up(self, kind: type[T], revision: int) -> None:
        """See `Reader`."""
        resource = self.resources.of(kind)
        try:
            await self._caches[resource].wait_until(revision)
        except TimeoutError:
            why = f"what this server knows of {resource.group_resource} is older than revision {revision}"
            raise ServiceUnavailable(f"{why}, try again") from None

    def on_change(self, kind: type[T], seen: Callable[[T | None, T | None], None]) -> None:
        """See `Reader`."""

        def on_events(events: Sequence[CacheEvent[Any]]) -> None:
            for event in events:
                new = None if event.type is EventType.DELETED else event.item.object
                seen(event.previous.object if event.previous else None, new)

        self._caches[self.resources.of(kind)].add_listener(on_events)
