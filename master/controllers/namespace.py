"""Namespaces: deleting one deletes all that is in it, then the namespace itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Delete, RequeueAfter, SetStatus, Update
from master.controllers.controller import controller
from master.controllers.view import View
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.types import core_v1

FINALIZER = "kubernetes"
LOOK_AGAIN = 0.5
"""Seconds between looks while something is left: waking on every object of every kind would cost all namespaces."""

_CONTENT = "NamespaceContentRemaining"
_FINALIZERS = "NamespaceFinalizersRemaining"


@controller(core_v1.Namespace)
def namespace(ns: core_v1.Namespace, view: View, now: datetime) -> Iterator[Action]:
    """Empty a namespace that is being deleted; let it go once it is empty."""
    if not ns.metadata.deletionTimestamp or FINALIZER not in ns.spec.finalizers:
        return
    name = ns.metadata.name or ""
    left = [obj for kind in view.kinds() if view.namespaced(kind) for obj in view.list(kind, name)]
    yield from (Delete(obj, propagation="Background") for obj in left if not obj.metadata.deletionTimestamp)
    if not left:
        released = codec.copy(ns)
        released.spec.finalizers.remove(FINALIZER)
        yield Update(released, subresource="finalize")
        return
    yield RequeueAfter(LOOK_AGAIN)
    counts: dict[str, int] = {}
    blockers: dict[str, int] = {}
    for obj in left:
        counts[obj.kind] = counts.get(obj.kind, 0) + 1
        for finalizer in obj.metadata.finalizers:
            blockers[finalizer] = blockers.get(finalizer, 0) + 1
    conditions = [
        _condition(
            ns,
            _CONTENT,
            "SomeResourcesRemain",
            "Some resources are remaining: "
            + ", ".join(f"{kind} has {count} resource instances" for kind, count in sorted(counts.items())),
            now,
        )
    ]
    if blockers:
        text = ", ".join(f"{finalizer} in {count} resource instances" for finalizer, count in sorted(blockers.items()))
        conditions.append(
            _condition(
                ns,
                _FINALIZERS,
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {text}",
                now,
            )
        )
    if [_shown(c) for c in conditions] != [_shown(c) for c in ns.status.conditions]:
        told = codec.copy(ns)
        told.status.conditions = conditions
        yield SetStatus(told)


def _condition(
    ns: core_v1.Namespace, kind: str, reason: str, message: str, now: datetime
) -> core_v1.NamespaceCondition:
    known = next((c for c in ns.status.conditions if c.type == kind and c.status == "True"), None)
    since = known.lastTransitionTime if known else api_time.text(now)
    return core_v1.NamespaceCondition(
        type=kind, status="True", reason=reason, message=message, lastTransitionTime=since
    )


def _shown(condition: core_v1.NamespaceCondition) -> tuple[str, str | None]:
    return condition.type, condition.message
