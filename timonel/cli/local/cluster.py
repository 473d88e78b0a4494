"""Starting, finding and removing a local cluster. Every step is harmless when it is done already."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from timonel.cli.local import processes
from timonel.cli.local.layout import Layout, Shape
from timonel.cli.local.processes import Process

API_PORT, BOOTSTRAP_PORT, NODE_PORT = 6443, 6444, 6445
ETCD_SECONDS = 20.0
TOKEN_LIFETIME_HOURS = 1


class LocalClusterError(Exception):
    """The cluster cannot be started or found; the text says why and what to do."""


def node_names(count: int) -> list[str]:
    """node-1, node-2, ..."""
    return [f"node-{number}" for number in range(1, count + 1)]


def choose(layout: Layout, nodes: int, store: str) -> Shape:
    """The shape of the existing cluster, with more nodes if asked for, or a new one on ports that are free.

    Raises:
        LocalClusterError: the existing cluster has another store.
    """
    existing = layout.load()
    if existing is not None:
        if existing.store != store:
            raise LocalClusterError(
                f"the cluster {layout.name} keeps its state in {existing.store}, not in {store}: 'timonel down' first, or up with --store {existing.store}"
            )
        return Shape(**{**_fields(existing), "nodes": max(nodes, existing.nodes)})
    ports = _free_ports([API_PORT, BOOTSTRAP_PORT, NODE_PORT] + ([2379, 2380] if store == "etcd" else []))
    shape = Shape(nodes, store, *ports)
    layout.save(shape)
    return shape


def start(layout: Layout, shape: Shape, runtime: str = "docker") -> list[Process]:
    """Start what does not run, all at once: nodes wait for the master by themselves.

    Raises:
        LocalClusterError: etcd was asked for and is missing or does not start.
    """
    from master.bootstrap_tokens import BootstrapToken  # noqa: PLC0415  # needs what only a start needs
    from master.pki import Pki  # noqa: PLC0415

    layout.save(shape)
    running = {process.name: process for process in processes.recorded(layout.processes) if process.alive}
    pki = Pki.open(layout.master / "pki")
    token = BootstrapToken.new()
    if "master" not in running:
        command = [sys.executable, "-m", "master", "--data-dir", str(layout.master)]
        command += ["--api-port", str(shape.api_port), "--bootstrap-port", str(shape.bootstrap_port)]
        command += ["--node-port", str(shape.node_port)]
        if shape.store == "etcd":
            if "etcd" not in running:
                running["etcd"] = _start_etcd(layout, shape)
            command += ["--etcd", f"127.0.0.1:{shape.etcd_port}"]
        (layout.master / "endpoints.json").unlink(missing_ok=True)
        running["master"] = processes.start("master", "master", "", command, layout.processes)
    for name in node_names(shape.nodes):
        if name in running:
            continue
        command = [sys.executable, "-m", "node_agent", "--name", name, "--cluster", layout.name, "--runtime", runtime]
        command += ["--state-dir", str(layout.node(name)), "--master", f"127.0.0.1:{shape.node_port}"]
        command += ["--join", f"127.0.0.1:{shape.bootstrap_port}", "--join-token", str(token), "--ca-pin", pki.ca_hash]
        running[name] = processes.start(name, "node", name, command, layout.processes)
    return [running[name] for name in sorted(running)]
