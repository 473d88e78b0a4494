"""Processes that outlive the command that started them, found again by a record on disk."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

STOP_SECONDS = 10.0


class ProcessFailed(Exception):
    """A process ended when it should run; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the cluster. `started` is its start in clock ticks since boot: a reused pid has another."""

    name: str
    role: str
    node: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process runs."""
        return _start_ticks(self.pid) == self.started


def start(name: str, role: str, node: str, command: Sequence[str], directory: Path) -> Process:
    """Start a process in a session of its own, its output going to `<directory>/<name>.log`, and record it."""
    directory.mkdir(parents=True, exist_ok=True)
    with _log(directory, name).open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return _record(name, role, node, child.pid, directory)


def start_nodes(arguments: Mapping[str, Sequence[str]], directory: Path) -> list[Process]:
    """Start the agents of the nodes that the mapping names, each with its arguments, and record them like `start`.

    Raises:
        ProcessFailed: they could not be started; the text says why.
    """
    directory.mkdir(parents=True, exist_ok=True)
    wanted = [{"log": str(_log(directory, node)), "arguments": list(own)} for node, own in arguments.items()]
    command = [sys.executable, "-m", "node_agent.together"]
    done = subprocess.run(command, input=json.dumps(wanted), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProcessFailed(f"the nodes do not start:\n{done.stderr.strip()}")
    return [
        _record(node, "node", node, pid, directory)
        for node, pid in zip(arguments, json.loads(done.stdout), strict=True)
    ]


def recorded(directory: Path) -> list[Process]:
    """The processes that were started, running or not, in order of their names."""
    return [Process(**json.loads(path.read_text())) for path in sorted(directory.glob("*.json"))]


def stop(processes: Sequence[Process]) -> None:
    """Ask all to end (SIGTERM), and kill what has not within 10 seconds. An ended one is no error."""
    for process in processes:
        _send(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    left = [process for process in processes if process.alive]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [process for process in left if process.alive]
    for process in left:
        _send(process, signal.SIGKILL)


def _log(directory: Path, name: str) -> Path:
    return directory / f"{name}.log"


def _record(name: str, role: str, node: str, pid: int, directory: Path) -> Process:
    process = Process(name, role, node, pid, _start_ticks(pid) or 0)
    (directory / f"{name}.json").write_text(json.dumps(asdict(process)))
    return process


def check(process: Process, directory: Path) -> None:
    """Raise ProcessFailed if the process has ended."""
    if not process.alive:
        log = _log(directory, process.name)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""
        raise ProcessFailed(f"{process.name} has ended; the end of its log ({log}):\n{tail}")


def _send(process: Process, number: signal.Signals) -> None:
    if process.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _start_ticks(pid: int) -> int | None:
    """The start time of a running process; None for none, or a zombie. Source: proc(5), fields 3 and 22 of stat."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
