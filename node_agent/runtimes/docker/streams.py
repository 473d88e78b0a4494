"""Exec and attach: raw connections to the daemon, both ways, without a thread."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from node_agent.http1 import Reply
from node_agent.runtimes.base import ExecResult, NotRunning, RuntimeFailure
from node_agent.runtimes.docker.client import Daemon, Refused
from node_agent.runtimes.docker.frames import Frames

log = logging.getLogger(__name__)

_READ = 64 * 1024
_MAX_OUTPUT = 16 * 1024
"""Of a probe or hook; the kubelet shows 10 KiB of it."""
_EXIT_SECONDS = 10.0
_RESIZE_TRIES = 20
_NO_DETACH_KEYS = "ctrl-@,ctrl-],ctrl-@,ctrl-]"
"""Docker's default, ctrl-p ctrl-q, would take keys away from the user's program; they cannot be switched off."""
_NOT_STARTED = (126, 127)
_START_ERRORS = (b"OCI runtime exec failed", b"failed to exec")


class DockerTerminal:
    """A running exec or attach (base.Terminal)."""

    def __init__(
        self,
        daemon: Daemon,
        reply: Reply,
        *,
        tty: bool,
        path: str,
        exit_code: Callable[[], Awaitable[int]],
        ends_input: bool = True,
    ) -> None:
        self._daemon = daemon
        self._reply = reply
        self._tty = tty
        self._path = path
        self._ask_exit_code = exit_code
        self._ends_input = ends_input
        self._reading = False
        self._input_closed = False
        self._ended = asyncio.Event()

    async def write(self, data: bytes) -> None:
        """Give it input. What comes after its end, or after `close_stdin`, is dropped."""
        if self._input_closed:
            return
        try:
            self._reply.writer.write(data)
            await self._reply.writer.drain()
        except ConnectionError:
            self._input_closed = True

    async def close_stdin(self) -> None:
        """No more input."""
        if self._input_closed:
            return
        self._input_closed = True
        if self._ends_input:
            self._reply.writer.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        """The window changed. The daemon knows the process only a moment after it has been asked to start it."""
        if not self._tty:
            return
        query = {"h": str(rows), "w": str(columns)}
        for attempt in range(_RESIZE_TRIES):
            try:
                await self._daemon.send("POST", f"{self._path}/resize", query)
                return
            except Refused as refusal:
                if self._ended.is_set() or refusal.status == 404 or attempt == _RESIZE_TRIES - 1:
                    log.debug("resize of %s refused: %s", self._path, refusal.message)
                    return
                await asyncio.sleep(0.01 * (attempt + 1))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(1 or 2, bytes) until both streams have ended. One reader only."""
        self._reading = True
        frames = Frames(tty=self._tty)
        try:
            while data := await self._reply.reader.read(_READ):
                for frame in frames.feed(data):
                    yield frame
        except ConnectionError as error:
            log.debug("output of %s broke: %s", self._path, error)
        finally:
            self._ended.set()

    async def exit_code(self) -> int:
        """Wait for the end; output that nobody reads is dropped."""
        if not self._reading:
            async for _ in self.output():
                pass
        await self._ended.wait()
        return await self._ask_exit_code()

    async def close(self) -> None:
        """Leave; the process goes on."""
        self._ended.set()
        self._input_closed = True
        await self._reply.close()


async def start_exec(
    daemon: Daemon, container: str, command: Sequence[str], *, stdin: bool, tty: bool
) -> tuple[str, DockerTerminal]:
    """Start a command; its id and its streams. Raises NotRunning, or RuntimeFailure when Docker cannot start it."""
    try:
        wanted: dict[str, Any] = {"AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": tty}
        wanted |= {"Cmd": list(command), "DetachKeys": _NO_DETACH_KEYS}
        made = await daemon.ask("POST", f"/containers/{container}/exec", body=wanted)
        path = f"/exec/{made['Id']}"
        body = {"Detach": False, "Tty": tty}
        reply = await daemon.begin("POST", f"{path}/start", body=body, upgrade=True)
    except Refused as refusal:
        if refusal.status in (404, 409):
            raise NotRunning("ContainerNotRunning", refusal.message) from refusal
        raise RuntimeFailure("ExecError", refusal.message) from refusal
    identity = str(made["Id"])
    return identity, DockerTerminal(daemon, reply, tty=tty, path=path, exit_code=lambda: _exit_code(daemon, identity))


async def _exit_code(daemon: Daemon, identity: str) -> int:
    """An ended exec's code, which the daemon knows a moment after its streams have closed."""
    deadline = time.monotonic() + _EXIT_SECONDS
    while True:
        state = await _inspect_exec(daemon, identity)
        if not state["Running"] and state["ExitCode"] is not None:
            return int(state["ExitCode"])
        if time.monotonic() > deadline:
            raise RuntimeFailure("ExecError", "the command closed its output but has not ended")
        await asyncio.sleep(0.01)


async def _inspect_exec(daemon: Daemon, identity: str) -> dict[str, Any]:
    state: dict[str, Any] = await daemon.ask("GET", f"/exec/{identity}/json")
    return state


async def run(daemon: Daemon, container: str, command: Sequence[str], timeout_seconds: float) -> ExecResult:
    """Run a command to its end; on time-out kill it, as containerd does for the kubelet, and raise TimeoutError."""
    identity, terminal = await start_exec(daemon, container, command, stdin=False, tty=False)
    output = bytearray()
    try:
        async with asyncio.timeout(timeout_seconds):
            async for _, data in terminal.output():
                output += data[: _MAX_OUTPUT - len(output)]
            code = await terminal.exit_code()
    except TimeoutError:
        await _kill(daemon, identity)
        raise TimeoutError(f"command {list(command)} timed out after {timeout_seconds:g} s") from None
    finally:
        await terminal.close()
    if code in _NOT_STARTED and output.startswith(_START_ERRORS):
        raise RuntimeFailure("ExecError", output.decode(errors="replace").strip())
    return ExecResult(code, bytes(output))


async def _kill(daemon: Daemon, identity: str) -> None:
    """Kill an exec's process; Docker has no call for it, but tells the process number on this machine."""
    state = await _inspect_exec(daemon, identity)
    if state["Running"] and state["Pid"]:
        try:
            os.kill(state["Pid"], signal.SIGKILL)
        except ProcessLookupError:
            log.debug("exec %s ended by itself", identity)


async def attach(daemon: Daemon, container: str, *, stdin: bool) -> DockerTerminal:
    """Join the main process's streams, as it was created: with or without a tty. Raises NotRunning."""
    try:
        inspected = await daemon.inspect(container)
        if inspected is None or not inspected["State"]["Running"]:
            raise NotRunning("ContainerNotRunning", f"container {container[:12]} is not running")
        query = {"stream": "1", "stdin": "1" if stdin else "0", "stdout": "1", "stderr": "1"}
        query["detachKeys"] = _NO_DETACH_KEYS
        path = f"/containers/{container}"
        reply = await daemon.begin("POST", f"{path}/attach", query, upgrade=True)
    except Refused as refusal:
        if refusal.status in (404, 409):
            raise NotRunning("ContainerNotRunning", refusal.message) from refusal
        raise RuntimeFailure("AttachError", refusal.message) from refusal
    tty, once = inspected["Config"]["Tty"], inspected["Config"]["StdinOnce"]
    # Without StdinOnce the daemon would take the end of this input for the end of the whole attach.
    return DockerTerminal(daemon, reply, tty=tty, path=path, exit_code=_ended_well, ends_input=once and not tty)


async def _ended_well() -> int:
    return 0
