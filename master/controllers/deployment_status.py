"""What a Deployment's status says: figures, and the conditions Available, Progressing and ReplicaFailure in Kubernetes'
words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from master.controllers.rollout import Bounds
from timonel.api import time as api_time
from timonel.api.types import apps_v1

NO_DEADLINE = 2**31 - 1
DEFAULT_DEADLINE = 600


def status_of(
    deploy: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    sets: Sequence[apps_v1.ReplicaSet],
    limits: Bounds,
    now: datetime,
) -> apps_v1.DeploymentStatus:
    """The status that the ReplicaSets amount to."""
    total = sum(rs.status.replicas for rs in sets)
    available = sum(rs.status.availableReplicas for rs in sets)
    status = apps_v1.DeploymentStatus(
        observedGeneration=deploy.metadata.generation,
        replicas=total,
        updatedReplicas=(new.status.replicas if new else 0),
        readyReplicas=sum(rs.status.readyReplicas for rs in sets),
        availableReplicas=available,
        unavailableReplicas=max(sum(_wanted(rs) for rs in sets) - available, 0),
        terminatingReplicas=sum(rs.status.terminatingReplicas or 0 for rs in sets),
        collisionCount=deploy.status.collisionCount,
        conditions=list(deploy.status.conditions),
    )
    enough = available >= limits.least
    _set(
        status,
        "Available",
        "True" if enough else "False",
        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        now,
    )
    _set_progress(deploy, new, status, limits, now)
    _set_failure(status, sets, now)
    return status


def deadline_in(deploy: apps_v1.Deployment, status: apps_v1.DeploymentStatus, now: datetime) -> float | None:
    """Seconds until a rollout under way counts as stuck; None when none is under way."""
    condition = _get(status, "Progressing")
    if condition is None or condition.status != "True" or condition.reason == "NewReplicaSetAvailable":
        return None
    at = _deadline(deploy, condition)
    return None if at is None else max((at - now).total_seconds(), 0.0) + 0.1


def _wanted(rs: apps_v1.ReplicaSet) -> int:
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def _set_progress(
    deploy: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    status: apps_v1.DeploymentStatus,
    limits: Bounds,
    now: datetime,
) -> None:
    if (deploy.spec.progressDeadlineSeconds or DEFAULT_DEADLINE) == NO_DEADLINE:
        status.conditions = [c for c in status.conditions if c.type != "Progressing"]
        return
    current = _get(deploy.status, "Progressing")
    if deploy.spec.paused:
        if current is None or current.reason != "DeploymentPaused":
            _set(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now)
        return
    if current is not None and current.reason == "DeploymentPaused":
        _set(status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now)
        return
    subject = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deploy.metadata.name}"'
    same_rollout = current is not None and deploy.status.observedGeneration == deploy.metadata.generation
    if new is not None and _complete(status, limits):
        _set(status, "Progressing", "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed.", now)
    elif same_rollout and current is not None and current.reason == "NewReplicaSetAvailable":
        return  # A finished rollout that lost a pod is not a rollout.
    elif current is None or not same_rollout or _moved(deploy.status, status):
        _set(status, "Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now, touch=True)
    elif current.status == "True" and (at := _deadline(deploy, current)) is not None and at <= now:
        _set(status, "Progressing", "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.", now)


def _set_failure(status: apps_v1.DeploymentStatus, sets: Sequence[apps_v1.ReplicaSet], now: datetime) -> None:
    failure = next((c for rs in sets for c in rs.status.conditions if c.type == "ReplicaFailure"), None)
    if failure is None:
        status.conditions = [c for c in status.conditions if c.type != "ReplicaFailure"]
    else:
        _set(status, "ReplicaFailure", failure.status, failure.reason or "", failure.message, now)


def _complete(status: apps_v1.DeploymentStatus, limits: Bounds) -> bool:
    return status.updatedReplicas == (status.replicas or 0) == status.availableReplicas == limits.replicas


def _moved(before: apps_v1.DeploymentStatus, after: apps_v1.DeploymentStatus) -> bool:
    def old(status: apps_v1.DeploymentStatus) -> int:
        return (status.replicas or 0) - status.updatedReplicas

    return (
        after.updatedReplicas > before.updatedReplicas
        or old(after) < old(before)
        or after.readyReplicas > before.readyReplicas
        or after.availableReplicas > before.availableReplicas
    )


def _deadline(deploy: apps_v1.Deployment, condition: apps_v1.DeploymentCondition) -> datetime | None:
    seconds = deploy.spec.progressDeadlineSeconds or DEFAULT_DEADLINE
    if seconds == NO_DEADLINE or not condition.lastUpdateTime:
        return None
    return api_time.parse(condition.lastUpdateTime) + timedelta(seconds=seconds)


def _get(status: apps_v1.DeploymentStatus, kind: str) -> apps_v1.DeploymentCondition | None:
    return next((c for c in status.conditions if c.type == kind), None)


def _set(
    status: apps_v1.DeploymentStatus,
    kind: str,
    value: str,
    reason: str,
    message: str,
    now: datetime,
    *,
    touch: bool = False,
) -> None:
    """Set a condition; its times move only with what they stand for (`touch` moves the update time regardless)."""
    current = _get(status, kind)
    stamp = api_time.text(now)
    if (
        current is not None
        and (current.status, current.reason, current.message) == (value, reason, message)
        and not touch
    ):
        return
    since = current.lastTransitionTime if current is not None and current.status == value else stamp
    status.conditions = [c for c in status.conditions if c.type != kind] + [
        apps_v1.DeploymentCondition(
            type=kind, status=value, reason=reason, message=message, lastUpdateTime=stamp, lastTransitionTime=since
        )
    ]
