"""Decides what a pod needs next. Pure: from the pod, what is observed and the time to the steps wanted now.

The decision is level-triggered: it is made anew whenever anything changed, names every step that is still wanted (also
those under way), and reaches a fixed point. A pod goes one way: sandbox, volumes and images; init containers in order;
main containers; then down again. Only a new sandbox begins the way again.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from node_agent.observed import LABEL_SANDBOX_ATTEMPT, Observed, has_completed, has_ended, is_running, number_label
from node_agent.pod_spec import all_statuses, container_specs, from_ephemeral, uses_pod_address
from node_agent.resizes import changed, restarts, wanted
from node_agent.restarts import is_outdated, next_backoff, next_look, restart_at, wants_restart
from node_agent.runtimes.base import Container, Sandbox
from node_agent.steps import (
    CreateContainer,
    EnsureImage,
    Finish,
    MountVolumes,
    PlugNetwork,
    Release,
    RemoveContainer,
    RemoveSandbox,
    ResizeContainer,
    RunSandbox,
    StartContainer,
    Step,
    StopContainer,
    StopReason,
    StopSandbox,
    Wake,
)
from timonel.api.podresources import is_sidecar
from timonel.api.time import parse as parse_time
from timonel.api.types import core_v1

DEFAULT_GRACE = 30
ORPHAN_GRACE = 1
ENDED_KEPT = 1
"""Ended containers kept of each name beside the latest, for ``logs --previous``."""

TERMINAL_PHASES = ("Succeeded", "Failed")


def decide(pod: core_v1.Pod | None, observed: Observed, now: datetime) -> list[Step]:
    """The steps wanted now. ``pod`` is None for what runs here but belongs to no known pod: that is taken down."""
    view = View(pod, observed)
    if is_going(pod, observed):
        steps = _take_away(view, now)
    elif pod is not None and is_over(pod, observed, now):
        steps = _wind_down(view, now)
    else:
        steps = _keep_running(view, now)
    return _due(steps, observed, now)


def is_going(pod: core_v1.Pod | None, observed: Observed) -> bool:
    """Whether nothing of the pod shall stay on the node."""
    return pod is None or not observed.assigned or pod.metadata.deletionTimestamp is not None


def is_over(pod: core_v1.Pod, observed: Observed, now: datetime) -> bool:
    """Whether the pod has come to its end: completed, failed for good, or past its deadline."""
    if observed.previous.phase in TERMINAL_PHASES or past_deadline(pod, observed, now):
        return True
    view = View(pod, observed)
    return view.init_failed() or not view.wants_to_run()


def past_deadline(pod: core_v1.Pod, observed: Observed, now: datetime) -> bool:
    """Whether activeDeadlineSeconds have passed since the pod's start."""
    deadline = deadline_of(pod, observed)
    return deadline is not None and now >= deadline


def deadline_of(pod: core_v1.Pod, observed: Observed) -> datetime | None:
    """When the pod must have ended, if it has such a time."""
    if pod.spec.activeDeadlineSeconds is None or observed.previous.startTime is None:
        return None
    return parse_time(observed.previous.startTime) + timedelta(seconds=pod.spec.activeDeadlineSeconds)


def grace_seconds(pod: core_v1.Pod | None, observed: Observed) -> int:
    """How long the pod's containers may take to end, at least 1 s as with the kubelet."""
    if pod is None:
        return ORPHAN_GRACE
    if pod.metadata.deletionTimestamp is not None and pod.metadata.deletionGracePeriodSeconds is not None:
        return max(pod.metadata.deletionGracePeriodSeconds, 1)
    grace = pod.spec.terminationGracePeriodSeconds
    return max(DEFAULT_GRACE if grace is None else grace, 1)


class View:
    """The pod and what is observed of it, with the questions that decisions and status both ask."""

    def __init__(self, pod: core_v1.Pod | None, observed: Observed) -> None:
        self.known = pod
        self.pod = pod or core_v1.Pod()
        self.observed = observed
        self.init_names = {c.name for c in self.pod.spec.initContainers}
        self._latest: dict[str, Container] = {}
        for container in observed.runtime.containers:
            known = self._latest.get(container.name)
            if known is None or container.attempt > known.attempt:
                self._latest[container.name] = container
        self.sandbox: Sandbox | None = max(observed.runtime.sandboxes, key=lambda s: s.attempt, default=None)

    def latest(self, name: str) -> Container | None:
        """The newest attempt of the container."""
        return self._latest.get(name)

    def current(self, name: str) -> Container | None:
        """The newest attempt, if it was made in the newest sandbox."""
        container = self._latest.get(name)
        return container if container is not None and self.in_current_sandbox(container) else None

    def in_current_sandbox(self, container: Container) -> bool:
        """Whether the container joins the newest sandbox."""
        if self.sandbox is None:
            return False
        attempt = number_label(container, LABEL_SANDBOX_ATTEMPT)
        return attempt is None or attempt == self.sandbox.attempt

    @property
    def starting(self) -> bool:
        """Whether the newest sandbox is being started by us right now."""
        step = self.observed.busy.get(("sandbox",))
        return isinstance(step, RunSandbox) and self.sandbox is not None and step.attempt == self.sandbox.attempt

    @property
    def networked(self) -> bool:
        """Whether the newest sandbox runs and has its address."""
        if self.sandbox is None or not self.sandbox.running:
            return False
        return bool(self.pod.spec.hostNetwork) or self.observed.address is not None

    def passed(self, spec: core_v1.Container) -> bool:
        """Whether an init container has completed in this sandbox; a sidecar, whether it has started."""
        container = self.current(spec.name)
        if container is None:
            return False
        return self.is_started(spec, container) if is_sidecar(spec) else has_completed(container)

    def initialised(self) -> bool:
        """Whether the init containers are done with: a main container was made in this sandbox."""
        return any(self.current(c.name) is not None for c in self.pod.spec.containers)

    def init_failed(self) -> bool:
        """Whether an init container ended badly and is not to be tried again."""
        for spec in self.pod.spec.initContainers:
            container = self.latest(spec.name)
            if is_sidecar(spec) or container is None or not has_ended(container) or container.exit_code == 0:
                continue
            if not wants_restart(self.pod, spec, container.exit_code):
                return True
        return False

    def wants_to_run(self) -> bool:
        """Whether any main container runs, is still to be made, or is to be started again."""
        for spec in self.pod.spec.containers:
            container = self.latest(spec.name)
            if container is None or not has_ended(container):
                return True
            if is_outdated(spec, container) or wants_restart(self.pod, spec, container.exit_code):
                return True
        return False

    def is_started(self, spec: core_v1.Container, container: Container) -> bool:
        """Whether a running container has passed its start: hook and startup probe."""
        if not is_running(container) or self.in_hook(spec.name):
            return False
        health = self.observed.health.get(container.id)
        return spec.startupProbe is None or (health is not None and health.started)

    def in_hook(self, name: str) -> bool:
        """Whether the container's start, its postStart hook included, is under way."""
        return isinstance(self.observed.busy.get(("container", name)), StartContainer)


def _due(steps: Iterable[Step], observed: Observed, now: datetime) -> list[Step]:
    """The steps without those that failed and must wait, and one Wake for the earliest reason to look again."""
    due: list[Step] = []
    wakes: list[datetime] = []
    for step in steps:
        if isinstance(step, Wake):
            wakes.append(step.at)
        elif _waits(step, observed, now):
            wakes.append(next_look(observed.failures[step.key], now))
        else:
            due.append(step)
    return [*due, Wake(min(wakes))] if wakes else due


def _waits(step: Step, observed: Observed, now: datetime) -> bool:
    failure = observed.failures.get(step.key)
    return failure is not None and now < failure.retry_at


def _keep_running(view: View, now: datetime) -> list[Step]:
    steps: list[Step] = []
    if (deadline := deadline_of(view.pod, view.observed)) is not None:
        steps.append(Wake(deadline))
    steps += _volume_steps(view.observed, now)
    strays = list(_strays(view))
    if strays:
        return [*steps, *strays]
    steps += _sandbox_steps(view)
    steps += _garbage(view)
    init_steps, initialised = _init_steps(view, now)
    steps += init_steps
    if initialised:
        steps += _in_order(view, view.pod.spec.containers, now)
    for ephemeral in view.pod.spec.ephemeralContainers:
        steps += _container_steps(view, from_ephemeral(ephemeral), now)
    return steps


def _volume_steps(observed: Observed, now: datetime) -> Iterator[Step]:
    until = observed.volumes_until
    if not observed.volumes_ready or (until is not None and now >= until):
        yield MountVolumes()
    elif until is not None:
        yield Wake(until)


def _sandbox_steps(view: View) -> Iterator[Step]:
    sandbox = view.sandbox
    busy = view.observed.busy.get(("sandbox",))
    if isinstance(busy, RunSandbox):
        yield busy
    elif sandbox is None:
        yield RunSandbox(0)
    elif not sandbox.running:
        yield RunSandbox(sandbox.attempt + 1)
    elif not view.networked or not view.observed.address_sure:
        yield PlugNetwork(sandbox.id)


def _strays(view: View) -> Iterator[Step]:
    """What runs but must not: containers of a dead sandbox, older attempts, names that the pod does not have."""
    sandbox = view.sandbox
    names = {c.name for c in container_specs(view.pod)}
    grace = grace_seconds(view.pod, view.observed)
    alive = sandbox is not None and (sandbox.running or view.starting)
    for container in view.observed.runtime.containers:
        if not is_running(container):
            continue
        if not alive or not view.in_current_sandbox(container):
            yield StopContainer(container.name, container.id, StopReason.SANDBOX_GONE, grace)
        elif container.name not in names or view.latest(container.name) is not container:
            yield StopContainer(container.name, container.id, StopReason.UNKNOWN, grace)


def _garbage(view: View) -> Iterator[Step]:
    """Ended containers beyond those kept, and sandboxes that have been replaced."""
    by_name: dict[str, list[Container]] = {}
    for container in view.observed.runtime.containers:
        by_name.setdefault(container.name, []).append(container)
    for attempts in by_name.values():
        attempts.sort(key=lambda c: c.attempt, reverse=True)
        yield from (RemoveContainer(c.id) for c in attempts[1 + ENDED_KEPT :] if not is_running(c))
    yield from (RemoveSandbox(s.id) for s in view.observed.runtime.sandboxes if s is not view.sandbox)


def _init_steps(view: View, now: datetime) -> tuple[list[Step], bool]:
    """What the init containers need, and whether the main ones may follow. Sidecars are kept up throughout."""
    steps: list[Step] = []
    initialised = view.initialised()
    for spec in view.pod.spec.initContainers:
        done = initialised or view.passed(spec)
        if is_sidecar(spec) or not done:
            steps += _container_steps(view, spec, now)
        if not done:
            return steps, False
    return steps, True


def _in_order(view: View, specs: Iterable[core_v1.Container], now: datetime) -> Iterator[Step]:
    """Made side by side, started one by one: each waits for the start and postStart hook of those before."""
    blocked = False
    for spec in specs:
        wanted = _container_steps(view, spec, now)
        yield from (s for s in wanted if not (blocked and isinstance(s, StartContainer)))
        blocked = blocked or any(
            isinstance(s, EnsureImage | CreateContainer | StartContainer) and not _waits(s, view.observed, now)
            for s in wanted
        )


def _container_steps(view: View, spec: core_v1.Container, now: datetime) -> list[Step]:
    """What one container needs, when it is its turn."""
    latest = view.latest(spec.name)
    if latest is None:
        return _make(view, spec, None)
    if has_ended(latest):
        return _start_again(view, spec, latest, now)
    if not view.in_current_sandbox(latest):
        return _make(view, spec, latest)
    if not is_running(latest) or view.in_hook(spec.name):
        return [StartContainer(spec.name, latest.id)] if view.networked else []
    return list(_stop_for_cause(view, spec, latest))


def _start_again(view: View, spec: core_v1.Container, ended: Container, now: datetime) -> list[Step]:
    done_before = not view.in_current_sandbox(ended) and spec.name in view.init_names
    outdated = is_outdated(spec, ended)
    if not done_before and not outdated and not wants_restart(view.pod, spec, ended.exit_code):
        return []
    at = restart_at(spec, ended)
    return [Wake(at)] if now < at and not done_before else _make(view, spec, ended)


def _make(view: View, spec: core_v1.Container, before: Container | None) -> list[Step]:
    """Pull, then create as soon as there is a sandbox to join: it may still be starting."""
    observed = view.observed
    if spec.name not in observed.images:
        return [EnsureImage(spec.name)]
    sandbox = view.sandbox
    if sandbox is None or not (sandbox.running or view.starting) or not observed.volumes_ready:
        return []
    if uses_pod_address(spec) and not view.networked:
        return []
    attempt = _next_attempt(view, spec.name, before)
    return [CreateContainer(spec.name, attempt, sandbox.id, sandbox.attempt, next_backoff(spec, before))]


def _next_attempt(view: View, name: str, before: Container | None) -> int:
    """One more than the last, even when somebody removed the last from the runtime."""
    if before is not None:
        return before.attempt + 1
    for known in all_statuses(view.observed.previous):
        if known.name == name and known.containerID:
            return known.restartCount + 1
    return 0


def _stop_for_cause(view: View, spec: core_v1.Container, container: Container) -> Iterator[Step]:
    grace = grace_seconds(view.pod, view.observed)
    health = view.observed.health.get(container.id)
    if is_outdated(spec, container):
        yield StopContainer(spec.name, container.id, StopReason.DEFINITION_CHANGED, grace)
    elif health is not None and health.failed:
        probe = spec.livenessProbe if health.failed == "liveness" else spec.startupProbe
        own = probe.terminationGracePeriodSeconds if probe is not None else None
        yield StopContainer(spec.name, container.id, StopReason(health.failed), grace if own is None else own)
    elif (resources := changed(view.pod, spec, container)) and view.observed.hindrance is None:
        if restarts(spec, resources):
            yield StopContainer(spec.name, container.id, StopReason.RESIZED, grace)
        else:
            yield ResizeContainer(spec.name, container.id, wanted(view.pod, spec))


def _wind_down(view: View, now: datetime) -> list[Step]:
    """The pod is at its end: stop what runs, give everything back, keep the ended containers for their logs."""
    stops = _stop_all(view, now)
    if stops:
        return stops
    running = [s for s in view.observed.runtime.sandboxes if s.running]
    if running:
        return [StopSandbox(s.id) for s in running]
    return [] if view.observed.released else [Release()]


def _take_away(view: View, now: datetime) -> list[Step]:
    """The pod goes: stop, remove, give back, and say so."""
    stops = _stop_all(view, now)
    if stops:
        return stops
    runtime = view.observed.runtime
    if runtime.containers or runtime.sandboxes:
        return [*(RemoveContainer(c.id) for c in runtime.containers), *(RemoveSandbox(s.id) for s in runtime.sandboxes)]
    return [Finish()] if view.observed.released else [Release()]


def _stop_all(view: View, now: datetime) -> list[Step]:
    """Main containers first, together; then the sidecars, one by one, in reverse order."""
    grace = grace_seconds(view.known, view.observed)
    until = (view.observed.stopping_since or now) + timedelta(seconds=grace)
    running = [c for c in view.observed.runtime.containers if is_running(c)]
    order = [c.name for c in view.pod.spec.initContainers if is_sidecar(c)]
    first = [c for c in running if c.name not in order]
    if not first and running:
        first = [max(running, key=lambda c: order.index(c.name))]
    return [StopContainer(c.name, c.id, StopReason.POD_ENDS, grace, until) for c in first]
