"""Claiming: which objects a controlling owner has, takes over, or lets go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

from master.controllers.actions import Patch
from master.controllers.view import Index, View, owned
from master.registry.objects import APIObject
from timonel.api.meta import controller_of, owner_reference
from timonel.api.selectors import Selector

T = TypeVar("T", bound=APIObject)


@dataclass(slots=True)
class Claims(Generic[T]):
    """What an owner may count as its own, and the patches that make it so."""

    held: list[T] = field(default_factory=list)
    adopted: list[T] = field(default_factory=list)
    released: list[T] = field(default_factory=list)

    def actions(self, owner: APIObject) -> Iterator[Patch]:
        """The writes for what is to be adopted and released."""
        for obj in self.adopted:
            references = [*obj.metadata.ownerReferences, owner_reference(owner)]
            yield Patch(obj, {"metadata": {"uid": obj.metadata.uid, "ownerReferences": references}})
        for obj in self.released:
            references = [ref for ref in obj.metadata.ownerReferences if ref.uid != owner.metadata.uid]
            yield Patch(obj, {"metadata": {"uid": obj.metadata.uid, "ownerReferences": references or None}})


@cache
def orphans(kind: type[T]) -> Index[T]:
    """Objects of `kind` without a controlling owner, by namespace."""
    return Index(kind, lambda obj: (obj.metadata.namespace or "",) if controller_of(obj) is None else ())


def candidates(view: View, owner: APIObject, kind: type[T]) -> list[T]:
    """What `owner` controls, and what nobody does, of `kind` in its namespace."""
    return [*owned(view, owner, kind), *view.by(orphans(kind), owner.metadata.namespace or "")]


def claim(owner: APIObject, selector: Selector, candidates: Iterable[T]) -> Claims[T]:
    """Sort the owner's namespace's objects into held, adopted (orphans that match) and released (own ones that match no
    more).

    An owner that is being deleted adopts nothing. Source: Kubernetes' controller ref manager.
    """
    claims: Claims[T] = Claims()
    for obj in candidates:
        reference = controller_of(obj)
        matching = selector.matches(obj.metadata.labels)
        if reference is not None and reference.uid == owner.metadata.uid:
            if matching or owner.metadata.deletionTimestamp:
                claims.held.append(obj)
            else:
                claims.released.append(obj)
        elif (
            reference is None
            and matching
            and not owner.metadata.deletionTimestamp
            and not obj.metadata.deletionTimestamp
        ):
            claims.adopted.append(obj)
    return claims
