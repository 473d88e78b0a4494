"""Starting, finding and removing a local cluster. Every step is harmless when it is done already."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from timonel.cli.errors import CliError
from timonel.cli.local import processes
from timonel.cli.local.layout import Layout, Shape
from timonel.cli.local.processes import Process, ProcessFailed

API_PORT, BOOTSTRAP_PORT, NODE_PORT = 6443, 6444, 6445
ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
START_SECONDS = 30.0
WATCH_SECONDS = 0.2
ETCD_READY = "ready to serve client requests"


def node_names(count: int) -> list[str]:
    """node-1, node-2, ..."""
    return [f"node-{number}" for number in range(1, count + 1)]


def choose(layout: Layout, nodes: int, store: str, admission_plugins: str = "") -> Shape:
    """The shape of the existing cluster, with more nodes if asked for, or a new one on ports that are free.

    Raises:
        CliError: the existing cluster has another store.
    """
    existing = layout.load()
    if existing is None:
        wanted = [API_PORT, BOOTSTRAP_PORT, NODE_PORT, *([ETCD_PORT, ETCD_PEER_PORT] if store == "etcd" else [])]
        api, bootstrap, node, *etcd = _free_ports(wanted)
        client, peer = etcd or (0, 0)
        return Shape(nodes, store, api, bootstrap, node, str(free_cidr(_routed())), client, peer, admission_plugins)
    if existing.store != store:
        raise CliError(
            f"the cluster {layout.name} keeps its state in the {existing.store} store, not in {store}: "
            f"run 'timonel down' first, or 'timonel up --store {existing.store}'"
        )
    plugins = admission_plugins or existing.admission_plugins
    return replace(existing, nodes=max(nodes, existing.nodes), admission_plugins=plugins)


def start(layout: Layout, shape: Shape, *, runtime: str = "docker", join_token: str = "") -> None:
    """Start what does not run, all at once: nodes wait for their master by themselves.

    Args:
        join_token: for nodes that have not joined yet; by default a new one, which the master knows from its start.

    Raises:
        CliError: etcd was asked for and is missing, or does not start.
        ProcessFailed: the nodes do not start.
    """
    from master.bootstrap_tokens import BootstrapToken

    layout.save(shape)
    running = running_processes(layout)
    token = join_token or str(BootstrapToken.new())
    if "master" not in running:
        if shape.store == "etcd" and "etcd" not in running:
            running["etcd"] = _start_etcd(layout, shape)
        running["master"] = _start_master(layout, shape, token)
    from master.pki import Pki  # while the master starts; both make the authority, and one of them is first

    pki = Pki.open(layout.master / "pki")
    missing = [name for name in node_names(shape.nodes) if name not in running]
    if missing:
        arguments = {name: _node_arguments(layout, shape, name, runtime, token, pki.ca_hash) for name in missing}
        processes.start_nodes(arguments, layout.processes)


def running_processes(layout: Layout) -> dict[str, Process]:
    """The cluster's processes that run, by name."""
    return {process.name: process for process in processes.recorded(layout.processes) if process.alive}


def wait_for_master(layout: Layout) -> None:
    """Wait until the master serves.

    Raises:
        ProcessFailed: it has ended; the text has the end of its log.
        CliError: it takes too long.
    """
    master = next((process for process in processes.recorded(layout.processes) if process.name == "master"), None)
    if master is None:
        raise CliError(f"the cluster {layout.name} has no master: 'timonel up' starts one")

    def serves() -> bool:
        processes.check(master, layout.processes)
        return (layout.master / "endpoints.json").exists()

    _wait(serves, f"the master does not serve after {START_SECONDS:.0f} s; see {layout.processes / 'master.log'}")


@asynccontextmanager
async def watched(layout: Layout) -> AsyncIterator[None]:
    """While inside, the end of a process that ran at the beginning ends what is being waited for.

    Raises:
        ProcessFailed: a process has ended; the text has the end of its log.
    """
    started = list(running_processes(layout).values())

    async def watch() -> None:
        while True:
            for process in started:
                processes.check(process, layout.processes)
            await asyncio.sleep(WATCH_SECONDS)

    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(watch())
            yield
            watcher.cancel()
    except* ProcessFailed as failures:
        raise failures.exceptions[0] from None


def stop(layout: Layout) -> list[Process]:
    """Stop the cluster's processes, nodes first; those that ran."""
    running = list(running_processes(layout).values())
    for role in ("node", "master", "etcd"):
        processes.stop([process for process in running if process.role == role])
    return running


def remove(layout: Layout) -> None:
    """Remove what stopped nodes left (containers, networks, mounts) and all files.

    Raises:
        CliError: something could not be removed; the files stay, so that it can be tried again.
    """
    names = [path.name for path in sorted((layout.root / "nodes").glob("*"))]
    if names:
        command = [sys.executable, "-m", "node_agent.purge", "--cluster", layout.label]
        command += ["--nodes-dir", str(layout.root / "nodes")]
        shape = layout.load()
        command += ["--cluster-cidr", shape.cluster_cidr] if shape else []
        command += [argument for name in names for argument in ("--name", name)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CliError(f"not everything could be removed; run 'timonel down' again later:\n{result.stderr.strip()}")
    shutil.rmtree(layout.root, ignore_errors=True)


def _start_master(layout: Layout, shape: Shape, token: str) -> Process:
    token_file = layout.master / "join-token"
    layout.master.mkdir(parents=True, exist_ok=True, mode=0o700)
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    (layout.master / "endpoints.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "master", "--data-dir", str(layout.master), "--join-token-file", str(token_file)]
    command += ["--api-port", str(shape.api_port), "--bootstrap-port", str(shape.bootstrap_port)]
    command += ["--node-port", str(shape.node_port), "--cluster-cidr", shape.cluster_cidr]
    if shape.store == "etcd":
        command += ["--etcd", f"127.0.0.1:{shape.etcd_port}"]
    if shape.admission_plugins:
        command += ["--admission-plugins", shape.admission_plugins]
    return processes.start("master", "master", "", command, layout.processes)


def _node_arguments(layout: Layout, shape: Shape, name: str, runtime: str, token: str, ca_hash: str) -> list[str]:
    arguments = ["--name", name, "--cluster", layout.label, "--runtime", runtime]
    arguments += ["--state-dir", str(layout.node(name)), "--master", f"127.0.0.1:{shape.node_port}"]
    arguments += ["--join", f"127.0.0.1:{shape.bootstrap_port}", "--join-token", token, "--ca-pin", ca_hash]
    return [*arguments, "--cluster-cidr", shape.cluster_cidr]


def _start_etcd(layout: Layout, shape: Shape) -> Process:
    """Start etcd and wait until it serves: one that is stopped before that may not start again on its data."""
    binary = shutil.which("etcd")
    if binary is None:
        raise CliError("etcd is not installed: install the package etcd-server, or use the embedded store")
    client, peer = (f"http://127.0.0.1:{port}" for port in (shape.etcd_port, shape.etcd_peer_port))
    command = [binary, "--name", "timonel", "--data-dir", str(layout.root / "etcd")]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"timonel={peer}"]
    log = layout.processes / "etcd.log"
    log.unlink(missing_ok=True)
    process = processes.start("etcd", "etcd", "", command, layout.processes)

    def serves() -> bool:
        processes.check(process, layout.processes)
        return ETCD_READY in log.read_text(errors="replace")

    _wait(serves, f"etcd does not serve after {START_SECONDS:.0f} s; see {log}")
    return process


def _wait(condition: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise CliError(message)
        time.sleep(0.01)


def free_cidr(routed: Iterable[IPv4Network]) -> IPv4Network:
    """The range for a new cluster's pods: the first that overlaps with nothing that this machine has routes to.

    Raises:
        CliError: there is none.
    """
    taken = list(routed)
    for second in (*range(244, 256), *range(128, 244)):
        cidr = IPv4Network(f"10.{second}.0.0/16")
        if not any(cidr.overlaps(other) for other in taken):
            return cidr
    raise CliError("this machine has routes into every range of 10.128.0.0/9: no range is left for a cluster's pods")


def _routed() -> list[IPv4Network]:
    """Where this machine's routes lead, but for the default route. Source: proc(5), /proc/net/route."""
    rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    pairs = [(int(row[1], 16).to_bytes(4, "little"), int(row[7], 16).to_bytes(4, "little")) for row in rows]
    return [IPv4Network((address, str(IPv4Address(mask)))) for address, mask in pairs if any(mask)]


def _free_ports(wanted: Sequence[int]) -> list[int]:
    """The wanted ports, each replaced by any other where it is taken."""
    sockets = []
    try:
        for port in wanted:
            taken = socket.socket()
            sockets.append(taken)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("", port))
            except OSError:
                taken.bind(("", 0))
        return [taken.getsockname()[1] for taken in sockets]
    finally:
        for taken in sockets:
            taken.close()


def is_root() -> bool:
    """Whether nodes may be run: they make networks and mounts."""
    return os.geteuid() == 0
