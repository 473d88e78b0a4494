"""Garbage collection: what has lost all its owners goes; deletions that wait for dependents, or leave them, are carried
through.

Source: Kubernetes' documentation of garbage collection and of owners and dependents.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any, cast

import msgspec

from master.controllers.actions import Action, Delete, Patch, RequeueAfter
from master.controllers.controller import Key, Wake, controller, key_of
from master.controllers.view import Index, View
from master.registry.objects import APIObject
from timonel.api.types import meta_v1

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

UNKNOWN_KIND_AFTER = 30.0
"""Seconds after which an owner of a kind that is not served is looked for again."""


@cache
def _dependents(kind: type[Any]) -> Index[Any]:
    """Objects of `kind` by the uid of each of their owners."""
    return Index(kind, lambda obj: [reference.uid for reference in obj.metadata.ownerReferences])


def dependents(view: View, owner: APIObject) -> Iterator[APIObject]:
    """Every object that names `owner` among its owners."""
    for kind in view.kinds():
        index = _dependents(cast(Hashable, kind))  # mypy holds a type for unhashable
        yield from view.by(index, owner.metadata.uid or "")


def _wake(obj: APIObject, view: View) -> Iterable[Key]:
    """A change of an object concerns its owners (they may wait for its end) and, when it is gone or going, its
    dependents.
    """
    for reference in obj.metadata.ownerReferences:
        kind = view.kind(reference.apiVersion, reference.kind)
        if kind is not None:
            yield Key(kind, (obj.metadata.namespace or "") if view.namespaced(kind) else "", reference.name)
    current = view.get(*key_of(obj))
    if current is None or current.metadata.uid != obj.metadata.uid or current.metadata.deletionTimestamp:
        yield from map(key_of, dependents(view, obj))


@controller(None, wakes_on=[Wake(None, _wake)], account="generic-garbage-collector")
def garbage_collector(obj: APIObject, view: View, now: datetime) -> Iterator[Action]:
    """Do what an object's owners, or its own finalizers, ask for."""
    finalizers = obj.metadata.finalizers if obj.metadata.deletionTimestamp else []
    if ORPHAN in finalizers:
        yield from _orphan(obj, view)
    elif FOREGROUND in finalizers:
        yield from _delete_dependents_first(obj, view)
    if obj.metadata.ownerReferences:
        yield from _collect(obj, view)


def _collect(obj: APIObject, view: View) -> Iterator[Action]:
    """Delete an object whose owners are all gone; drop the references to those that are, when some are left."""
    solid, waiting, gone = [], [], []
    for reference in obj.metadata.ownerReferences:
        kind = view.kind(reference.apiVersion, reference.kind)
        if kind is None:
            yield RequeueAfter(UNKNOWN_KIND_AFTER)
            return
        owner = view.get(kind, (obj.metadata.namespace or "") if view.namespaced(kind) else "", reference.name)
        if owner is None or owner.metadata.uid != reference.uid:
            gone.append(reference)
        elif _waits(owner):
            waiting.append(reference)
        else:
            solid.append(reference)
    if solid:
        if gone or waiting:
            yield _with_owners(obj, solid)
    elif not obj.metadata.deletionTimestamp:
        # An owner that waits for its dependents wants theirs to go first, too.
        theirs = list(dependents(view, obj)) if waiting else []
        if any(reference.blockOwnerDeletion for reference in waiting) and any(map(_waits, theirs)):
            # Perhaps a circle, in which each would wait for the next for ever.
            yield _with_owners(obj, [_not_blocking(reference) for reference in obj.metadata.ownerReferences])
        else:
            yield Delete(obj, propagation="Foreground" if theirs else _own_propagation(obj))


def _waits(owner: APIObject) -> bool:
    """Whether an object stays only until its dependents are gone."""
    return bool(owner.metadata.deletionTimestamp) and FOREGROUND in owner.metadata.finalizers


def _not_blocking(reference: meta_v1.OwnerReference) -> meta_v1.OwnerReference:
    return msgspec.structs.replace(reference, blockOwnerDeletion=False)


def _own_propagation(obj: APIObject) -> str:
    if ORPHAN in obj.metadata.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in obj.metadata.finalizers else "Background"


def _delete_dependents_first(obj: APIObject, view: View) -> Iterator[Action]:
    """The owner stays until no dependent is left that blocks its deletion; the dependents delete themselves by
    `_collect`.
    """
    blocking = (
        reference
        for dependent in dependents(view, obj)
        for reference in dependent.metadata.ownerReferences
        if reference.uid == obj.metadata.uid and reference.blockOwnerDeletion
    )
    if not any(blocking):
        yield _without_finalizer(obj, FOREGROUND)


def _orphan(obj: APIObject, view: View) -> Iterator[Action]:
    left = list(dependents(view, obj))
    for dependent in left:
        yield _with_owners(
            dependent, [ref for ref in dependent.metadata.ownerReferences if ref.uid != obj.metadata.uid]
        )
    if not left:
        yield _without_finalizer(obj, ORPHAN)


def _with_owners(obj: APIObject, references: list[meta_v1.OwnerReference]) -> Patch:
    return Patch(
        obj,
        {
            "metadata": {
                "uid": obj.metadata.uid,
                "resourceVersion": obj.metadata.resourceVersion,
                "ownerReferences": references or None,
            }
        },
    )


def _without_finalizer(obj: APIObject, finalizer: str) -> Patch:
    left = [other for other in obj.metadata.finalizers if other != finalizer]
    return Patch(
        obj,
        {
            "metadata": {
                "uid": obj.metadata.uid,
                "resourceVersion": obj.metadata.resourceVersion,
                "finalizers": left or None,
            }
        },
    )
