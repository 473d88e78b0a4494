"""The fake runtime: every protocol of `base`, on a pretended daemon, for one node."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

from node_agent.runtimes.base import (
    Container,
    ContainerSpec,
    Credentials,
    ExecResult,
    Image,
    ImageFailure,
    LogQuery,
    NotRunning,
    ObservedPod,
    PodId,
    PullProgress,
    Resources,
    RuntimeEvent,
    RuntimeFailure,
    RuntimeInfo,
    Sandbox,
    SandboxSpec,
    State,
    Terminal,
    UsageSample,
)
from node_agent.runtimes.fake.logs import read_log
from node_agent.runtimes.fake.script import Behaviour, Command, Pull
from node_agent.runtimes.fake.terminal import AttachTerminal, ExecTerminal
from node_agent.runtimes.fake.world import PretendedContainer, PretendedSandbox, World

_LABEL_NAME = "timonel.io/container-name"


class FakeRuntime:
    """Runtime, Images, Streams and Stats in memory. The docstrings of `base` hold."""

    def __init__(self, world: World | None = None, *, cluster: str = "fake", node: str = "node") -> None:
        self.world = world or World()
        self._scope = cluster, node

    async def info(self) -> RuntimeInfo:
        await self.world.enter("info")
        return RuntimeInfo("fake", "1.0", "Pretended Linux")

    async def pods(self) -> list[ObservedPod]:
        await self.world.enter("pods")
        return self._observe()

    async def pod(self, pod: PodId) -> ObservedPod:
        await self.world.enter("pod")
        return next((seen for seen in self._observe() if seen.id == pod), ObservedPod(pod, (), ()))

    def _observe(self) -> list[ObservedPod]:
        sandboxes, containers = self.world.of(self._scope)
        boxes: list[Sandbox] = sorted((s.seen for s in sandboxes), key=_newest)
        held: list[Container] = sorted((c.seen for c in containers), key=_newest)
        return [
            ObservedPod(pod, [s for s in boxes if s.pod == pod], [c for c in held if c.pod == pod])
            for pod in dict.fromkeys([*(box.pod for box in boxes), *(container.pod for container in held)])
        ]

    async def create_sandbox(self, spec: SandboxSpec) -> str:
        await self.world.enter("create_sandbox")
        for held in self.world.of(self._scope)[0]:
            if (held.seen.pod, held.seen.attempt) == (spec.pod, spec.attempt):
                if held.seen.running or held.seen.id in self.world.unstarted:
                    return held.seen.id
                self.world.sandboxes.pop(held.seen.id)
        identity = self.world.new_id()
        seen = Sandbox(identity, spec.pod, spec.attempt, False, 0, self.world.clock.now())
        self.world.sandboxes[identity] = PretendedSandbox(self._scope, seen)
        self.world.unstarted.add(identity)
        return identity

    async def run_sandbox(self, spec: SandboxSpec) -> Sandbox:
        identity = await self.create_sandbox(spec)
        await self.world.enter("run_sandbox")
        held = self.world.sandboxes[identity]
        if not held.seen.running:
            self.world.unstarted.discard(identity)
            held.seen = replace(held.seen, running=True, pid=self.world.new_pid())
            self.world.tell(self._scope, spec.pod, "start")
        return held.seen

    async def stop_sandbox(self, sandbox: str) -> None:
        await self.world.enter("stop_sandbox")
        if held := self.world.sandboxes.get(sandbox):
            await self.world.stop_sandbox(held)

    async def remove_sandbox(self, sandbox: str) -> None:
        await self.world.enter("remove_sandbox")
        self.world.unstarted.discard(sandbox)
        if held := self.world.sandboxes.pop(sandbox, None):
            self.world.tell(self._scope, held.seen.pod, "destroy")

    async def create_container(self, sandbox: str, spec: ContainerSpec) -> str:
        await self.world.enter("create_container")
        if sandbox not in self.world.sandboxes:
            raise RuntimeFailure("CreateContainerError", f"the sandbox {sandbox[:12]} is gone")
        image = await self.image(spec.image)
        if image is None:
            raise ImageFailure("ErrImageNeverPull", f'Container image "{spec.image}" is not present on the node')
        for held in self.world.of(self._scope)[1]:
            if (held.seen.pod, held.seen.name, held.seen.attempt) == (spec.pod, spec.name, spec.attempt):
                if held.seen.state is State.CREATED and held.sandbox != sandbox:
                    await self.world.remove(held)
                else:
                    return held.seen.id
        return self._add_container(sandbox, spec, image)

    def _add_container(self, sandbox: str, spec: ContainerSpec, image: Image) -> str:
        seen = Container(
            id=self.world.new_id(),
            pod=spec.pod,
            name=spec.name,
            attempt=spec.attempt,
            state=State.CREATED,
            image=spec.image,
            image_id=image.id,
            pid=0,
            created=self.world.clock.now(),
            started=None,
            finished=None,
            exit_code=0,
            oom_killed=False,
            message="",
            labels={**spec.labels, _LABEL_NAME: spec.name},
            resources=spec.resources,
        )
        behaviour = self.world.behaviours.get(spec.image, Behaviour())
        self.world.containers[seen.id] = PretendedContainer(self._scope, seen, spec, sandbox, behaviour)
        return seen.id

    async def start_container(self, container: str) -> None:
        await self.world.enter("start_container")
        held = self.world.containers.get(container)
        if held is None:
            raise RuntimeFailure("RunContainerError", f"no such container: {container}")
        sandbox = self.world.sandboxes.get(held.sandbox)
        if sandbox is None or not sandbox.seen.running:
            raise RuntimeFailure(
                "RunContainerError", f"cannot join the network of a non running sandbox {held.sandbox}"
            )
        if held.seen.state is State.CREATED:
            await self.world.start(held)

    async def stop_container(self, container: str, grace_seconds: float) -> None:
        await self.world.enter("stop_container")
        if (held := self.world.containers.get(container)) and held.running:
            await self.world.stop(held, grace_seconds)

    async def remove_container(self, container: str) -> None:
        await self.world.enter("remove_container")
        if held := self.world.containers.get(container):
            await self.world.remove(held)

    async def update_container(self, container: str, resources: Resources) -> None:
        await self.world.enter("update_container")
        held = self.world.containers.get(container)
        if held is None:
            raise RuntimeFailure("UpdateContainerError", f"no such container: {container}")
        held.seen = replace(held.seen, resources=resources)

    async def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        await self.world.enter("events")
        queue = self.world.listen(self._scope)
        try:
            while True:
                yield await queue.get()
        finally:
            self.world.ignore(queue)

    async def close(self) -> None:
        """Nothing is held: the world goes on."""

    async def image(self, name: str) -> Image | None:
        await self.world.enter("image")
        return self.world.images.get(name) or next((i for i in self.world.images.values() if i.id == name), None)

    async def images(self) -> list[Image]:
        await self.world.enter("images")
        return list(self.world.images.values())

    async def pull(self, name: str, credentials: Credentials | None) -> AsyncIterator[PullProgress]:
        await self.world.enter("pull")
        if not name or name != name.strip() or name != name.lower():
            raise ImageFailure("InvalidImageName", f'couldn\'t parse image name "{name}"')
        script = self.world.pulls.get(name, Pull())
        for step in range(script.steps):
            await self.world.clock.sleep(script.seconds / script.steps)
            yield PullProgress(script.size_bytes * step // script.steps, script.size_bytes)
        known = (script.username, script.password) if script.username else None
        if known and (credentials is None or (credentials.username, credentials.password) != known):
            raise ImageFailure("ErrImagePull", f'failed to pull image "{name}": no basic auth credentials')
        if script.error:
            raise ImageFailure("ErrImagePull", f'failed to pull image "{name}": {script.error}')
        self.world.add_image(name, user=script.user, size_bytes=script.size_bytes)
        yield PullProgress(script.size_bytes, script.size_bytes)

    async def logs(self, container: str, query: LogQuery) -> AsyncIterator[bytes]:
        await self.world.enter("logs")
        held = self.world.containers.get(container)
        if held is None:
            raise RuntimeFailure("ContainerLogsError", f"unable to retrieve container logs for fake://{container}")
        async for chunk in read_log(held, query):
            yield chunk

    async def exec(self, container: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Terminal:
        await self.world.enter("exec")
        script = self._command(container, command)
        if script.error:
            raise RuntimeFailure("ExecError", script.error)
        return ExecTerminal(script, self.world.clock, stdin=stdin, tty=tty)

    async def run(self, container: str, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        await self.world.enter("run")
        script = self._command(container, command)
        if script.error:
            raise RuntimeFailure("ExecError", script.error)
        await self.world.clock.sleep(min(script.seconds, timeout_seconds))
        if script.seconds > timeout_seconds:
            raise TimeoutError(f"command {list(command)} timed out after {timeout_seconds:g} s")
        return ExecResult(script.exit_code, b"".join(data for _, data in script.output))

    def _command(self, container: str, command: Sequence[str]) -> Command:
        held = self._running(container)
        return held.behaviour.commands(command)

    def _running(self, container: str) -> PretendedContainer:
        held = self.world.containers.get(container)
        if held is None or not held.running:
            raise NotRunning("ContainerNotRunning", f"container {container[:12]} is not running")
        return held

    async def attach(self, container: str, *, stdin: bool, tty: bool) -> Terminal:
        await self.world.enter("attach")
        return AttachTerminal(self.world, self._running(container))

    async def usage(self, container: str) -> UsageSample | None:
        await self.world.enter("usage")
        held = self.world.containers.get(container)
        if held is None or not held.running or held.seen.started is None:
            return None
        seconds = (self.world.clock.now() - held.seen.started).total_seconds()
        at = asyncio.get_running_loop().time()
        return UsageSample(at, int(seconds * held.behaviour.cpu_cores * 1e9), held.behaviour.memory_bytes)


def _newest(seen: Sandbox | Container) -> tuple[int, float]:
    return -seen.attempt, -seen.created.timestamp()
