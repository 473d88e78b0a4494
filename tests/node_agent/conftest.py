"""Builders of pods and of what is observed, and a harness of one node on the fake runtime."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from node_agent.agent import Agent
from node_agent.assignments import Assignments
from node_agent.events import AgentEvent, PodEvents
from node_agent.fieldrefs import NodeFacts
from node_agent.images import ImageKeeper
from node_agent.network.fake import FakeNetwork
from node_agent.runtimes.base import Container, ObservedPod, PodId, Sandbox, State
from node_agent.runtimes.fake import FakeRuntime, World
from node_agent.tools import NodeSettings, Tools
from node_agent.volumes.base import Token
from node_agent.volumes.mounts import unmount_all_under
from node_agent.volumes.pod_volumes import PodVolumes
from timonel.api import codec
from timonel.api.types import core_v1
from timonel.rpc import node_pb2

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
POD = PodId("default", "web", "uid-web")


def build_pod(*containers: dict[str, Any], uid: str = "uid-web", name: str = "web", **spec: Any) -> core_v1.Pod:
    """A pod of the given containers (name and image filled in) and further fields of its spec."""
    named = [{"name": f"c{i}", "image": "app:1", **c} for i, c in enumerate(containers or ({},))]
    return codec.convert(
        core_v1.Pod,
        {
            "metadata": {"name": name, "namespace": "default", "uid": uid, "generation": 1},
            "spec": {"containers": named, **spec},
        },
    )


def build_sandbox(attempt: int = 0, *, running: bool = True) -> Sandbox:
    return Sandbox(f"sandbox-{attempt}", POD, attempt, running, 100 if running else 0, NOW)


def build_container(name: str = "c0", state: State = State.RUNNING, attempt: int = 0, **changes: Any) -> Container:
    """A container made 60 s ago; an ended one ran for 30 s. ``labels`` are the journal."""
    started = NOW - timedelta(seconds=60)
    values: dict[str, Any] = {
        "id": f"{name}-{attempt}",
        "pod": POD,
        "name": name,
        "attempt": attempt,
        "state": state,
        "image": "app:1",
        "image_id": "sha256:1",
        "pid": 200 if state is State.RUNNING else 0,
        "created": started,
        "started": None if state is State.CREATED else started,
        "finished": started + timedelta(seconds=30) if state is State.EXITED else None,
        "exit_code": 0,
        "oom_killed": False,
        "message": "",
        "labels": {"timonel.io/sandbox-attempt": "0"},
    }
    return Container(**(values | changes))


def observe(*containers: Container, sandboxes: tuple[Sandbox, ...] | None = None) -> ObservedPod:
    return ObservedPod(POD, (build_sandbox(),) if sandboxes is None else sandboxes, containers)


@pytest.fixture(autouse=True)
def unmounted(tmp_path: Path) -> Iterator[None]:
    """Leave nothing mounted in the test's directory."""
    yield
    unmount_all_under(tmp_path)


class Builders:
    """The functions above, for tests that cannot import this module."""

    now = NOW
    pod_id = POD
    pod = staticmethod(build_pod)
    sandbox = staticmethod(build_sandbox)
    container = staticmethod(build_container)
    observe = staticmethod(observe)


@pytest.fixture(scope="session")
def build() -> type[Builders]:
    return Builders


class FakeTokens:
    """Gives tokens numbered from 1, of an hour each."""

    def __init__(self) -> None:
        self.given = 0

    async def request(self, pod: core_v1.Pod, audience: str, seconds: int) -> Token:
        self.given += 1
        return Token(f"token-{self.given}", datetime.now(UTC) + timedelta(hours=1))


@dataclass
class NodeHarness:
    """One node on the fake runtime; ``statuses`` are the newest by pod name, ``gone`` the pods that are no more."""

    world: World
    state_dir: Path
    assignments: Assignments = field(default_factory=Assignments)
    statuses: dict[str, core_v1.PodStatus] = field(default_factory=dict)
    history: list[tuple[str, core_v1.PodStatus]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    events: list[AgentEvent] = field(default_factory=list)
    sequence: int = 0

    def __post_init__(self) -> None:
        self.changed = asyncio.Event()
        self.network = FakeNetwork()
        self.boot()

    def boot(self) -> None:
        """Start the agent, on whatever is there."""
        self.runtime = FakeRuntime(self.world)
        self.assignments = Assignments()
        events = PodEvents(self._take_event)
        self.tools = Tools(
            runtime=self.runtime,
            streams=self.runtime,
            network=self.network,
            images=ImageKeeper(self.runtime, self.assignments, events),
            volumes=PodVolumes(self.state_dir / "pods"),
            tokens=FakeTokens(),
            refs=self.assignments,
            events=events,
            settings=NodeSettings(NodeFacts("node-1", ["10.0.0.1"], {"cpu": 2000, "memory": 1 << 30})),
            report=self._take_report,
        )
        self.agent = Agent(self.tools, self.assignments, lambda: None)
        self.agent.start()

    def _take_event(self, event: AgentEvent) -> None:
        self.events.append(event)
        self.changed.set()

    def _take_report(self, pod: PodId, status: core_v1.PodStatus | None) -> None:
        if status is None:
            self.gone.append(pod.name)
            self.agent.forget(pod)
        else:
            self.statuses[pod.name] = status
            self.history.append((pod.name, status))
        self.changed.set()

    def assign(self, *objects: Any, complete: bool = False) -> None:
        """The master assigns objects, all of them or more."""
        self._send(objects, node_pb2.AssignmentChange.UPDATE, complete=complete)

    def remove(self, *objects: Any) -> None:
        self._send(objects, node_pb2.AssignmentChange.REMOVE, complete=False)

    def _send(self, objects: tuple[Any, ...], action: Any, *, complete: bool) -> None:
        changes = [
            node_pb2.AssignmentChange(
                action=action,
                kind=o.kind,
                object_namespace=o.metadata.namespace or "",
                object_name=o.metadata.name or "",
                object_uid=o.metadata.uid or "",
                object_json=codec.encode(o),
            )
            for o in objects
        ]
        kind = node_pb2.Assignments.COMPLETE if complete else node_pb2.Assignments.INCREMENTAL
        message = node_pb2.Assignments(type=kind, applies_to=self.sequence, sequence=self.sequence + 1, changes=changes)
        self.sequence += 1
        self.agent.take(message)

    def node_object(self) -> core_v1.Node:
        node = core_v1.Node()
        node.metadata.name = "node-1"
        node.spec.podCIDR = "10.1.0.0/24"
        return node

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Wait until the condition holds; looked at again whenever something was reported, and now and then."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self.changed.wait()
                except TimeoutError:
                    continue

    def condition(self, pod: str, kind: str) -> str:
        status = self.statuses.get(pod)
        return next((c.status for c in status.conditions if c.type == kind), "") if status is not None else ""

    def state(self, pod: str, container: int = 0) -> core_v1.ContainerState:
        status = self.statuses.get(pod)
        if status is None or len(status.containerStatuses) <= container:
            return core_v1.ContainerState()
        return status.containerStatuses[container].state or core_v1.ContainerState()

    def waiting(self, pod: str, container: int = 0) -> str:
        waiting = self.state(pod, container).waiting
        return (waiting.reason or "") if waiting is not None else ""

    def reasons(self) -> list[str]:
        return [e.reason for e in self.events]

    async def close(self) -> None:
        await self.agent.close()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeHarness]:
    harness = NodeHarness(World(), tmp_path)
    harness.assign(harness.node_object(), complete=True)
    yield harness
    await harness.close()
    await harness.world.close()
