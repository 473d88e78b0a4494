"""A local cluster for a measurement, in a directory of its own, and removed whatever happens."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

NAME = "bench"
TIMONEL = str(Path(sys.executable).with_name("timonel"))
_DOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster may be started, by `up` and whatever else."""

    env: dict[str, str]
    root: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, once the master serves."""
        return self.root / "master" / "admin.kubeconfig"

    def up(self, *arguments: str) -> list[str]:
        """The command that starts a cluster; it needs `env`."""
        return [TIMONEL, "up", "--name", NAME, *arguments]

    def down(self) -> None:
        """Remove the cluster."""
        command = [TIMONEL, "down", "--name", NAME]
        subprocess.run(command, env=self.env, check=True, stdout=subprocess.DEVNULL, timeout=_DOWN_SECONDS)

    def processes(self) -> dict[str, dict[str, Any]]:
        """The records of the cluster's processes, by name."""
        records = [json.loads(path.read_text()) for path in (self.root / "processes").glob("*.json")]
        return {record["name"]: record for record in records}


@contextmanager
def place() -> Iterator[Place]:
    """A place for clusters. SIGTERM is made an exception, so that what was started is taken down then too."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="timonel-bench-") as home:
            where = Place({**os.environ, "TIMONEL_HOME": home}, Path(home, "clusters", NAME))
            try:
                yield where
            finally:
                where.down()
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def cluster(nodes: int) -> Iterator[Place]:
    """A running cluster. Raises RuntimeError with the command's words when it does not come up."""
    with place() as where:
        command = where.up("--nodes", str(nodes))
        started = subprocess.run(command, env=where.env, check=False, capture_output=True, text=True)
        if started.returncode:
            raise RuntimeError(f"timonel up failed:\n{started.stdout}{started.stderr}")
        yield where


@asynccontextmanager
async def lines_of(*command: str, env: Mapping[str, str] | None = None) -> AsyncIterator[asyncio.StreamReader]:
    """What a program prints while one is inside; it ends when one leaves."""
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if not process.stdout.at_eof():
            process.terminate()
        await process.wait()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
