"""One task a pod: look, decide, act, report; woken by assignments, the runtime's events, probes and time.

Decisions are made one after the other; the steps that they name run side by side, never two of the same key. A step's
failure is remembered with a time to try again, and shows in the pod's status and events.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from msgspec import structs

from node_agent.admission import refusal
from node_agent.backoffs import backoff_texts
from node_agent.effects import Effects
from node_agent.handlers import Outcome, Target
from node_agent.lifecycle import TERMINAL_PHASES, View, decide, is_going, is_over, past_deadline
from node_agent.memory import PodMemory
from node_agent.observed import Failure, Health, Observed, has_ended, is_running
from node_agent.pod_spec import all_statuses, container_specs, find_spec
from node_agent.probes import ProbeKind, ProbeManager
from node_agent.resizes import Hindrance, changed, hindrance
from node_agent.runtimes.base import (
    Container,
    LogQuery,
    NotRunning,
    ObservedPod,
    PodId,
    RuntimeFailure,
    RuntimeUnavailable,
)
from node_agent.status import pod_status
from node_agent.step_limits import STEP_SECONDS, deadline, is_superseded, retry_seconds
from node_agent.steps import (
    CreateContainer,
    EnsureImage,
    Finish,
    Key,
    MountVolumes,
    PlugNetwork,
    RunSandbox,
    StartContainer,
    Step,
    StopContainer,
    Wake,
)
from node_agent.tools import Tools
from node_agent.volumes.base import VolumeFailure
from timonel.api import codec
from timonel.api.types import core_v1
from timonel.tasks import end

logger = logging.getLogger(__name__)

UNAVAILABLE_SECONDS = 1.0
"""How long a worker waits for a runtime that does not answer, before it looks again."""

LOOK_AGAIN = timedelta(seconds=2)
"""How often the progress of a pull is told, and whether others have left room for a resize is looked at."""

_MESSAGE_LINES = 80
_MESSAGE_BYTES = 2048
"""What FallbackToLogsOnError takes of a log's end."""


class PodWorker:
    """Owns one pod on this node, from its assignment until nothing is left of it."""

    def __init__(self, pod: PodId, tools: Tools) -> None:
        self._tools = tools
        self._memory = PodMemory(pod)
        self._looked = ObservedPod(pod, (), ())
        self._must_look = True
        self._woken = asyncio.Event()
        self._running: dict[Key, tuple[Step, asyncio.Task[None]]] = {}
        self._ended_steps = 0
        self._reported = b""
        self._contradicted = False
        self._effects = Effects(tools, self._memory, lambda: self._looked, self.look)
        self._probes = ProbeManager(tools.streams, self._woken.set, self._unhealthy)
        self._task: asyncio.Task[None] | None = None

    @property
    def id(self) -> PodId:
        """The pod."""
        return self._memory.id

    @property
    def pod(self) -> core_v1.Pod | None:
        """The pod as last assigned; None for one that was never assigned to this agent."""
        return self._memory.pod

    @property
    def observed(self) -> ObservedPod:
        """The newest look at the runtime."""
        return self._looked

    @property
    def address(self) -> str | None:
        """The pod's address, while it has one."""
        return self._memory.plugged[1] if self._memory.plugged is not None else None

    def container_statuses(self) -> list[core_v1.ContainerStatus]:
        """The containers' statuses as last reported."""
        return list(all_statuses(self._memory.previous))

    def running(self, name: str) -> str:
        """The id of the running container of that name. Raises NotRunning."""
        found = [c for c in self._looked.containers if c.name == name and is_running(c)]
        if not found:
            raise NotRunning("ContainerNotRunning", f"container {name} of pod {self.id.name} is not running")
        return max(found, key=lambda c: c.attempt).id

    def sandbox_pid(self) -> int:
        """The pid of the sandbox's first process. Raises NotRunning."""
        pid = next((s.pid for s in self._looked.sandboxes if s.running and s.pid), 0)
        if not pid:
            raise NotRunning("PodNotRunning", f"pod {self.id.name} is not running")
        return pid

    @property
    def finished(self) -> bool:
        """Whether nothing is left of the pod, and the worker has ended."""
        return self._task is not None and self._task.done()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._work(), name=f"pod {self.id.namespace}/{self.id.name}")

    def assign(self, pod: core_v1.Pod) -> None:
        """The pod's newest state in the API."""
        memory = self._memory
        if memory.pod is None or (pod.status.phase in TERMINAL_PHASES and memory.previous.phase not in TERMINAL_PHASES):
            memory.adopt(pod)
        if not memory.assigned:
            memory.released, memory.stopping_since = False, None
        same = memory.pod is not None and _desired(memory.pod) == _desired(pod)
        memory.take(pod)
        self._contradicted = ready_of(pod.status) not in ("", ready_of(memory.previous))
        if same:  # our own report has come back: what failed must not be tried again for that
            self._woken.set()
        else:
            self.refresh()

    def unassign(self) -> None:
        """The pod is no longer this node's: take it down."""
        self._memory.assigned = False
        self._woken.set()

    def refresh(self) -> None:
        """What the pod refers to may have changed: look at volumes and failed containers again."""
        memory, now = self._memory, self._tools.clock()
        memory.refreshes += 1
        memory.volumes_until = now
        for key, failure in memory.failures.items():
            if key[0] == "volumes" or failure.reason == "CreateContainerConfigError":
                memory.failures[key] = replace(failure, retry_at=now)
        self._woken.set()

    def look(self) -> None:
        """The runtime has news of the pod."""
        self._must_look = True
        self._woken.set()

    async def close(self) -> None:
        """Stop working; the pod goes on."""
        await end([task for _, task in self._running.values()] + ([self._task] if self._task is not None else []))
        await self._probes.close()

    async def _work(self) -> None:
        while True:
            self._woken.clear()
            try:
                observed = await self._observe()
            except RuntimeUnavailable as failure:
                logger.warning("pod %s: the runtime does not answer: %s", self.id.name, failure.message)
                await self._sleep(UNAVAILABLE_SECONDS)
                continue
            self._watch_probes(observed)
            observed = self._as_observed()
            now = self._tools.clock()
            steps = decide(self._memory.pod, observed, now)
            self._report(observed, now)
            if any(isinstance(s, Finish) for s in steps) and not self._running:
                await self._probes.close()
                self._tools.report(self.id, None)
                return
            self._launch(steps)
            wakes = [s.at for s in steps if isinstance(s, Wake)]
            if observed.hindrance or any(isinstance(step, EnsureImage) for step, _ in self._running.values()):
                wakes.append(now + LOOK_AGAIN)
            await self._sleep((min(wakes) - self._tools.clock()).total_seconds() if wakes else None)

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(None if seconds is None else max(seconds, 0.01)):
                await self._woken.wait()
        except TimeoutError:
            self._woken.set()

    async def _observe(self) -> Observed:
        """Raises RuntimeUnavailable."""
        memory = self._memory
        if self._must_look:
            await self._look_now()
            self._admit()
            self._assume_address()
            await self._read_messages()
        observed = self._as_observed()
        if memory.stopping_since is None and self._is_ending(observed):
            memory.stopping_since = self._tools.clock()
            observed = self._as_observed()
        return observed

    async def _look_now(self) -> None:
        """Look until no step of ours has ended meanwhile: a look from before its end would show it as not done."""
        ended = -1
        while ended != self._ended_steps:
            ended = self._ended_steps
            self._must_look = False
            try:
                async with asyncio.timeout(STEP_SECONDS):
                    self._looked = await self._tools.runtime.pod(self.id)
            except (RuntimeFailure, TimeoutError) as failure:
                self._must_look = True
                raise RuntimeUnavailable(str(failure)) from failure

    def _admit(self) -> None:
        """Refuse a pod that this node does not take, as long as nothing of it has been made."""
        memory, looked = self._memory, self._looked
        if memory.pod is None or memory.judged:
            return
        memory.judged = True
        if looked.sandboxes or looked.containers:
            return
        why = refusal(memory.pod, self._tools.settings.unsafe_sysctls)
        if why is not None and memory.previous.phase not in TERMINAL_PHASES:
            memory.previous = structs.replace(
                memory.previous, phase="Failed", reason=why.reason, message=f"Pod was rejected: {why.message}"
            )
            self._tools.events.warning(memory.pod, why.reason, why.message)

    def _assume_address(self) -> None:
        if not self._running and not self._memory.released:
            for sandbox in self._looked.sandboxes:
                if sandbox.running:
                    self._memory.assume_address(sandbox.id)

    def _is_ending(self, observed: Observed) -> bool:
        pod = self._memory.pod
        if pod is None or is_going(pod, observed):
            return True
        now = self._tools.clock()
        if past_deadline(pod, observed, now):
            text = "Pod was active on the node longer than the specified deadline"
            self._tools.events.normal(pod, "DeadlineExceeded", text)
        return is_over(pod, observed, now)

    def _as_observed(self) -> Observed:
        memory = self._memory
        sandbox = max(self._looked.sandboxes, key=lambda s: s.attempt, default=None)
        return Observed(
            runtime=self._looked,
            previous=memory.previous,
            assigned=memory.assigned,
            address=memory.address_of(sandbox.id if sandbox is not None else None),
            address_sure=memory.address_sure,
            volumes_ready=memory.volumes is not None,
            volumes_until=memory.volumes_until,
            released=memory.released,
            images=frozenset(memory.images),
            pulls=self._pulls(),
            failures=dict(memory.failures),
            health=self._probes.health,
            busy={key: step for key, (step, _) in self._running.items()},
            messages=memory.messages,
            stopping_since=memory.stopping_since,
            hindrance=self._hindrance(),
        )

    def _hindrance(self) -> Hindrance | None:
        """What keeps a resize of the pod waiting, if one is asked for."""
        pod = self._memory.pod
        if pod is None:
            return None
        specs = {c.name: c for c in container_specs(pod)}
        running = [c for c in self._looked.containers if is_running(c) and c.name in specs]
        if not any(changed(pod, specs[c.name], c) for c in running):
            return None
        others = (other for other in self._tools.pods() if other.metadata.uid != self.id.uid)
        return hindrance(pod, others, self._tools.settings.facts.allocatable)

    def _pulls(self) -> dict[str, str]:
        """How far the pulls have come, by container."""
        steps = [step for step, _ in self._running.values() if isinstance(step, EnsureImage)]
        told = {step.container: self._tools.images.progress(self._image_of(step.container)) for step in steps}
        return {container: text for container, text in told.items() if text}

    async def _read_messages(self) -> None:
        """Read the termination messages of what has newly ended."""
        pod = self._memory.pod
        if pod is None:
            return
        specs = {c.name: c for c in container_specs(pod)}
        for container in self._looked.containers:
            if has_ended(container) and container.id not in self._memory.messages and container.name in specs:
                self._memory.messages[container.id] = await self._message(specs[container.name], container, len(specs))

    async def _message(self, spec: core_v1.Container, ended: Container, containers: int) -> str:
        files = self._tools.files(self.id.uid)
        text = await asyncio.to_thread(files.read_message, ended.name, ended.attempt, containers)
        if text or spec.terminationMessagePolicy != "FallbackToLogsOnError" or ended.exit_code == 0:
            return text
        log = b""
        try:
            async with asyncio.timeout(UNAVAILABLE_SECONDS):
                async for chunk in self._tools.streams.logs(ended.id, LogQuery(tail_lines=_MESSAGE_LINES)):
                    log = (log + chunk)[-_MESSAGE_BYTES:]
        except (RuntimeFailure, TimeoutError) as error:
            logger.warning("pod %s: no log of %s for its termination message: %s", self.id.name, ended.name, error)
        return log.decode(errors="replace")

    def _launch(self, steps: list[Step]) -> None:
        """Start the steps that are not under way; cancel those that are no longer wanted, where that can be done."""
        wanted = {step.key: step for step in steps if not isinstance(step, Wake | Finish)}
        for key, (step, task) in self._running.items():
            if is_superseded(step, wanted.get(key)):
                task.cancel()
        for key, step in wanted.items():
            if key not in self._running:
                task = asyncio.create_task(self._run(step), name=f"{self.id.name}: {step}")
                self._running[key] = (step, task)
                task.add_done_callback(lambda _, key=key: self._done(key))  # type: ignore[misc]

    def _done(self, key: Key) -> None:
        step, _ = self._running.pop(key)
        self._ended_steps += 1
        if isinstance(step, EnsureImage | MountVolumes | PlugNetwork):
            self._woken.set()
        else:
            self.look()

    async def _run(self, step: Step) -> None:
        try:
            async with asyncio.timeout(deadline(step)):
                await self._effects.run(step)
        except RuntimeFailure as failure:
            self._failed(step, failure.reason, failure.message)
        except VolumeFailure as failure:
            self._failed(step, "FailedMount", f'MountVolume.SetUp failed for volume "{failure.volume}" : {failure.why}')
        except TimeoutError:
            self._failed(
                step, "DeadlineExceeded", f"{type(step).__name__} did not end in time: context deadline exceeded"
            )
        except OSError as error:
            self._failed(step, "CreateContainerError", str(error))
        except Exception as error:  # whatever happens to one step, the pod must still be looked after
            logger.exception("pod %s: %s failed", self.id.name, step)
            self._failed(step, "CreateContainerError", f"{type(error).__name__}: {error}")
        else:
            self._memory.failures.pop(step.key, None)

    def _failed(self, step: Step, reason: str, message: str) -> None:
        before = self._memory.failures.get(step.key)
        count = before.count + 1 if before is not None else 1
        now = self._tools.clock()
        retry_at = now + timedelta(seconds=retry_seconds(step, count))
        self._memory.failures[step.key] = Failure(reason, message, now, count, retry_at)
        logger.info("pod %s/%s: %s: %s: %s", self.id.namespace, self.id.name, type(step).__name__, reason, message)
        self._tell_failure(step, reason, message)

    def _tell_failure(self, step: Step, reason: str, message: str) -> None:
        warn = self._tools.events.warning
        match step:
            case MountVolumes():
                warn(self.pod, "FailedMount", message)
            case RunSandbox() | PlugNetwork():
                warn(self.pod, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {message}")
            case CreateContainer() | StartContainer() if reason != "PostStartHookError":
                warn(self.pod, "Failed", f"Error: {message}", step.container)
            case EnsureImage() if reason == "InvalidImageName":
                text = f'Failed to apply default image tag "{self._image_of(step.container)}": {message}'
                warn(self.pod, "InspectFailed", text, step.container)
            case StopContainer():
                warn(self.pod, "FailedKillPod", f"error killing pod: {message}", step.container)
            case _:
                pass

    def _image_of(self, name: str) -> str:
        spec = find_spec(self.pod, name) if self.pod is not None else None
        return spec.image if spec is not None else ""

    def _unhealthy(self, container: core_v1.Container, kind: ProbeKind, outcome: Outcome) -> None:
        text = f"{kind.capitalize()} probe failed: {outcome.text}"
        self._tools.events.warning(self.pod, "Unhealthy", text, container.name)

    def _watch_probes(self, observed: Observed) -> None:
        """Probe what runs and is through its start; nothing of a pod that ends but its readiness matters any more."""
        pod = self._memory.pod
        if pod is None or self._memory.stopping_since is not None:
            self._probes.keep_only(set())
            return
        view = View(pod, observed)
        address = observed.address or next(iter(self._tools.settings.facts.addresses), "127.0.0.1")
        wanted: set[str] = set()
        for spec in container_specs(pod):
            container = view.current(spec.name)
            if container is None or not is_running(container) or view.in_hook(spec.name) or not view.networked:
                continue
            wanted.add(container.id)
            began = container.started or container.created
            self._probes.watch(Target(container.id, spec, address), began, self._health_before(container))
        self._probes.keep_only(wanted)

    def _health_before(self, container: Container) -> Health | None:
        """What the last status said of this very container: an agent that starts anew takes no readiness away."""
        for known in all_statuses(self._memory.previous):
            if known.containerID and known.containerID.endswith(container.id) and known.started:
                return Health(started=True, ready=known.ready)
        return None

    def _report(self, observed: Observed, now: datetime) -> None:
        pod = self._memory.pod
        if pod is None:
            return
        status = pod_status(pod, observed, now, self._tools.settings.facts.addresses)
        for name, text in backoff_texts(pod, self._memory.previous, status):
            self._tools.events.warning(pod, "BackOff", text, name)
        self._memory.previous = status
        encoded = codec.encode(status)
        if encoded != self._reported or self._contradicted:
            # A master that had lost sight of this node has called its pods unready.
            self._reported, self._contradicted = encoded, False
            self._tools.report(self.id, status)


def _desired(pod: core_v1.Pod) -> tuple[object, ...]:
    """What a pod asks of its node, without what is only told of it."""
    meta = pod.metadata
    return meta.generation, meta.deletionTimestamp, meta.labels, meta.annotations, pod.spec


def ready_of(status: core_v1.PodStatus) -> str:
    """The status of the Ready condition; empty when there is none."""
    return next((c.status for c in status.conditions if c.type == "Ready"), "")
