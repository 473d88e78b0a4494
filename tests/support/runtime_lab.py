"""Where runtimes are tried: the fake one and Docker, with containers that do the same on both."""

import asyncio
import itertools
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import docker
import pytest
from docker.errors import DockerException

from node_agent.runtimes.base import (
    Container,
    ContainerSpec,
    LogQuery,
    PodId,
    Resources,
    SandboxSpec,
    State,
    Terminal,
)
from node_agent.runtimes.docker import DockerRuntime, images_local
from node_agent.runtimes.fake import Behaviour, Command, FakeRuntime, Pull, World

T = TypeVar("T")
AnyRuntime = FakeRuntime | DockerRuntime
SECONDS = 20.0
GREETING = ["sh", "-c", "echo out; echo err >&2; exit 3"]
numbers = itertools.count(1)

SHELL = {
    "sleep": "trap 'exit 143' TERM; sleep 1000 & wait",
    "stubborn": "trap '' TERM; while :; do sleep 1; done",
    "fail": "exit 3",
    "lines": "for i in 1 2 3 4 5; do echo line $i; sleep 0.05; done; echo oops >&2",
    "tick": "while :; do echo tick; sleep 0.05; done",
    "echo": "cat",
    "hungry": "exec tail /dev/zero",
}
"""Programs by name, as shell scripts."""


def answer(command: Sequence[str]) -> Command:
    match list(command):
        case ["sh", *_]:
            return Command(output=[(1, b"out\n"), (2, b"err\n")], exit_code=3)
        case ["cat"]:
            return Command(echo=True)
        case ["sleep", seconds]:
            return Command(seconds=float(seconds))
    return Command(error=f"{command[0]}: executable file not found")


PRETENDED = {
    "sleep": Behaviour(commands=answer),
    "stubborn": Behaviour(stop_seconds=None),
    "fail": Behaviour(run_seconds=0.01, exit_code=3),
    "lines": Behaviour(output=[*((1, b"line %d\n" % i) for i in range(1, 6)), (2, b"oops\n")], run_seconds=0.01),
    "tick": Behaviour(tick=b"tick\n", tick_seconds=0.05),
    "echo": Behaviour(echo=True),
    "hungry": Behaviour(run_seconds=0.01, oom=True),
    "missing": Behaviour(start_error="executable file not found"),
}


class Lab(Protocol):
    """Where runtimes are tried."""

    def runtime(self, node: str = "one") -> AnyRuntime:
        """A new runtime object: the node's agent, (re)started."""

    def program(self, pod: PodId, program: str, *, name: str = "main", attempt: int = 0) -> ContainerSpec:
        """A container that does what the program's name says."""

    async def close(self) -> None:
        """Leave nothing."""


class FakeLab:
    def __init__(self) -> None:
        self.world = World()
        for program, behaviour in PRETENDED.items():
            self.world.behaviours[program] = behaviour
            self.world.add_image(program)
        self.world.pulls["127.0.0.1:1/none"] = Pull(error="dial tcp 127.0.0.1:1: connection refused")

    def runtime(self, node: str = "one") -> AnyRuntime:
        return FakeRuntime(self.world, cluster="lab", node=node)

    def program(self, pod: PodId, program: str, *, name: str = "main", attempt: int = 0) -> ContainerSpec:
        return ContainerSpec(pod=pod, name=name, attempt=attempt, image=program, labels={"mine": "kept"})

    async def close(self) -> None:
        await self.world.close()


class DockerLab:
    def __init__(self) -> None:
        self.cluster = f"lab-{uuid.uuid4().hex[:8]}"
        self.runtimes: list[tuple[str, DockerRuntime]] = []

    def runtime(self, node: str = "one") -> AnyRuntime:
        self.runtimes.append((node, DockerRuntime(cluster=self.cluster, node=node)))
        return self.runtimes[-1][1]

    def program(self, pod: PodId, program: str, *, name: str = "main", attempt: int = 0) -> ContainerSpec:
        command = ["no-such-program"] if program == "missing" else ["sh", "-c", SHELL[program]]
        spec = ContainerSpec(
            pod=pod, name=name, attempt=attempt, image="busybox:latest", command=command, labels={"mine": "kept"}
        )
        return replace(spec, resources=Resources(memory_bytes=8 << 20)) if program == "hungry" else spec

    async def close(self) -> None:
        for node, used in self.runtimes:
            await used.close()
            runtime = DockerRuntime(cluster=self.cluster, node=node)
            for pod in await runtime.pods():
                for container in pod.containers:
                    await runtime.remove_container(container.id)
                for sandbox in pod.sandboxes:
                    await runtime.remove_sandbox(sandbox.id)
            await runtime.close()


def docker_with_busybox() -> docker.APIClient:
    """The daemon, with the image `busybox:latest` in it; the test is skipped where it cannot be."""
    if not shutil.which("busybox"):
        pytest.skip("busybox-static is not installed")
    try:
        client = docker.APIClient(version="auto")
    except DockerException:
        pytest.skip("no Docker daemon answers")
    images_local.build_busybox(client, "busybox:latest")
    return client


@pytest.fixture(scope="session")
def busybox() -> None:
    docker_with_busybox().close()


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    if request.param == "docker":
        request.getfixturevalue("busybox")
    lab: Lab = FakeLab() if request.param == "fake" else DockerLab()
    yield lab
    await lab.close()


@pytest.fixture
def runtime(lab: Lab) -> AnyRuntime:
    return lab.runtime()


@pytest.fixture
def pod() -> PodId:
    number = next(numbers)
    return PodId("default", f"pod-{number}", f"uid-{number}")


async def until(look: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Look again until it is good."""
    async with asyncio.timeout(SECONDS):
        while not good(seen := await look()):  # noqa: ASYNC110 - a runtime may tell nothing
            await asyncio.sleep(0.01)
        return seen


async def start(lab: Lab, runtime: AnyRuntime, pod: PodId, program: str, **more: object) -> str:
    """A started container in its pod's sandbox."""
    spec = lab.program(pod, program)
    sandbox = await runtime.create_sandbox(SandboxSpec(pod, pod.name))
    _, container = await asyncio.gather(
        runtime.run_sandbox(SandboxSpec(pod, pod.name)),
        runtime.create_container(sandbox, replace(spec, **more)),  # type: ignore[arg-type]
    )
    await runtime.start_container(container)
    return container


async def ended(runtime: AnyRuntime, pod: PodId) -> Container:
    seen = await until(lambda: runtime.pod(pod), lambda seen: seen.containers[0].state is State.EXITED)
    return seen.containers[0]


async def log_of(runtime: AnyRuntime, container: str, query: LogQuery) -> bytes:
    return b"".join([chunk async for chunk in runtime.logs(container, query)])


async def read(terminal: Terminal) -> dict[int, bytes]:
    output = {1: b"", 2: b""}
    async for stream, data in terminal.output():
        output[stream] += data
    return output
