"""Make this machine a node of a cluster, and run its agent."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import click

from timonel.cli.local.layout import home


@click.command()
@click.argument("master", metavar="HOST:PORT")
@click.option("--token", required=True, help="What 'timonel join-token' printed.")
@click.option("--ca-pin", required=True, metavar="sha256:HEX", help="Likewise: pins the cluster's authority.")
@click.option("--node-port", default=6445, show_default=True, help="The master's port for nodes.")
@click.option("--name", default=socket.gethostname, show_default="the host's name", help="The node's name.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="By default ~/.timonel/nodes/<name>.")
def command(master: str, token: str, ca_pin: str, node_port: int, name: str, state_dir: Path | None) -> None:
    """Make this machine a node of the cluster whose master is at HOST:PORT, and run its agent in the foreground.

    Once joined, the same command needs no valid token any more.
    """
    host = master.rpartition(":")[0]
    arguments = [
        sys.executable,
        "-m",
        "node_agent",
        "--name",
        name,
        "--state-dir",
        str(state_dir or home() / "nodes" / name),
    ]
    arguments += ["--master", f"{host}:{node_port}", "--join", master, "--join-token", token, "--ca-pin", ca_pin]
    os.execv(sys.executable, arguments)
