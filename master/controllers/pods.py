"""What the workload controllers ask of pods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from timonel.api import time as api_time
from timonel.api.types import core_v1


def is_active(pod: core_v1.Pod) -> bool:
    """Whether the pod runs, or is going to, and is not being deleted. Source: Kubernetes' IsPodActive."""
    return pod.status.phase not in ("Succeeded", "Failed") and not pod.metadata.deletionTimestamp


def condition(pod: core_v1.Pod, kind: str) -> core_v1.PodCondition | None:
    """The pod's condition of that type, if it has one."""
    return next((c for c in pod.status.conditions if c.type == kind), None)


def is_ready(pod: core_v1.Pod) -> bool:
    """Whether the pod's Ready condition is true."""
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def available_at(pod: core_v1.Pod, min_ready_seconds: int) -> datetime | None:
    """When a ready pod counts as available; None while it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True" or not ready.lastTransitionTime:
        return None
    return api_time.parse(ready.lastTransitionTime) + timedelta(seconds=min_ready_seconds)


def is_available(pod: core_v1.Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Whether the pod has been ready for at least that long."""
    at = available_at(pod, min_ready_seconds)
    return is_ready(pod) and (not min_ready_seconds or (at is not None and at <= now))


def next_available(pods: Iterable[core_v1.Pod], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the next ready pod becomes available; None when none is on its way."""
    waits = [(at - now).total_seconds() for pod in pods if (at := available_at(pod, min_ready_seconds)) and at > now]
    return min(waits, default=None)


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def victims(pods: Sequence[core_v1.Pod], keep: int, crowd: Iterable[core_v1.Pod] = ()) -> list[core_v1.Pod]:
    """The pods to delete so that `keep` stay, those that are missed least first.

    `crowd`: pods of the same owner family; a pod on a node with more of them goes sooner. Source: Kubernetes'
    ActivePodsWithRanks.
    """
    on_node: dict[str, int] = {}
    for pod in (*pods, *crowd):
        if pod.spec.nodeName:
            on_node[pod.spec.nodeName] = on_node.get(pod.spec.nodeName, 0) + 1

    def worth(pod: core_v1.Pod) -> tuple[bool, int, bool, int, int, float, int, float]:
        at = available_at(pod, 0)
        restarts = max((status.restartCount for status in pod.status.containerStatuses), default=0)
        return (
            bool(pod.spec.nodeName),
            _PHASES.get(pod.status.phase or "Pending", 0),
            is_ready(pod),
            _deletion_cost(pod),
            -on_node.get(pod.spec.nodeName or "", 0),
            -at.timestamp() if at else 0.0,
            -restarts,
            -_created(pod),
        )

    return sorted(pods, key=worth)[: max(len(pods) - keep, 0)]


def _deletion_cost(pod: core_v1.Pod) -> int:
    try:
        return int(pod.metadata.annotations.get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        return 0


def _created(pod: core_v1.Pod) -> float:
    return api_time.parse(pod.metadata.creationTimestamp).timestamp() if pod.metadata.creationTimestamp else 0.0


def disrupted(pod: core_v1.Pod, reason: str, message: str, now: datetime) -> list[core_v1.PodCondition]:
    """The pod's conditions, with one that says why it is taken away."""
    target = core_v1.PodCondition(
        type="DisruptionTarget",
        status="True",
        reason=reason,
        message=message,
        lastTransitionTime=api_time.text(now),
        observedGeneration=pod.metadata.generation,
    )
    return [*(condition for condition in pod.status.conditions if condition.type != target.type), target]
