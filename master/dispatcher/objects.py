"""Objects as a session reads and writes them: from the cache where that is new enough, again where a race is lost."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from master.dispatcher.assignments import Ref
from master.registry.base import User
from master.registry.objects import APIObject
from master.registry.verbs import Registry
from timonel.api import codec
from timonel.api.errors import Conflict, NotFound

T = TypeVar("T", bound=APIObject)

TRIES = 5
"""How many lost races a write bears before it leaves the rest to its caller."""


class _Metadata(msgspec.Struct):
    resourceVersion: str = "0"


class _Versioned(msgspec.Struct):
    metadata: _Metadata


_versioned = msgspec.json.Decoder(_Versioned)


class Objects:
    """Reads and writes as one user.

    It remembers what it wrote: a cache that has not seen that yet is passed over, so that it never takes its own past
    for the present.
    """

    def __init__(self, registry: Registry, user: User) -> None:
        self._registry = registry
        self._user = user
        self._written: dict[Ref, int] = {}

    async def get(self, kind: type[T], ref: Ref) -> T | None:
        """The object, read-only; None when there is none."""
        return self.cached(kind, ref) or await self.newest(kind, ref)

    def cached(self, kind: type[T], ref: Ref) -> T | None:
        """The object, read-only, if the cache has it and has seen what was written from here."""
        cache = self._registry.cache(kind)
        item = cache.get(cache.prefix + (f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name))
        if item is None or item.revision < self._written.get(ref, 0):
            return None
        found: T = item.object
        return found

    async def newest(self, kind: type[T], ref: Ref) -> T | None:
        """The object as it is in the store."""
        try:
            result = await self._registry.get(self._user, kind, ref.namespace, ref.name)
        except NotFound:
            self.forget(ref)
            return None
        return codec.decode(kind, result.raw)

    def forget(self, ref: Ref) -> None:
        """Drop the memory of writes to an object that is gone."""
        self._written.pop(ref, None)

    async def change(self, kind: type[T], ref: Ref, make: Callable[[T], T | None], subresource: str = "") -> bool:
        """Write what `make` makes of the object, which it must leave as it is; None writes nothing.

        Returns whether something was written; a gone object is nothing.

        Raises:
            Conflict: the object changed again and again.
            StatusError: the API refused.
        """
        stored = await self.get(kind, ref)
        for _ in range(TRIES):
            wanted = make(stored) if stored is not None else None
            if wanted is None:
                return False
            try:
                result = await self._registry.update(
                    self._user, kind, ref.namespace, ref.name, wanted, subresource=subresource
                )
            except Conflict:
                stored = await self.newest(kind, ref)
            except NotFound:
                return False
            else:
                self._written[ref] = int(_versioned.decode(result.raw).metadata.resourceVersion)
                return True
        raise Conflict(self._registry.resources.of(kind).group_resource, ref.name)
