"""Pods whose node is gone from the cluster: nobody is left to end them, so they are removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Delete
from master.controllers.controller import Wake, controller, key_of
from master.controllers.view import PODS_BY_NODE, View
from timonel.api.types import core_v1


@controller(
    core_v1.Pod,
    wakes_on=[Wake(core_v1.Node, lambda node, view: map(key_of, view.by(PODS_BY_NODE, node.metadata.name or "")))],
    account="pod-garbage-collector",
)
def pod_gc(pod: core_v1.Pod, view: View, now: datetime) -> Iterator[Action]:
    """Remove a pod that is bound to a node that does not exist."""
    if pod.spec.nodeName and view.get(core_v1.Node, "", pod.spec.nodeName) is None:
        yield Delete(pod, grace_seconds=0)
