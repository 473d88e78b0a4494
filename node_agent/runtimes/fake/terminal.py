"""Pretended execs and attaches."""

import asyncio
from collections.abc import AsyncIterator

from node_agent.runtimes.fake.clock import Clock
from node_agent.runtimes.fake.script import Command
from node_agent.runtimes.fake.world import PretendedContainer, World

_PIECES = 64
"""How much input or output waits before the writer does."""


class ExecTerminal:
    """A pretended command (base.Terminal). ``size`` is what `resize` last said."""

    def __init__(self, command: Command, clock: Clock, *, stdin: bool, tty: bool) -> None:
        self._command = command
        self._tty = tty
        self._clock = clock
        self._input: asyncio.Queue[bytes] = asyncio.Queue(_PIECES)
        self._ended = asyncio.Event()
        self._reading = False
        self.size: tuple[int, int] | None = None
        if not stdin:
            self._input.put_nowait(b"")

    async def write(self, data: bytes) -> None:
        """Give it input; nobody reads that of a command without ``echo``."""
        if data and self._command.echo and not self._ended.is_set():
            await self._input.put(data)

    async def close_stdin(self) -> None:
        """No more input."""
        await self._input.put(b"")

    async def resize(self, columns: int, rows: int) -> None:
        """The window changed."""
        if self._tty:
            self.size = columns, rows

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes until it ends."""
        self._reading = True
        try:
            for stream, data in self._command.output:
                yield 1 if self._tty else stream, data
            while self._command.echo and (data := await self._input.get()):
                yield 1, data
            await self._clock.sleep(self._command.seconds)
        finally:
            self._ended.set()

    async def exit_code(self) -> int:
        """Wait for its end."""
        if not self._reading:
            async for _ in self.output():
                pass
        await self._ended.wait()
        return self._command.exit_code

    async def close(self) -> None:
        """Leave."""
        self._ended.set()


class AttachTerminal:
    """Joins a pretended container's streams (base.Terminal)."""

    def __init__(self, world: World, container: PretendedContainer) -> None:
        self._world = world
        self._container = container
        self._from = container.written
        self._closed = False

    async def write(self, data: bytes) -> None:
        """Give it input; one with ``echo`` writes it back."""
        if self._container.behaviour.echo and self._container.running:
            await self._world.write(self._container, 1, data)

    async def close_stdin(self) -> None:
        """With ``stdin_once`` an echoing container ends with its input."""
        if self._container.spec.stdin_once and self._container.behaviour.echo:
            await self._world.end(self._container, 0)

    async def resize(self, columns: int, rows: int) -> None:
        """Nothing shows it."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes from now on, until it ends."""
        container, seen = self._container, self._from
        while fresh := await container.news(seen, unless=lambda: self._closed):
            seen = container.written
            for _, stream, line in fresh:
                yield 1 if container.spec.tty else stream, line

    async def exit_code(self) -> int:
        """Wait for the end."""
        async with self._container.changed:
            await self._container.changed.wait_for(lambda: not self._container.running or self._closed)
        return 0

    async def close(self) -> None:
        """Leave."""
        async with self._container.changed:
            self._closed = True
            self._container.changed.notify_all()
