"""Delete objects and wait until they are gone."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from timonel.api.errors import NotFound
from timonel.cli import completion, options, targets
from timonel.cli.context import ApiCommand, Session, connected, deadline, warn
from timonel.cli.errors import CliError, raise_all
from timonel.cli.output.results import DRY
from timonel.cli.picking import picked
from timonel.cli.targets import Ref
from timonel.cli.watching import until_gone

PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, shell_complete=completion.targets)
@options.pick
@options.grace_period
@click.option("--now", is_flag=True, help="As --grace-period=1.")
@click.option("--force", is_flag=True, help="Forget the object at once, whatever still runs.")
@click.option(
    "--cascade",
    type=click.Choice(["background", "foreground", "orphan"]),
    default="background",
    show_default=True,
    help="What becomes of what the object owns.",
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is gone.")
@options.timeout("0s", "How long to wait; 0: for ever.")
@options.ignore_not_found
@options.dry_run
@click.option("-o", "--output", type=click.Choice(["", "name"]), default="", help="'name': print names only.")
@connected
async def command(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Delete objects.

    \b
    timonel delete pod web-1             one
    timonel delete -f app.yaml           what a manifest has made
    timonel delete deploy,svc -l app=web by labels
    """
    grace = _grace(chosen)
    doomed = await picked(session, what, chosen)
    missing: list[Exception] = []
    deleted: list[tuple[Ref, str]] = []
    for each in doomed:
        try:
            deleted.append((each, await _delete(session, each, grace, chosen)))
        except NotFound as error:
            if not chosen["ignore_not_found"]:
                missing.append(error)
    if not doomed:
        click.echo("No resources found", err=True)
    if chosen["wait"] and chosen["dry_run"] == "none":
        late = "timed out: some objects are still there"
        await deadline(chosen["timeout"], _wait_gone(session, deleted), late)
    raise_all(missing)


def _grace(chosen: dict[str, Any]) -> int | None:
    """Seconds of grace; None leaves it to the object."""
    grace: int = chosen["grace_period"]
    if chosen["now"]:
        if grace >= 0:
            raise CliError("--now and --grace-period cannot be said together")
        return 1
    if chosen["force"]:
        warn("Immediate deletion does not wait for confirmation that the running resource has been terminated.")
        return max(grace, 0)
    if grace == 0:
        raise CliError("--grace-period=0 forgets what may still run: say --force too")
    return grace if grace > 0 else None


async def _delete(session: Session, each: Ref, grace: int | None, chosen: dict[str, Any]) -> str:
    """Delete one object, say so, and give its uid."""
    kind = session.client.kind(each.resource)
    if chosen["dry_run"] == "client":
        uid = str((await kind.get(each.namespace, each.name))["metadata"]["uid"])
    else:
        answer = await kind.delete(
            each.namespace,
            each.name,
            grace_seconds=grace,
            propagation=PROPAGATION[chosen["cascade"]],
            dry_run=chosen["dry_run"] == "server",
        )
        uid = str((answer.get("details") or {}).get("uid") or (answer.get("metadata") or {}).get("uid") or "")
    if chosen["output"] == "name":
        click.echo(str(each))
    else:
        done = "force deleted" if chosen["force"] else "deleted"
        click.echo(f'{targets.type_name(each.resource)} "{each.name}" {done}{DRY.get(chosen["dry_run"], "")}')
    return uid


async def _wait_gone(session: Session, deleted: list[tuple[Ref, str]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each, uid in deleted:
            group.create_task(until_gone(session.client.kind(each.resource), each.namespace, each.name, uid))
