"""A node beside those that `timonel up` made, as somebody adds one by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whole_cluster import TIMONEL, Cluster

NODE = "node-4"


def agent_command(cluster: Cluster, name: str, state: Path, *options: str, runtime: str = "fake") -> list[str]:
    """A node agent, by default on the pretended runtime."""
    shape = json.loads((cluster.root / "cluster.json").read_text())
    command = [sys.executable, "-m", "node_agent", "--name", name, "--cluster", "strangers", "--runtime", runtime]
    command += ["--state-dir", str(state), "--master", f"127.0.0.1:{shape['node_port']}"]
    return [*command, "--join", f"127.0.0.1:{shape['bootstrap_port']}", *options]


def token(cluster: Cluster, *options: str) -> list[str]:
    """The options with which an agent joins, from what `timonel join-token` prints."""
    words = cluster.host.run(str(TIMONEL), "join-token", *options).stdout.split()
    return ["--join-token", words[words.index("--token") + 1], "--ca-pin", words[words.index("--ca-pin") + 1]]


@contextmanager
def agent(cluster: Cluster, folder: Path, *options: str) -> Iterator[None]:
    """A further node's agent on Docker, which joins; in the end nothing is left of it. Its log is in the folder."""
    command = agent_command(cluster, NODE, folder / NODE, *token(cluster), *options, runtime="docker")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(cluster.host.command(*command), stdout=log, stderr=log, env=cluster.host.env)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
        purge = ["-m", "node_agent.purge", "--cluster", "strangers", "--nodes-dir", str(folder), "--name", NODE]
        cluster.host.run(sys.executable, *purge)
        cluster.kubectl("delete", "node", NODE)
