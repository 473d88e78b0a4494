"""What `kubectl get pods` says of a pod (Kubernetes' printers/internalversion)."""

from collections.abc import Iterator
from datetime import UTC, datetime

from timonel.api import time
from timonel.api.podresources import is_sidecar
from timonel.api.types import core_v1

NODE_LOST = "NodeLost"
GATED = "SchedulingGated"


def ready(pod: core_v1.Pod) -> str:
    """How many containers are ready, of how many; sidecars count."""
    sidecars = {container.name for container in pod.spec.initContainers if is_sidecar(container)}
    statuses = [status for status in pod.status.initContainerStatuses if status.name in sidecars]
    statuses += pod.status.containerStatuses
    running = sum(bool(status.ready and status.state.running) for status in pod.status.containerStatuses)
    running += sum(bool(status.ready) for status in statuses[: len(statuses) - len(pod.status.containerStatuses)])
    return f"{running}/{len(pod.spec.containers) + len(sidecars)}"


def reason(pod: core_v1.Pod) -> str:
    """One word for how the pod is: the phase, or what keeps it from going on."""
    status = pod.status
    shown = status.reason or status.phase
    for condition in status.conditions:
        if condition.type == "PodScheduled" and condition.reason == GATED:
            shown = GATED
    initializing = _initializing(pod)
    if initializing:
        shown = initializing
    if not initializing or _is_initialized(pod):
        shown = _of_containers(pod, shown)
    if pod.metadata.deletionTimestamp:
        if status.reason == NODE_LOST:
            return "Unknown"
        if status.phase not in ("Succeeded", "Failed"):
            return "Terminating"
    return shown


def _initializing(pod: core_v1.Pod) -> str:
    """What the first init container that is not through says; empty when all are."""
    sidecars = {container.name for container in pod.spec.initContainers if is_sidecar(container)}
    for number, container in enumerate(pod.status.initContainerStatuses):
        state = container.state
        if state.terminated and state.terminated.exitCode == 0:
            continue
        if container.name in sidecars and container.started:
            continue
        if state.terminated:
            return f"Init:{_ended(state.terminated)}"
        if state.waiting and state.waiting.reason and state.waiting.reason != "PodInitializing":
            return f"Init:{state.waiting.reason}"
        return f"Init:{number}/{len(pod.spec.initContainers)}"
    return ""


def _of_containers(pod: core_v1.Pod, shown: str) -> str:
    """What the containers make of the pod's word: the first one that is in trouble has it."""
    running = False
    for container in reversed(pod.status.containerStatuses):
        state = container.state
        if state.waiting and state.waiting.reason:
            shown = state.waiting.reason
        elif state.terminated:
            shown = _ended(state.terminated)
        elif container.ready and state.running:
            running = True
    if shown == "Completed" and running:
        return "Running" if _has_condition(pod, "Ready") else "NotReady"
    return shown


def _ended(state: core_v1.ContainerStateTerminated) -> str:
    if state.reason:
        return state.reason
    return f"Signal:{state.signal}" if state.signal else f"ExitCode:{state.exitCode}"


def _is_initialized(pod: core_v1.Pod) -> bool:
    return _has_condition(pod, "Initialized")


def _has_condition(pod: core_v1.Pod, kind: str) -> bool:
    return any(condition.type == kind and condition.status == "True" for condition in pod.status.conditions)


def restarts(pod: core_v1.Pod) -> str:
    """How often containers were restarted, and how long ago last."""
    counted = list(_counted(pod))
    total = sum(container.restartCount for container in counted)
    ends = [
        container.lastState.terminated.finishedAt
        for container in counted
        if container.lastState.terminated and container.lastState.terminated.finishedAt
    ]
    if not total or not ends:
        return str(total)
    ago = (datetime.now(UTC) - max(time.parse(end) for end in ends)).total_seconds()
    return f"{total} ({time.human_duration(ago)} ago)"


def _counted(pod: core_v1.Pod) -> Iterator[core_v1.ContainerStatus]:
    """The containers whose restarts count: at first the init containers, later sidecars and the main ones."""
    if _initializing(pod) and not _is_initialized(pod):
        yield from pod.status.initContainerStatuses
        return
    sidecars = {container.name for container in pod.spec.initContainers if is_sidecar(container)}
    yield from (status for status in pod.status.initContainerStatuses if status.name in sidecars)
    yield from pod.status.containerStatuses
