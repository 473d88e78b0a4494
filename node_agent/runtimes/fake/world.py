"""A pretended daemon: what exists on it, what happens to it, and which of its calls fail or hang."""

import asyncio
import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from node_agent.runtimes.base import (
    Container,
    ContainerSpec,
    Image,
    PodId,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
    State,
)
from node_agent.runtimes.fake.clock import Clock, RealClock
from node_agent.runtimes.fake.script import Behaviour, Pull
from timonel.tasks import end

_MAX_EVENTS = 10_000
_MAX_LOG_LINES = 10_000
_KILLED = 137

Scope = tuple[str, str]
"""Cluster and node."""
LogEntry = tuple[datetime, int, bytes]
"""When, which stream, what line."""


@dataclass(slots=True)
class PretendedSandbox:
    """A sandbox and whose it is."""

    scope: Scope
    seen: Sandbox


@dataclass(slots=True)
class PretendedContainer:
    """A container, what it does, and what it wrote."""

    scope: Scope
    seen: Container
    spec: ContainerSpec
    sandbox: str
    behaviour: Behaviour
    log: deque[LogEntry] = field(default_factory=lambda: deque(maxlen=_MAX_LOG_LINES))
    written: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    life: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether its main process lives."""
        return self.seen.state is State.RUNNING

    async def news(self, seen: int, unless: Callable[[], bool] = lambda: False) -> list[LogEntry]:
        """What it wrote after its first ``seen`` lines; waits for some, but none comes after its end or ``unless``."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.written > seen or not self.running or unless())
            new = min(self.written - seen, len(self.log))
            return list(self.log)[-new:] if new else []


class World:
    """Everything on the pretended daemon. Scripts are looked up by image name.

    ``behaviours`` and ``pulls`` may be changed at any time; what a container does is fixed when it is created. An image
    without an entry in ``pulls`` can be pulled at once, and one in ``images`` is there.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or RealClock()
        self.behaviours: dict[str, Behaviour] = {}
        self.pulls: dict[str, Pull] = {}
        self.images: dict[str, Image] = {}
        self.sandboxes: dict[str, PretendedSandbox] = {}
        self.containers: dict[str, PretendedContainer] = {}
        self.calls: dict[str, int] = {}
        self.unstarted: set[str] = set()
        """Sandboxes that were created and never started."""
        self._faults: dict[str, deque[RuntimeFailure]] = {}
        self._hung: dict[str, asyncio.Event] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[tuple[Scope, asyncio.Queue[RuntimeEvent]]] = []

    def fail(self, call: str, failure: RuntimeFailure, times: int = 1) -> None:
        """The next ``times`` calls of that name (``start_container`` for instance) fail."""
        self._faults.setdefault(call, deque()).extend([failure] * times)

    def hang(self, call: str) -> Callable[[], None]:
        """Calls of that name do not return until the function that this returns is called."""
        event = self._hung[call] = asyncio.Event()

        def release() -> None:
            self._hung.pop(call, None)
            event.set()

        return release

    async def enter(self, call: str) -> None:
        """Every call of a runtime begins here: it is counted, and meets the faults prepared for it."""
        self.calls[call] = self.calls.get(call, 0) + 1
        if hung := self._hung.get(call):
            await hung.wait()
        if faults := self._faults.get(call):
            raise faults.popleft()

    def add_image(self, name: str, *, user: str = "", size_bytes: int = 4 << 20) -> Image:
        """Have an image."""
        identity = "sha256:" + hashlib.sha256(name.encode()).hexdigest()
        self.images[name] = Image(identity, [name], size_bytes, user)
        return self.images[name]

    def new_id(self) -> str:
        """An id of the form that daemons give."""
        return hashlib.sha256(str(next(self._numbers)).encode()).hexdigest()

    def new_pid(self) -> int:
        """A process number above those of a real machine."""
        return 5_000_000 + next(self._numbers)

    def tell(self, scope: Scope, pod: PodId, action: str) -> None:
        """Let those who listen know."""
        for listener, queue in self._listeners:
            if listener != scope:
                continue
            if queue.full():
                _empty(queue)
                queue.put_nowait(RuntimeEvent(None, "overflow"))
            queue.put_nowait(RuntimeEvent(pod, action))

    def listen(self, scope: Scope) -> asyncio.Queue[RuntimeEvent]:
        """Hear of that node's pods, beginning with "look at all"."""
        queue: asyncio.Queue[RuntimeEvent] = asyncio.Queue(_MAX_EVENTS)
        queue.put_nowait(RuntimeEvent(None, "connected"))
        self._listeners.append((scope, queue))
        return queue

    def ignore(self, queue: asyncio.Queue[RuntimeEvent]) -> None:
        """Hear no more."""
        self._listeners = [entry for entry in self._listeners if entry[1] is not queue]

    async def start(self, container: PretendedContainer) -> None:
        """Bring it to life. Raises RuntimeFailure when it is made to fail."""
        behaviour = container.behaviour
        await self.clock.sleep(behaviour.start_seconds)
        if container.seen.state is not State.CREATED:
            return
        now = self.clock.now()
        if behaviour.start_error:
            failed = {"state": State.EXITED, "exit_code": 127, "finished": now, "message": behaviour.start_error}
            await self._become(container, **failed)
            raise RuntimeFailure("RunContainerError", behaviour.start_error)
        await self._become(container, state=State.RUNNING, started=now, pid=self.new_pid())
        self.tell(container.scope, container.seen.pod, "start")
        for stream, line in behaviour.output:
            await self.write(container, stream, line)
        container.life = asyncio.create_task(self._live(container), name=f"pretended {container.seen.name}")

    async def _live(self, container: PretendedContainer) -> None:
        behaviour = container.behaviour
        steps: list[Coroutine[Any, Any, None]] = []
        if behaviour.tick:
            steps.append(self._tick(container))
        if behaviour.run_seconds is not None:
            steps.append(self._expire(container, behaviour.run_seconds))
        await asyncio.gather(*steps)

    async def _tick(self, container: PretendedContainer) -> None:
        while container.running:
            await self.write(container, 1, container.behaviour.tick)
            await self.clock.sleep(container.behaviour.tick_seconds)

    async def _expire(self, container: PretendedContainer, seconds: float) -> None:
        await self.clock.sleep(seconds)
        code = _KILLED if container.behaviour.oom else container.behaviour.exit_code
        await self.end(container, code, oom=container.behaviour.oom)

    async def end(self, container: PretendedContainer, exit_code: int, *, oom: bool = False) -> None:
        """End its main process; an ended one stays as it is."""
        if not container.running:
            return
        now = self.clock.now()
        await self._become(container, state=State.EXITED, exit_code=exit_code, finished=now, pid=0, oom_killed=oom)
        if oom:
            self.tell(container.scope, container.seen.pod, "oom")
        self.tell(container.scope, container.seen.pod, "die")
        if container.life and container.life is not asyncio.current_task():
            container.life.cancel()

    async def stop(self, container: PretendedContainer, grace_seconds: float) -> None:
        """Ask it to end, wait for the grace, kill it."""
        takes = container.behaviour.stop_seconds
        if grace_seconds > 0:
            await self.clock.sleep(grace_seconds if takes is None else min(takes, grace_seconds))
        obeys = takes is not None and grace_seconds > 0 and takes <= grace_seconds
        await self.end(container, container.behaviour.stop_code if obeys else _KILLED)

    async def write(self, container: PretendedContainer, stream: int, line: bytes) -> None:
        """Write to its log."""
        async with container.changed:
            container.log.append((self.clock.now(), stream, line))
            container.written += 1
            container.changed.notify_all()

    async def _become(self, container: PretendedContainer, **changes: Any) -> None:
        async with container.changed:
            container.seen = replace(container.seen, **changes)
            container.changed.notify_all()

    async def stop_sandbox(self, sandbox: PretendedSandbox) -> None:
        """Kill it. Its containers live on, as on a real daemon."""
        if sandbox.seen.running:
            sandbox.seen = replace(sandbox.seen, running=False, pid=0)
            self.tell(sandbox.scope, sandbox.seen.pod, "die")

    async def remove(self, container: PretendedContainer) -> None:
        """Kill it and forget it."""
        await self.end(container, _KILLED)
        self.containers.pop(container.seen.id, None)
        self.tell(container.scope, container.seen.pod, "destroy")

    def of(self, scope: Scope) -> tuple[Iterable[PretendedSandbox], Iterable[PretendedContainer]]:
        """What one node has."""
        return (
            [sandbox for sandbox in self.sandboxes.values() if sandbox.scope == scope],
            [container for container in self.containers.values() if container.scope == scope],
        )

    async def close(self) -> None:
        """Let everything end."""
        await end(container.life for container in self.containers.values() if container.life)


def _empty(queue: asyncio.Queue[RuntimeEvent]) -> None:
    while not queue.empty():
        queue.get_nowait()
