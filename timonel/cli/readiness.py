"""Whether an object has become what it is to be: pure judgements of its status."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

Object = dict[str, Any]


class Stage(Enum):
    """How far an object is."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an object is, in words."""

    stage: Stage
    text: str

    @property
    def ready(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.stage is Stage.READY


def progress(obj: Object) -> Progress:
    """How far an object of any kind is; kinds that do nothing by themselves are ready as soon as they exist."""
    match obj.get("kind"):
        case "Deployment":
            return deployment(obj)
        case "StatefulSet":
            return _stateful_set(obj)
        case "ReplicaSet" | "ReplicationController":
            return _replicas(obj)
        case "DaemonSet":
            return _daemon_set(obj)
        case "Pod":
            return pod(obj)
        case "Job":
            return _job(obj)
        case "Namespace":
            return _phase(obj, "Active")
        case "PersistentVolumeClaim":
            return _phase(obj, "Bound")
    return Progress(Stage.READY, "")


def deployment(obj: Object) -> Progress:
    """A rollout, in the words of `kubectl rollout status`."""
    name, spec, status = obj["metadata"]["name"], obj["spec"], obj.get("status") or {}
    if not _observed(obj):
        return Progress(Stage.WAITING, "Waiting for deployment spec update to be observed...")
    if (condition(obj, "Progressing") or {}).get("reason") == "ProgressDeadlineExceeded":
        return Progress(Stage.FAILED, f'deployment "{name}" exceeded its progress deadline')
    wanted = spec.get("replicas", 1)
    replicas, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    waiting = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wanted:
        return Progress(Stage.WAITING, f"{waiting} {updated} out of {wanted} new replicas have been updated...")
    if replicas > updated:
        return Progress(Stage.WAITING, f"{waiting} {replicas - updated} old replicas are pending termination...")
    if available < updated:
        return Progress(Stage.WAITING, f"{waiting} {available} of {updated} updated replicas are available...")
    return Progress(Stage.READY, f'deployment "{name}" successfully rolled out')


def pod(obj: Object) -> Progress:
    """Ready, or ended well."""
    phase = (obj.get("status") or {}).get("phase", "Pending")
    if phase == "Failed":
        return Progress(Stage.FAILED, pod_word(obj))
    if phase == "Succeeded" or (condition(obj, "Ready") or {}).get("status") == "True":
        return Progress(Stage.READY, phase)
    word = pod_word(obj)
    return Progress(Stage.WAITING, "Running, not ready" if word == "Running" else word)


def pod_word(obj: Object) -> str:
    """A pod's state in one word: its phase, or what keeps a container from running."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    for container in _containers(status):
        state = container.get("state") or {}
        held = state.get("waiting") or {}
        if held.get("reason") and held["reason"] not in ("ContainerCreating", "PodInitializing"):
            return str(held["reason"])
        ended = state.get("terminated") or {}
        if ended.get("exitCode"):
            return str(ended.get("reason") or "Error")
    return str(status.get("reason") or status.get("phase") or "Pending")


def trouble(obj: Object) -> str:
    """What keeps a pod from being ready, in words; empty when nothing is known to."""
    status = obj.get("status") or {}
    scheduled = condition(obj, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        return str(scheduled.get("message") or scheduled.get("reason") or "not scheduled")
    for container in _containers(status):
        state = container.get("state") or {}
        held, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if held.get("message"):
            return f"{container['name']}: {held['message']}"
        if ended.get("exitCode"):
            return f"{container['name']}: exited with {ended['exitCode']} {ended.get('message') or ''}".strip()
    return str(status.get("message") or "")


def condition(obj: Object, kind: str) -> Object | None:
    """The condition of that type, if the object has one."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type", "").lower() == kind.lower()), None)


def _containers(status: Object) -> list[Object]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _observed(obj: Object) -> bool:
    """Whether the status is of the newest spec."""
    return int((obj.get("status") or {}).get("observedGeneration", 0)) >= int(obj["metadata"].get("generation", 0))


def _replicas(obj: Object) -> Progress:
    wanted, status = obj["spec"].get("replicas", 1), obj.get("status") or {}
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", wanted)
    done = _observed(obj) and ready >= wanted and updated >= wanted
    return Progress(Stage.READY if done else Stage.WAITING, f"{ready} of {wanted} replicas are ready")


def _stateful_set(obj: Object) -> Progress:
    """A rollout, in the words of `kubectl rollout status`."""
    spec, status = obj["spec"], obj.get("status") or {}
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    if not _observed(obj) or not status.get("observedGeneration"):
        return Progress(Stage.WAITING, "Waiting for statefulset spec update to be observed...")
    if (ready := status.get("readyReplicas", 0)) < wanted:
        return Progress(Stage.WAITING, f"Waiting for {wanted - ready} pods to be ready...")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Progress(Stage.READY, f"{ready} of {wanted} replicas are ready")
    moved = wanted - (strategy.get("rollingUpdate") or {}).get("partition", 0)
    if updated < moved:
        waiting = "Waiting for partitioned roll out to finish:"
        return Progress(Stage.WAITING, f"{waiting} {updated} out of {moved} new pods have been updated...")
    return Progress(Stage.READY, f"partitioned roll out complete: {updated} new pods have been updated...")


def _daemon_set(obj: Object) -> Progress:
    """A rollout, in the words of `kubectl rollout status`."""
    name, status = obj["metadata"]["name"], obj.get("status") or {}
    wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    available = status.get("numberAvailable", 0)
    if not _observed(obj):
        return Progress(Stage.WAITING, "Waiting for daemon set spec update to be observed...")
    waiting = f'Waiting for daemon set "{name}" rollout to finish:'
    on_delete = (obj["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
    if updated < wanted and not on_delete:
        return Progress(Stage.WAITING, f"{waiting} {updated} out of {wanted} new pods have been updated...")
    if available < wanted:
        return Progress(Stage.WAITING, f"{waiting} {available} of {wanted} updated pods are available...")
    return Progress(Stage.READY, f'daemon set "{name}" successfully rolled out')


def _job(obj: Object) -> Progress:
    failed = condition(obj, "Failed") or {}
    if failed.get("status") == "True":
        return Progress(Stage.FAILED, str(failed.get("message") or "failed"))
    done = (condition(obj, "Complete") or {}).get("status") == "True"
    return Progress(Stage.READY if done else Stage.WAITING, "complete" if done else "running")


def _phase(obj: Object, wanted: str) -> Progress:
    phase = (obj.get("status") or {}).get("phase", "")
    return Progress(Stage.READY if phase == wanted else Stage.WAITING, phase)
