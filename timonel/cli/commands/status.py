"""Show the processes of the cluster on this machine."""

from __future__ import annotations

import json

import click

from timonel.cli.local.layout import DEFAULT_NAME, Layout
from timonel.cli.output.table import align


@click.command()
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(name: str, output: str) -> None:
    """Show each process of the cluster on this machine: its role, node, pid, and whether it runs."""
    from timonel.cli.local import processes

    layout = Layout.of(name)
    found = [
        (process, str(layout.processes / f"{process.name}.log")) for process in processes.recorded(layout.processes)
    ]
    if output == "json":
        told = [
            {"name": p.name, "role": p.role, "node": p.node, "pid": p.pid, "running": p.alive, "log": log}
            for p, log in found
        ]
        click.echo(json.dumps({"cluster": name, "processes": told}, indent=2))
    elif found:
        rows = [[p.name, p.role, str(p.pid), "running" if p.alive else "ended", log] for p, log in found]
        click.echo(align([["NAME", "ROLE", "PID", "STATE", "LOG"], *rows]))
    else:
        click.echo(f"there is no cluster {name}; 'timonel up' starts one")
