"""The command line as users run it, in this process, against a whole master with pretended nodes in a thread."""

from __future__ import annotations

import asyncio
import io
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cluster_in_process import running as running_cluster
from command_line import MAIN, Timonel, Web

from node_agent.runtimes.fake.script import Behaviour, Command, no_such_command
from timonel.cli.main import run

T = TypeVar("T")
NODES = ("n1", "n2")
DEADLINE = 30.0


@dataclass(frozen=True)
class Ran:
    """What a command line gave."""

    code: int
    out: str
    err: str


class Background:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(DEADLINE)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE)
        self.loop.close()


def commands(words: Sequence[str]) -> Command:
    """What the pretended containers can do."""
    match list(words):
        case ["greet", who]:
            return Command(output=[(1, f"hello {who}\n".encode()), (2, b"and goodbye\n")])
        case ["fail", code]:
            return Command(exit_code=int(code))
        case ["cat"]:
            return Command(echo=True)
    return no_such_command(words)


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    made = Background()
    yield made
    made.close()


@pytest.fixture(scope="session")
def kubeconfig(background: Background) -> Iterator[Path]:
    """A cluster of two nodes, for all tests here; its administrator's kubeconfig."""
    with tempfile.TemporaryDirectory() as folder:
        lasting = running_cluster(Path(folder), nodes=NODES)
        cluster = background.run(lasting.__aenter__())
        for daemon in cluster.daemons.values():
            daemon.behaviours["app:1"] = Behaviour(
                output=[(1, b"first\n"), (1, b"second\n"), (1, b"third\n")], commands=commands
            )
        yield cluster.kubeconfig
        background.run(lasting.__aexit__(None, None, None))


@pytest.fixture
def offline(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ran]:
    """Runs a command line; nothing of this machine's kubeconfigs or clusters is seen."""
    for name in ("KUBECONFIG", "TIMONEL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TIMONEL_HOME", str(tmp_path / "timonel"))

    def call(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capfd.readouterr()
        code = run(arguments)
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return call


_numbers = itertools.count(1)


@pytest.fixture
def namespace(kubeconfig: Path, offline: Callable[..., Ran]) -> str:
    """A namespace of the test's own."""
    name = f"test-{next(_numbers)}"
    document = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"
    made = offline("--kubeconfig", str(kubeconfig), "apply", "-f", "-", stdin=document)
    assert made == Ran(0, f"namespace/{name} created\n", "")
    return name


@pytest.fixture
def timonel(kubeconfig: Path, namespace: str, offline: Callable[..., Ran]) -> Callable[..., Ran]:
    """Runs a command line in the test's namespace."""

    def call(*arguments: str, stdin: str = "") -> Ran:
        return offline("--kubeconfig", str(kubeconfig), "-n", namespace, *arguments, stdin=stdin)

    return call


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any], str], Any]:
    """Waits for a condition's first true value."""

    def wait(condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + DEADLINE
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not in time: {what}"
            time.sleep(0.05)
        return value

    return wait


@pytest.fixture
def web() -> Callable[..., str]:
    """The manifest of a Deployment."""

    def make(name: str = "web", *, replicas: int = 1, image: str = "app:1", cpu: str = "10m") -> str:
        return f"""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: {image}
          resources: {{requests: {{cpu: {cpu}}}}}
"""

    return make


@pytest.fixture
def running(timonel: Timonel, web: Web) -> Callable[..., None]:
    """Applies a Deployment and waits for it."""

    def apply(name: str = "web", **options: Any) -> None:
        ran = timonel("apply", "-f", "-", "--wait", "--timeout", "20s", stdin=web(name, **options))
        assert ran.code == 0, ran.err

    return apply


@pytest.fixture
def watcher(kubeconfig: Path, namespace: str) -> Iterator[Callable[..., Callable[[], str]]]:
    """Starts a command line that does not end by itself; gives what it has printed so far."""
    processes: list[subprocess.Popen[str]] = []

    def read(process: subprocess.Popen[str], lines: list[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)  # noqa: PERF402  # others look at the list while it grows

    def start(*arguments: str) -> Callable[[], str]:
        command = [sys.executable, "-c", MAIN, "--kubeconfig", str(kubeconfig), "-n", namespace, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        lines: list[str] = []
        threading.Thread(target=read, args=(process, lines), daemon=True).start()
        return lambda: "".join(lines)

    yield start
    for process in processes:
        process.terminate()
        process.wait(10)


@pytest.fixture
def shell(kubeconfig: Path, namespace: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line in a process of its own."""

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", MAIN, "--kubeconfig", str(kubeconfig), "-n", namespace, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=30)

    return call
