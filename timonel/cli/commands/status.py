"""Show the processes of the cluster on this machine."""

from __future__ import annotations

import json

import click

from timonel.cli.local.layout import DEFAULT_NAME, Layout


@click.command()
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(name: str, output: str) -> None:
    """Show each process of the cluster on this machine: its role, node, pid, and whether it runs."""
    from timonel.cli.local import processes

    layout = Layout.of(name)
    rows = [
        {
            "name": process.name,
            "role": process.role,
            "node": process.node,
            "pid": process.pid,
            "running": process.alive,
            "log": str(layout.processes / f"{process.name}.log"),
        }
        for process in processes.recorded(layout.processes)
    ]
    if output == "json":
        click.echo(json.dumps({"cluster": name, "processes": rows}, indent=2))
        return
    if not rows:
        click.echo(f"there is no cluster {name}; 'timonel up' starts one")
        return
    click.echo(f"{'NAME':<12}{'ROLE':<9}{'PID':<9}{'STATE':<10}LOG")
    for row in rows:
        state = "running" if row["running"] else "ended"
        click.echo(f"{row['name']:<12}{row['role']:<9}{row['pid']:<9}{state:<10}{row['log']}")
