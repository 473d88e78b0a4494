"""The command line as users run it, in this process, against a whole master with pretended nodes in a thread."""

from __future__ import annotations

import asyncio
import io
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from master.bootstrap_tokens import BootstrapToken
from master.master import Master, Settings
from node_agent.credentials import NodeCredentials
from node_agent.join import join
from node_agent.network.fake import FakeNetwork
from node_agent.node import Node
from node_agent.node_status import NodeConfig
from node_agent.runtimes.fake import FakeRuntime, World
from node_agent.runtimes.fake.script import Behaviour, Command, no_such_command
from node_agent.volumes.mounts import unmount_all_under
from timonel.cli.main import run

T = TypeVar("T")
NODES = ("n1", "n2")
DEADLINE = 20.0


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
        directory = Path(folder)
        token = str(BootstrapToken.new())
        settings = Settings(
            data_dir=directory / "master",
            address="127.0.0.1",
            api_port=0,
            bootstrap_port=0,
            node_port=0,
            join_token=token,
        )
        master = Master(settings)
        background.run(master.start())
        nodes = [background.run(_start_node(master, name, token, directory)) for name in NODES]
        yield directory / "master" / "admin.kubeconfig"
        for node in nodes:
            background.run(node.close())
        background.run(master.close())
        unmount_all_under(directory)


async def _start_node(master: Master, name: str, token: str, directory: Path) -> Node:
    endpoints = master.endpoints
    pki = directory / name / "pki"
    bootstrap = f"127.0.0.1:{endpoints.bootstrap_port}"
    await asyncio.to_thread(join, bootstrap, name, token, endpoints.ca_hash, pki)
    world = World()
    world.behaviours["app:1"] = Behaviour(
        output=[(1, b"first\n"), (1, b"second\n"), (1, b"third\n")], commands=commands
    )
    runtime = FakeRuntime(world, node=name)
    config = NodeConfig(name=name, state_dir=directory / name, addresses=["127.0.0.1"])
    node = Node(config, runtime, FakeNetwork(), f"127.0.0.1:{endpoints.node_port}", NodeCredentials(pki))
    await node.start()
    return node


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
