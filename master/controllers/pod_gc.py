"""Pods whose node is gone from the cluster: nobody is left to end them, so they are removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Delete, Patch
from master.controllers.controller import Wake, controller, key_of
from master.controllers.pods import disrupted
from master.controllers.view import PODS_BY_NODE, View
from timonel.api.types import core_v1


@controller(
    core_v1.Pod,
    wakes_on=[Wake(core_v1.Node, lambda node, view: map(key_of, view.by(PODS_BY_NODE, node.metadata.name or "")))],
    account="pod-garbage-collector",
)
def pod_gc(pod: core_v1.Pod, view: View, now: datetime) -> Iterator[Action]:
    """Remove a pod that is bound to a node that does not exist; it has failed, unless it had ended before."""
    meta = pod.metadata
    if not pod.spec.nodeName or view.get(core_v1.Node, "", pod.spec.nodeName) is not None:
        return
    if meta.deletionTimestamp and meta.deletionGracePeriodSeconds == 0:
        return
    if pod.status.phase not in ("Succeeded", "Failed"):
        conditions = disrupted(pod, "DeletionByPodGC", "PodGC: node no longer exists", now)
        status = {"phase": "Failed", "conditions": conditions}
        yield Patch(pod, {"metadata": {"uid": meta.uid}, "status": status}, subresource="status")
    yield Delete(pod, grace_seconds=0)
