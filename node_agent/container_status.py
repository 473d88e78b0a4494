"""A container's status from what is observed, in the kubelet's words. Pure."""

from datetime import datetime

from node_agent.lifecycle import TERMINAL_PHASES, View, is_going
from node_agent.observed import LABEL_IMAGE, has_completed, has_ended, is_running
from node_agent.pod_spec import all_statuses
from node_agent.resizes import changed
from node_agent.restarts import current_backoff, in_pull_backoff, restart_at, wants_restart
from node_agent.runtimes.base import Container
from timonel.api.podresources import is_sidecar
from timonel.api.time import text as to_text
from timonel.api.types import core_v1

SCHEME = "docker://"


def container_status(view: View, spec: core_v1.Container, now: datetime) -> core_v1.ContainerStatus:
    """The status of one container of the pod."""
    latest = view.latest(spec.name)
    before = _known(view, spec.name)
    if latest is None and before is not None and _keeps(view, before):
        before.ready = before.ready and spec.name in view.init_names and not is_sidecar(spec)
        return before
    state = _state(view, spec, latest, now)
    status = core_v1.ContainerStatus(
        name=spec.name,
        image=latest.image if latest is not None else spec.image,
        state=state,
        lastState=_last_state(view, spec, latest, state, before),
        ready=is_ready(view, spec, latest),
        started=latest is not None and view.is_started(spec, latest),
        volumeMounts=[_mount_status(m) for m in spec.volumeMounts],
    )
    if latest is not None:
        status.restartCount = latest.attempt
        status.imageID = image_id(latest)
        status.containerID = SCHEME + latest.id
    elif before is not None:
        status.restartCount = before.restartCount
    if state.running is not None and latest is not None:
        waits = bool(changed(view.pod, spec, latest)) and before is not None and before.resources is not None
        status.resources = before.resources if waits and before else spec.resources
        status.allocatedResources = spec.resources.requests
        if waits and before and view.observed.hindrance:
            status.allocatedResources = before.allocatedResources
    return status


def image_id(container: Container) -> str:
    """The digest by which all can pull the image, else the id that only this machine knows; dockershim's words."""
    digest = container.labels.get(LABEL_IMAGE)
    return f"docker-pullable://{digest}" if digest else SCHEME + container.image_id


def is_ready(view: View, spec: core_v1.Container, latest: Container | None) -> bool:
    """Whether the container counts as ready; an init container is ready when it has completed."""
    if latest is None:
        return False
    if spec.name in view.init_names and not is_sidecar(spec):
        return has_completed(latest)
    if not view.is_started(spec, latest):
        return False
    health = view.observed.health.get(latest.id)
    return spec.readinessProbe is None or (health is not None and health.ready)


def terminated(view: View, container: Container) -> core_v1.ContainerState:
    """The state of a container that has ended."""
    if container.oom_killed:
        reason = "OOMKilled"
    elif container.started is None:
        reason = "ContainerCannotRun"
    else:
        reason = "Completed" if container.exit_code == 0 else "Error"
    message = view.observed.messages.get(container.id) or container.message
    return core_v1.ContainerState(
        terminated=core_v1.ContainerStateTerminated(
            exitCode=container.exit_code,
            reason=reason,
            message=message,
            startedAt=to_text(container.started or container.created),
            finishedAt=to_text(container.finished or container.created),
            containerID=SCHEME + container.id,
        )
    )


def _state(view: View, spec: core_v1.Container, latest: Container | None, now: datetime) -> core_v1.ContainerState:
    if latest is not None and is_running(latest) and not view.in_hook(spec.name):
        started = to_text(latest.started or latest.created)
        return core_v1.ContainerState(running=core_v1.ContainerStateRunning(startedAt=started))
    if latest is not None and has_ended(latest):
        return _waiting_to_restart(view, spec, latest, now) or terminated(view, latest)
    return _waiting_first(view, spec, now)


def _waiting_first(view: View, spec: core_v1.Container, now: datetime) -> core_v1.ContainerState:
    if (failed := _failed(view, spec, now)) is not None:
        return failed
    initialising = bool(view.pod.spec.initContainers) and not view.initialised()
    return _waiting("PodInitializing" if initialising else "ContainerCreating", view.observed.pulls.get(spec.name, ""))


def _waiting_to_restart(
    view: View, spec: core_v1.Container, ended: Container, now: datetime
) -> core_v1.ContainerState | None:
    """Why an ended container that is to be started again is not yet."""
    if is_going(view.pod, view.observed) or not wants_restart(view.pod, spec, ended.exit_code):
        return None
    if spec.name in view.init_names and not is_sidecar(spec) and ended.exit_code == 0:
        return None
    if now < restart_at(spec, ended):
        pod = view.pod.metadata
        seconds = _go_duration(current_backoff(spec, ended))
        where = f"container={spec.name} pod={pod.name}_{pod.namespace}({pod.uid})"
        return _waiting("CrashLoopBackOff", f"back-off {seconds} restarting failed {where}")
    return _failed(view, spec, now)


def _failed(view: View, spec: core_v1.Container, now: datetime) -> core_v1.ContainerState | None:
    """Why the container's image or the container itself cannot be had."""
    failures = view.observed.failures
    failure = failures.get(("image", spec.name)) or failures.get(("container", spec.name))
    if failure is None:
        return None
    if in_pull_backoff(failure, now):
        return _waiting(
            "ImagePullBackOff", f'Back-off pulling image "{spec.image}": {failure.reason}: {failure.message}'
        )
    return _waiting(failure.reason, failure.message)


def _waiting(reason: str, message: str) -> core_v1.ContainerState:
    return core_v1.ContainerState(waiting=core_v1.ContainerStateWaiting(reason=reason, message=message))


def _last_state(
    view: View,
    spec: core_v1.Container,
    latest: Container | None,
    state: core_v1.ContainerState,
    before: core_v1.ContainerStatus | None,
) -> core_v1.ContainerState:
    """How the attempt before the one in ``state`` ended."""
    if latest is not None and has_ended(latest) and state.terminated is None:
        return terminated(view, latest)
    attempts = (c for c in view.observed.runtime.containers if c.name == spec.name and c is not latest and has_ended(c))
    ended = max(attempts, key=lambda c: c.attempt, default=None)
    if ended is not None:
        return terminated(view, ended)
    if before is None:
        return core_v1.ContainerState()
    if before.state.terminated is not None and latest is None:
        return before.state
    return before.lastState


def _known(view: View, name: str) -> core_v1.ContainerStatus | None:
    return next((s for s in all_statuses(view.observed.previous) if s.name == name), None)


def _keeps(view: View, before: core_v1.ContainerStatus) -> bool:
    """Whether a container that was removed with its pod keeps the status of its end."""
    ended = before.state.terminated is not None
    return ended and (is_going(view.pod, view.observed) or view.observed.previous.phase in TERMINAL_PHASES)


def _mount_status(mount: core_v1.VolumeMount) -> core_v1.VolumeMountStatus:
    return core_v1.VolumeMountStatus(
        name=mount.name,
        mountPath=mount.mountPath,
        readOnly=mount.readOnly,
        recursiveReadOnly="Disabled" if mount.readOnly else None,
    )


def _go_duration(seconds: int) -> str:
    """As Go prints whole seconds: 40s, 1m20s, 5m0s."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
