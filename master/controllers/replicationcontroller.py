"""ReplicationControllers: what ReplicaSets were before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action
from master.controllers.controller import controlled_by, controller
from master.controllers.replicas import failed, orphans_wake, replicate
from master.controllers.view import View
from timonel.api.types import core_v1


@controller(
    core_v1.ReplicationController,
    wakes_on=[controlled_by(core_v1.ReplicationController, core_v1.Pod), orphans_wake(core_v1.ReplicationController)],
    on_failure=failed,
    account="replication-controller",
)
def replicationcontroller(rc: core_v1.ReplicationController, view: View, now: datetime) -> Iterator[Action]:
    """Keep spec.replicas live pods."""
    yield from replicate(rc, view, now)
