"""Namespaces: deleting one deletes all that is in it, its pods first, then the namespace itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from master.controllers import conditions
from master.controllers.actions import Action, Delete, RequeueAfter, SetStatus, Update
from master.controllers.controller import controller
from master.controllers.view import View
from timonel.api import codec
from timonel.api.types import core_v1

FINALIZER = "kubernetes"
LOOK_AGAIN = 0.5
"""Seconds between looks while something is left: waking on every object of every kind would cost all namespaces."""

_NOTHING_FAILED = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
}
"""Conditions that tools wait for although here nothing can make them true: a kind that is served can be emptied."""


@controller(core_v1.Namespace)
def namespace(ns: core_v1.Namespace, view: View, now: datetime) -> Iterator[Action]:
    """Empty a namespace that is being deleted; let it go once it is empty."""
    if not ns.metadata.deletionTimestamp or FINALIZER not in ns.spec.finalizers:
        return
    name = ns.metadata.name or ""
    # Pods first: while they end, they may need what else is there, such as the policies that hold them.
    left = list(view.list(core_v1.Pod, name)) or [
        obj for kind in view.kinds() if view.namespaced(kind) for obj in view.list(kind, name)
    ]
    yield from (Delete(obj, propagation="Background") for obj in left if not obj.metadata.deletionTimestamp)
    if not left:
        released = codec.copy(ns)
        released.spec.finalizers.remove(FINALIZER)
        yield Update(released, subresource="finalize")
        return
    yield RequeueAfter(LOOK_AGAIN)
    staying = [obj for obj in left if obj.metadata.deletionTimestamp or obj.metadata.finalizers]
    if staying:
        told = codec.copy(ns)
        _tell(told.status, staying, view, now)
        if told.status != ns.status:
            yield SetStatus(told)


def _tell(status: core_v1.NamespaceStatus, staying: Sequence[Any], view: View, now: datetime) -> None:
    """Put into the status what stays in a namespace after all of it was deleted, and for which finalizers."""

    def put(kind: str, value: str, reason: str, message: str) -> None:
        told = core_v1.NamespaceCondition(type=kind, status=value, reason=reason, message=message)
        conditions.put(status.conditions, told, now)

    for kind, (reason, message) in _NOTHING_FAILED.items():
        put(kind, "False", reason, message)
    counts = Counter(f"{view.plural(type(obj))}.{obj.gvk.group}" for obj in staying)
    text = ", ".join(f"{resource} has {count} resource instances" for resource, count in sorted(counts.items()))
    put("NamespaceContentRemaining", "True", "SomeResourcesRemain", f"Some resources are remaining: {text}")
    blockers = Counter(finalizer for obj in staying for finalizer in obj.metadata.finalizers)
    if blockers:
        text = ", ".join(f"{finalizer} in {count} resource instances" for finalizer, count in sorted(blockers.items()))
        message = f"Some content in the namespace has finalizers remaining: {text}"
        put("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", message)
    else:
        message = "All content-preserving finalizers finished"
        put("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", message)
