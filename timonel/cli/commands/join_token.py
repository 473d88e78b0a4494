"""Make a token with which another machine joins the cluster as a node."""

from __future__ import annotations

import json
from datetime import timedelta

import click

from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.local.layout import DEFAULT_NAME, Layout


@click.command(cls=ApiCommand)
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(min=0.01), help="How long it is good.")
@click.option("--uses", type=click.IntRange(min=1), help="How many nodes may join with it; by default any number.")
@connected
async def command(session: Session, hours: float, uses: int | None) -> None:
    """Make a token with which another machine joins the cluster, and print the command to run there."""
    from urllib.parse import urlsplit

    from timonel.cli.errors import CliError
    from timonel.cli.local.tokens import create_join_token

    endpoints = Layout.of(DEFAULT_NAME).master / "endpoints.json"
    if not endpoints.exists():
        raise CliError("join-token is for the machine that the master runs on: it reads the master's ports there")
    known = json.loads(endpoints.read_text())
    token = await create_join_token(session.client, hours=hours, uses=uses)
    host = urlsplit(session.settings.access().server).hostname
    click.echo(f"# good for {timedelta(hours=hours)}", err=True)
    click.echo(
        f"timonel join {host}:{known['bootstrap_port']} --node-port {known['node_port']} "
        f"--token {token} --ca-pin {known['ca_hash']}"
    )
