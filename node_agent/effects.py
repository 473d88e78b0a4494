"""Carries out the steps of one pod, with the kubelet's events. Every effect is idempotent; failures are raised."""

import asyncio
import time
from collections.abc import Callable

from node_agent.container_spec import container_spec, host_ports, sandbox_spec
from node_agent.env import EnvContext, environment
from node_agent.handlers import Target
from node_agent.hooks import run_hook
from node_agent.lifecycle import DEFAULT_GRACE
from node_agent.memory import PodMemory
from node_agent.pod_files import hostname_of
from node_agent.pod_spec import find_spec
from node_agent.references import MissingReference, runtime_handler
from node_agent.resources import container_resources
from node_agent.runtimes.base import ObservedPod, RuntimeFailure, State
from node_agent.security import container_security, verify_non_root
from node_agent.steps import (
    CreateContainer,
    EnsureImage,
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
)
from node_agent.tools import Tools
from node_agent.volumes.base import VolumeContext, VolumeFailure
from timonel.api.types import core_v1

MIN_STOP_SECONDS = 2.0
"""A container always gets so long to stop, even when a hook has used up its grace."""

HOOK_SECONDS = 3600.0
"""A postStart hook has no deadline of its own in Kubernetes; ours is long, but it is one."""


class PodGone(RuntimeFailure):
    """A step needs what the pod's spec no longer has; the next decision will not ask for it."""

    def __init__(self, what: str) -> None:
        super().__init__("CreateContainerError", what)


class Effects:
    """The hands of one worker. ``seen`` gives its newest look at the runtime, ``woken`` makes it look again."""

    def __init__(
        self, tools: Tools, memory: PodMemory, seen: Callable[[], ObservedPod], woken: Callable[[], None]
    ) -> None:
        self._tools = tools
        self._memory = memory
        self._seen = seen
        self._woken = woken
        self._files = tools.files(memory.id.uid)

    async def run(self, step: Step) -> None:
        """Carry the step out. Raises RuntimeFailure, VolumeFailure, OSError, TimeoutError."""
        runtime = self._tools.runtime
        match step:
            case EnsureImage():
                await self._ensure_image(step)
            case RunSandbox():
                await self._run_sandbox(step)
            case PlugNetwork():
                await self._plug(step)
            case MountVolumes():
                await self._mount()
            case CreateContainer():
                await self._create(step)
            case StartContainer():
                await self._start(step)
            case StopContainer():
                await self._stop(step)
            case ResizeContainer():
                await self._resize(step)
            case RemoveContainer():
                await self._remove(step)
            case StopSandbox():
                await runtime.stop_sandbox(step.id)
            case RemoveSandbox():
                await runtime.remove_sandbox(step.id)
            case Release():
                await self._release()
            case _:
                raise TypeError(f"no effect for {step}")

    def _pod(self) -> core_v1.Pod:
        if self._memory.pod is None:
            raise PodGone("the pod is no longer known here")
        return self._memory.pod

    def _spec(self, name: str) -> tuple[core_v1.Pod, core_v1.Container]:
        pod = self._pod()
        spec = find_spec(pod, name)
        if spec is None:
            raise PodGone(f"container {name} is not in the pod's spec")
        return pod, spec

    def _addresses(self, pod: core_v1.Pod) -> list[str]:
        if pod.spec.hostNetwork:
            return list(self._tools.settings.facts.addresses)
        return [self._memory.plugged[1]] if self._memory.plugged is not None else []

    async def _ensure_image(self, step: EnsureImage) -> None:
        pod, spec = self._spec(step.container)
        self._memory.images[step.container] = await self._tools.images.ensure(pod, spec)

    async def _run_sandbox(self, step: RunSandbox) -> None:
        pod = self._pod()
        if step.attempt > 0:
            text = "Pod sandbox changed, it will be killed and re-created."
            self._tools.events.normal(pod, "SandboxChanged", text)
        try:
            handler = runtime_handler(self._tools.refs, pod)
        except MissingReference as missing:
            raise RuntimeFailure("FailedCreatePodSandBox", str(missing)) from missing
        spec = sandbox_spec(pod, step.attempt, hostname_of(pod, self._tools.settings.cluster_domain), handler)
        await self._tools.runtime.create_sandbox(spec)
        self._woken()
        await self._tools.runtime.run_sandbox(spec)

    async def _plug(self, step: PlugNetwork) -> None:
        pod = self._pod()
        sandbox = next((s for s in self._seen().sandboxes if s.id == step.sandbox), None)
        if sandbox is None:
            raise RuntimeFailure("FailedCreatePodSandBox", "the sandbox went away before it had its address")
        await self._tools.network_up.wait()
        address = await self._tools.network.plug(sandbox)
        ports = host_ports(pod)
        if ports:
            await self._tools.network.map_ports(self._memory.id, address, ports)
        self._memory.plugged, self._memory.address_sure = (sandbox.id, address), True
        if self._memory.volumes is not None:
            self._files.write_hosts(pod, [address])

    async def _mount(self) -> None:
        pod = self._pod()
        tools = self._tools
        now = tools.clock()
        wishes = self._memory.refreshes
        volumes = await tools.volumes.set_up(VolumeContext(pod, tools.refs, tools.settings.facts, tools.tokens, now))
        if self._memory.volumes is None:
            self._files.write(pod, self._addresses(pod))
        self._memory.volumes = volumes
        self._memory.volumes_until = volumes.refresh_at if wishes == self._memory.refreshes else now

    async def _create(self, step: CreateContainer) -> None:
        pod, spec = self._spec(step.container)
        tools, settings, memory = self._tools, self._tools.settings, self._memory
        image = memory.images.get(step.container)
        if image is None or memory.volumes is None:
            raise PodGone(f"image or volumes of container {step.container} are gone")
        verify_non_root(pod, spec, image.user)
        context = EnvContext(pod, tools.refs, settings.facts, self._addresses(pod), memory.volumes.paths)
        env = environment(context, spec)
        try:
            volume_mounts = await tools.volumes.mounts(pod, spec, step.attempt, memory.volumes, env)
        except VolumeFailure as failure:
            raise RuntimeFailure("CreateContainerConfigError", failure.why) from failure
        created = container_spec(
            pod,
            spec,
            step,
            image=image,
            env=env,
            mounts=[*volume_mounts, *self._files.mounts(spec, step.attempt)],
            resources=container_resources(pod, spec, settings.memory_bytes, settings.pids_limit),
            security=container_security(pod, spec, settings.seccomp_root),
            joins=self._target_of(pod, step.container),
        )
        await tools.runtime.create_container(step.sandbox, created)
        del memory.images[step.container]
        tools.events.normal(pod, "Created", f"Created container: {spec.name}", spec.name)

    def _target_of(self, pod: core_v1.Pod, container: str) -> str:
        """The container that an ephemeral one looks into; empty when it looks into none, or into one that has gone."""
        wanted = next((c.targetContainerName for c in pod.spec.ephemeralContainers if c.name == container), None)
        found = (c.id for c in self._seen().containers if c.name == wanted and c.state is State.RUNNING)
        return next(found, "")

    async def _start(self, step: StartContainer) -> None:
        pod, spec = self._spec(step.container)
        await self._tools.runtime.start_container(step.id)
        self._tools.events.normal(pod, "Started", f"Started container {spec.name}", spec.name)
        handler = spec.lifecycle.postStart if spec.lifecycle is not None else None
        if handler is None:
            return
        outcome = await run_hook(handler, self._target(pod, spec, step.id), self._tools.streams, HOOK_SECONDS)
        if not outcome.ok:
            text = f"PostStartHook failed: {outcome.text}"
            self._tools.events.warning(pod, "FailedPostStartHook", text, spec.name)
            grace = pod.spec.terminationGracePeriodSeconds
            await self._tools.runtime.stop_container(step.id, DEFAULT_GRACE if grace is None else grace)
            raise RuntimeFailure("PostStartHookError", text)

    def _target(self, pod: core_v1.Pod, spec: core_v1.Container, container_id: str) -> Target:
        addresses = self._addresses(pod)
        return Target(container_id, spec, addresses[0] if addresses else "127.0.0.1")

    async def _stop(self, step: StopContainer) -> None:
        pod = self._memory.pod
        spec = find_spec(pod, step.container) if pod is not None else None
        self._tools.events.normal(pod, "Killing", _killing_text(step), step.container)
        grace = step.grace
        if step.until is not None:
            grace = (step.until - self._tools.clock()).total_seconds()
        handler = spec.lifecycle.preStop if spec is not None and spec.lifecycle is not None else None
        if pod is not None and spec is not None and handler is not None and grace > 0:
            began = time.monotonic()
            outcome = await run_hook(handler, self._target(pod, spec, step.id), self._tools.streams, grace)
            if not outcome.ok:
                self._tools.events.warning(pod, "FailedPreStopHook", f"PreStopHook failed: {outcome.text}", spec.name)
            grace -= time.monotonic() - began
        await self._tools.runtime.stop_container(step.id, max(grace, MIN_STOP_SECONDS))

    async def _resize(self, step: ResizeContainer) -> None:
        """Asked for again right after it was done, it has had no effect: a machine may lack what it needs."""
        if self._memory.resized.pop(step.id, None) == step.resources:
            raise RuntimeFailure("ResizeError", f"the runtime has not taken the new limits of {step.container}")
        await self._tools.runtime.update_container(step.id, step.resources)
        self._memory.resized[step.id] = step.resources

    async def _remove(self, step: RemoveContainer) -> None:
        container = next((c for c in self._seen().containers if c.id == step.id), None)
        await self._tools.runtime.remove_container(step.id)
        self._memory.messages.pop(step.id, None)
        self._memory.resized.pop(step.id, None)
        if container is not None:
            await asyncio.to_thread(self._files.drop_message, container.name, container.attempt)

    async def _release(self) -> None:
        await self._tools.network.unplug(self._memory.id)
        await self._tools.volumes.tear_down(self._memory.id.uid)
        self._memory.plugged = None
        self._memory.volumes = None
        self._memory.released = True


def _killing_text(step: StopContainer) -> str:
    match step.why:
        case StopReason.LIVENESS | StopReason.STARTUP:
            return f"Container {step.container} failed {step.why} probe, will be restarted"
        case StopReason.DEFINITION_CHANGED:
            return f"Container {step.container} definition changed, will be restarted"
        case StopReason.RESIZED:
            return f"Container {step.container} resize requires restart"
        case _:
            return f"Stopping container {step.container}"
