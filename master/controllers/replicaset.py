"""ReplicaSets: as many live pods as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action
from master.controllers.controller import controlled_by, controller
from master.controllers.pods import is_active
from master.controllers.replicas import failed, orphans_wake, replicate
from master.controllers.view import View, owned
from timonel.api.meta import controller_of
from timonel.api.types import apps_v1, core_v1


@controller(
    apps_v1.ReplicaSet,
    wakes_on=[controlled_by(apps_v1.ReplicaSet, core_v1.Pod), orphans_wake(apps_v1.ReplicaSet)],
    on_failure=failed,
)
def replicaset(rs: apps_v1.ReplicaSet, view: View, now: datetime) -> Iterator[Action]:
    """Keep spec.replicas live pods."""
    yield from replicate(rs, view, now, _kin(rs, view))


def _kin(rs: apps_v1.ReplicaSet, view: View) -> Iterator[core_v1.Pod]:
    """The live pods of the other ReplicaSets of the same owner: a surplus is taken from where these are many."""
    reference = controller_of(rs)
    if reference is None:
        return
    for other in view.list(apps_v1.ReplicaSet, rs.metadata.namespace or ""):
        theirs = controller_of(other)
        if theirs and theirs.uid == reference.uid and other.metadata.uid != rs.metadata.uid:
            yield from filter(is_active, owned(view, other, core_v1.Pod))
