"""Make a token with which another machine joins the cluster as a node."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import click

from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError
from timonel.cli.local.layout import home


@click.command(cls=ApiCommand)
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(min=0.01), help="How long it is good.")
@click.option("--uses", type=click.IntRange(min=1), help="How many nodes may join with it; by default any number.")
@connected
async def command(session: Session, hours: float, uses: int | None) -> None:
    """Make a token with which another machine joins the cluster, and print the command to run there."""
    from timonel.cli.local.tokens import create_join_token

    known = _endpoints(session.settings.access().server)
    token = await create_join_token(session.client, hours=hours, uses=uses)
    click.echo(f"# good for {timedelta(hours=hours)}", err=True)
    click.echo(
        f"timonel join {_address()}:{known['bootstrap_port']} --node-port {known['node_port']} "
        f"--token {token} --ca-pin {known['ca_hash']}"
    )


def _endpoints(server: str) -> dict[str, Any]:
    """Where the master listens that serves the API at `server`. Raises CliError when it does not run here."""
    for path in sorted((home() / "clusters").glob("*/master/endpoints.json")):
        known: dict[str, Any] = json.loads(path.read_text())
        if known["api"] == server:
            return known
    raise CliError(
        f"no master of this machine serves {server}; run join-token where the master runs, which knows its ports"
    )


def _address() -> str:
    """This machine as others reach it."""
    from node_agent.node_status import default_address

    return default_address()
