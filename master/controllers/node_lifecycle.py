"""Nodes that fall silent: their conditions become Unknown, they are tainted, and pods that do not tolerate it are moved
away.

A node shows that it lives by renewing its Lease. Kubernetes waits 40 s for that and pods tolerate another 300 s by
default; Timonel's defaults are
shorter, because a session that breaks shows it sooner than a missed poll.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import structs

from master.controllers.actions import Action, Delete, Patch, RequeueAfter, Tell
from master.controllers.controller import Key, Wake, controller
from master.controllers.pods import disrupted
from master.controllers.view import PODS_BY_NODE, View
from timonel.api import time as api_time
from timonel.api.taints import tolerates
from timonel.api.types import coordination_v1, core_v1

LEASES = "kube-node-lease"
GRACE = 7.0
"""Seconds without a renewed Lease after which a node counts as gone."""

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
}
_OURS = {NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURE.values()}


def _of_lease(lease: coordination_v1.Lease, view: View) -> Iterator[Key]:
    """Only a Lease of a node that counts as gone wakes it: the others are looked at when their time is over."""
    if lease.metadata.namespace != LEASES:
        return
    node = view.get(core_v1.Node, "", lease.metadata.name or "")
    if node is not None and ready(node) == "Unknown":
        yield Key(core_v1.Node, "", lease.metadata.name or "")


def _of_pod(pod: core_v1.Pod, view: View) -> Iterator[Key]:
    """A pod of a tainted node may have to go."""
    node = view.get(core_v1.Node, "", pod.spec.nodeName) if pod.spec.nodeName else None
    if node is not None and any(taint.effect == "NoExecute" for taint in node.spec.taints):
        yield Key(core_v1.Node, "", pod.spec.nodeName or "")


@controller(
    core_v1.Node,
    wakes_on=[Wake(coordination_v1.Lease, _of_lease), Wake(core_v1.Pod, _of_pod)],
    account="node-controller",
)
def node_lifecycle(node: core_v1.Node, view: View, now: datetime) -> Iterator[Action]:
    """Notice silence, keep the taints in step with the conditions, move pods away."""
    silent_in = GRACE - silence(node, view, now)
    if silent_in > 0:
        yield RequeueAfter(silent_in + 0.05)
    elif ready(node) != "Unknown":
        yield Patch(node, {"status": {"conditions": _unknown(node, now)}}, subresource="status")
        yield Tell(node, "NodeNotReady", f"Node {node.metadata.name} status is now: NodeNotReady")
        for pod in view.by(PODS_BY_NODE, node.metadata.name or ""):
            yield from _pod_not_ready(pod, now)
        return
    wanted = taints(node, now)
    if wanted != node.spec.taints:
        yield Patch(
            node, {"metadata": {"resourceVersion": node.metadata.resourceVersion}, "spec": {"taints": wanted or None}}
        )
        return
    if all(ready(other) == "Unknown" for other in view.list(core_v1.Node)):
        # When nobody is heard, it is more likely the master that is cut off, and there is nowhere to go to.
        yield RequeueAfter(GRACE)
        return
    for pod in view.by(PODS_BY_NODE, node.metadata.name or ""):
        yield from _evict(pod, node, now)


def silence(node: core_v1.Node, view: View, now: datetime) -> float:
    """Seconds since the node last renewed its Lease; without one, since it was made.

    A master that starts, or whose store writes again, gives every node the time to come back: what it missed itself is
    held against nobody.
    """
    lease = view.get(coordination_v1.Lease, LEASES, node.metadata.name or "")
    last = (lease.spec.renewTime if lease else None) or node.metadata.creationTimestamp
    return (now - max(api_time.parse(last), view.since)).total_seconds() if last else 0.0


def ready(node: core_v1.Node) -> str:
    """The status of the node's Ready condition: True, False, Unknown, or empty when it has none."""
    return next((condition.status for condition in node.status.conditions if condition.type == "Ready"), "")


def taints(node: core_v1.Node, now: datetime) -> list[core_v1.Taint]:
    """The taints that the node should have: others' as they are, ours as the conditions say, with the times of those
    that stay.

    A user's NoExecute taint gets the time at which it is first seen: the pods' tolerations of it count from then.
    """
    state = ready(node)
    wanted: list[tuple[str, str]] = []
    if state == "Unknown":
        wanted += [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
    elif state != "True":
        wanted += [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]
    if node.spec.unschedulable:
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    statuses = {condition.type: condition.status for condition in node.status.conditions}
    wanted += [(taint, "NoSchedule") for kind, taint in _PRESSURE.items() if statuses.get(kind) == "True"]
    present = {(taint.key, taint.effect): taint for taint in node.spec.taints}
    kept = [
        structs.replace(taint, timeAdded=api_time.text(now))
        if taint.effect == "NoExecute" and not taint.timeAdded
        else taint
        for taint in node.spec.taints
        if taint.key not in _OURS or (taint.key, taint.effect) in wanted
    ]
    new = [
        core_v1.Taint(key=key, effect=effect, timeAdded=api_time.text(now))
        for key, effect in wanted
        if (key, effect) not in present
    ]
    return kept + new


def tolerated_for(pod: core_v1.Pod, node_taints: list[core_v1.Taint]) -> float | None:
    """Seconds for which the pod tolerates all of the NoExecute taints; None is for ever, 0 not at all.

    Source: Kubernetes' documentation of taint-based eviction: the shortest of the tolerations' times counts.
    """
    shortest: float | None = None
    for taint in node_taints:
        matching = [toleration for toleration in pod.spec.tolerations if tolerates(toleration, taint)]
        if not matching:
            return 0.0
        limits = [t.tolerationSeconds for t in matching if t.tolerationSeconds is not None]
        if limits:
            limit = float(max(min(limits), 0))
            shortest = limit if shortest is None else min(shortest, limit)
    return shortest


def _evict(pod: core_v1.Pod, node: core_v1.Node, now: datetime) -> Iterator[Action]:
    executing = [taint for taint in node.spec.taints if taint.effect == "NoExecute"]
    if not executing or pod.metadata.deletionTimestamp:
        return
    seconds = tolerated_for(pod, executing)
    if seconds is None:
        return
    since = max(api_time.parse(taint.timeAdded) if taint.timeAdded else now for taint in executing)
    left = (since + timedelta(seconds=seconds) - now).total_seconds()
    if left > 0:
        yield RequeueAfter(left)
        return
    yield Tell(pod, "TaintManagerEviction", f"Marking for deletion Pod {pod.metadata.namespace}/{pod.metadata.name}")
    conditions = disrupted(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", now)
    yield Patch(
        pod, {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": conditions}}, subresource="status"
    )
    yield Delete(pod)


def _unknown(node: core_v1.Node, now: datetime) -> list[core_v1.NodeCondition]:
    """The node's conditions, all unknown. Source: Kubernetes' node lifecycle controller, its reason and message too."""
    stamp = api_time.text(now)
    kinds = [condition.type for condition in node.status.conditions] or ["Ready"]
    before = {condition.type: condition for condition in node.status.conditions}
    return [
        core_v1.NodeCondition(
            type=kind,
            status="Unknown",
            reason="NodeStatusUnknown",
            message="Kubelet stopped posting node status.",
            lastHeartbeatTime=before[kind].lastHeartbeatTime if kind in before else None,
            lastTransitionTime=stamp,
        )
        for kind in kinds
    ]


def _pod_not_ready(pod: core_v1.Pod, now: datetime) -> Iterator[Action]:
    """Nobody can say any more that the pod is ready: it gets no traffic."""
    conditions = list(pod.status.conditions)
    for number, condition in enumerate(conditions):
        if condition.type == "Ready" and condition.status == "True":
            conditions[number] = core_v1.PodCondition(
                type="Ready",
                status="False",
                reason="NodeNotReady",
                message="Node is not ready",
                lastTransitionTime=api_time.text(now),
            )
            yield Patch(
                pod, {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": conditions}}, subresource="status"
            )
