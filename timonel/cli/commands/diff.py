"""Show what applying manifests would change."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import click

from timonel.api.errors import StatusError
from timonel.cli import applying, manifests, options
from timonel.cli.applying import Goal
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError, explain
from timonel.cli.output.objects import yaml_text
from timonel.client import Unreachable
from timonel.kubeconfig import KubeconfigError

DIFFERENT, FAILED = 1, 2
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command(cls=ApiCommand)
@options.manifests
@click.option("--force-conflicts/--no-force-conflicts", default=True, help="Show what would become of others' fields.")
@connected
async def command(session: Session, sources: tuple[str, ...], *, recursive: bool, force_conflicts: bool) -> None:
    """Show what applying manifests would change; the exit code is 0 for nothing, 1 for something, 2 for a failure."""
    try:
        found = manifests.load(sources, recursive=recursive)
        asked = bool(session.settings.namespace)
        goals = applying.goals(await session.client.discover(), found, session.namespace, asked=asked)
        differences = [line for goal in goals for line in await _difference(session, goal, force=force_conflicts)]
    except (CliError, StatusError, KubeconfigError, Unreachable) as error:
        click.echo(explain(error), err=True)
        raise click.exceptions.Exit(FAILED) from None
    for line in differences:
        click.secho(line, fg=_COLOURS.get(line[:1]), bold=line.startswith(("---", "+++")))
    if differences:
        raise click.exceptions.Exit(DIFFERENT)


async def _difference(session: Session, goal: Goal, *, force: bool) -> list[str]:
    """The unified diff from the object as it is to what the server would make of it."""
    live = await applying.current(session.client, goal.ref)
    merged, _ = await applying.apply(session.client, goal, force=force, dry_run=True)
    gvk = goal.ref.resource.gvk
    parts = (gvk.group, gvk.version, gvk.kind, goal.ref.namespace, goal.ref.name)
    return list(_unified(live, merged, ".".join(filter(None, parts))))


def _unified(live: dict[str, Any] | None, merged: dict[str, Any], path: str) -> Iterator[str]:
    before = _lines(live) if live else []
    return difflib.unified_diff(before, _lines(merged), f"live/{path}", f"merged/{path}", lineterm="")


def _lines(obj: dict[str, Any]) -> list[str]:
    """The object as text, without its status: no apply changes that, but controllers may at any time."""
    wanted = {key: value for key, value in applying.without_bookkeeping(obj).items() if key != "status"}
    return yaml_text(wanted).splitlines()
