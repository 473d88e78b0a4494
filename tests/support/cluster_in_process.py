"""A whole master in this process, on either store, with nodes that pretend to run containers; and a real kubectl."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from etcd_server import EtcdServer, etcd_server

from master.bootstrap_tokens import BootstrapToken
from master.master import Master, Settings
from node_agent.credentials import NodeCredentials
from node_agent.join import join
from node_agent.network.fake import FakeNetwork
from node_agent.node import Node
from node_agent.node_status import NodeConfig
from node_agent.runtimes.fake import FakeRuntime
from node_agent.runtimes.fake import World as Daemon
from node_agent.volumes.mounts import unmount_all_under
from timonel import kubeconfig
from timonel.client import Client


async def wait_until(condition: Callable[[], Awaitable[Any]], why: str, seconds: float = 20.0) -> Any:
    """What `condition` gives once it is true; fails with `why` and the last value after a while."""
    deadline = time.monotonic() + seconds
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{why}: still {value!r} after {seconds} s"
        await asyncio.sleep(0.02)


@dataclass
class Cluster:
    """A master and its nodes, which can be stopped and started again."""

    directory: Path
    etcd: tuple[str, ...]
    token: str = field(default_factory=lambda: str(BootstrapToken.new()))
    master: Master = field(init=False)
    nodes: dict[str, Node] = field(default_factory=dict)
    daemons: dict[str, Daemon] = field(default_factory=dict)
    ports: tuple[int, int, int] = (0, 0, 0)

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "master" / "admin.kubeconfig"

    def client(self) -> Client:
        return Client(kubeconfig.load(self.kubeconfig))

    async def start_master(self) -> None:
        """Start a master on the same data and the same ports as before."""
        api, bootstrap, node = self.ports
        settings = Settings(
            data_dir=self.directory / "master",
            etcd=self.etcd,
            address="127.0.0.1",
            api_port=api,
            bootstrap_port=bootstrap,
            node_port=node,
            join_token=self.token,
        )
        self.master = Master(settings)
        await self.master.start()
        endpoints = self.master.endpoints
        self.ports = (int(endpoints.api.rpartition(":")[2]), endpoints.bootstrap_port, endpoints.node_port)

    async def start_node(self, name: str) -> None:
        """Start a node's agent, joining at first; what its daemon ran before is there again."""
        endpoints = self.master.endpoints
        directory = self.directory / name
        credentials = NodeCredentials(directory / "pki")
        if not credentials.exist:
            address = f"127.0.0.1:{endpoints.bootstrap_port}"
            await asyncio.to_thread(join, address, name, self.token, endpoints.ca_hash, directory / "pki")
        daemon = self.daemons.setdefault(name, Daemon())
        runtime = FakeRuntime(daemon, node=name)
        config = NodeConfig(name=name, state_dir=directory, addresses=["127.0.0.1"], secrets_in_memory=False)
        self.nodes[name] = Node(config, runtime, FakeNetwork(), f"127.0.0.1:{endpoints.node_port}", credentials)
        await self.nodes[name].start()

    async def stop_node(self, name: str) -> None:
        """Stop a node's agent; its pods run on."""
        await self.nodes.pop(name).close()

    async def close(self) -> None:
        for name in list(self.nodes):
            await self.stop_node(name)
        await self.master.close()

    async def kubectl(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """What kubectl prints; with `fails` what it complains of, and it must fail."""
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.directory / 'cache'}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin.encode())
        assert bool(process.returncode) == fails, f"kubectl {' '.join(arguments)}: {err.decode()}{out.decode()}"
        return err.decode() if fails else out.decode()

    async def get(self, *arguments: str) -> Any:
        """An object or a list as kubectl gets it."""
        return json.loads(await self.kubectl("get", *arguments, "-o", "json"))


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    """An empty etcd for one test."""
    (tmp_path / "etcd").mkdir()
    yield from etcd_server(tmp_path / "etcd")


STORES = ["embedded", pytest.param("etcd", marks=pytest.mark.etcd)]


class Refusals(logging.Handler):
    """What the master's own parts were not allowed to do: their roles must be enough."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if 'is forbidden: User "system:' in message:
            self.found.append(message)

    def __enter__(self) -> Refusals:
        logging.getLogger("master").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("master").removeHandler(self)
        assert not self.found


@asynccontextmanager
async def running(
    directory: Path, etcd: EtcdServer | None = None, nodes: Sequence[str] = ("one", "two")
) -> AsyncIterator[Cluster]:
    """A master with its nodes."""
    made = Cluster(directory, (etcd.endpoint,) if etcd else ())
    await made.start_master()
    try:
        for name in nodes:
            await made.start_node(name)
        yield made
    finally:
        await made.close()
        unmount_all_under(directory)


@pytest.fixture(params=STORES)
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A master on either store, with two nodes."""
    etcd = request.getfixturevalue("etcd") if request.param == "etcd" else None
    with Refusals():
        async with running(tmp_path, etcd) as made:
            yield made


@pytest.fixture(params=STORES)
async def crowded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose store has room for some megabytes: on a small disk, half full of ballast, or by etcd's quota."""
    etcd: EtcdServer | None = None
    if request.param == "etcd":
        etcd = request.getfixturevalue("etcd")
        etcd.kill()
        etcd.start(quota_backend_bytes=str(16 << 20))
    else:
        small_disk(tmp_path / "master", "24m")
        (tmp_path / "master" / "ballast").write_bytes(bytes(12 << 20))
    with Refusals():
        async with running(tmp_path, etcd) as made:
            yield made


@pytest.fixture
async def etcd_on_a_small_disk(tmp_path: Path) -> AsyncIterator[tuple[Cluster, EtcdServer]]:
    """A cluster on an etcd whose disk has some megabytes left beside the logs that etcd makes in advance."""
    disk = tmp_path / "disk"
    small_disk(disk, "180m")
    (tmp_path / "cluster").mkdir()
    with contextmanager(etcd_server)(disk) as etcd:
        async with running(tmp_path / "cluster", etcd) as made:
            free = shutil.disk_usage(disk).free
            (disk / "ballast").write_bytes(bytes(free - (6 << 20)))
            yield made, etcd
    unmount_all_under(disk)


def small_disk(directory: Path, size: str) -> None:
    """Mount a file system of that size; whoever uses it unmounts all in the end."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a full disk needs a tmpfs of its own, which takes root to mount")


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """Waits for a condition; see `wait_until`."""
    return wait_until
