"""Delete objects and wait until they are gone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import click

from timonel.api.errors import NotFound
from timonel.cli import applying, completion, manifests, options, targets
from timonel.cli.context import ApiCommand, Session, connected, deadline, warn
from timonel.cli.errors import CliError, raise_all
from timonel.cli.targets import Ref
from timonel.cli.watching import states

PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, shell_complete=completion.targets)
@options.manifests
@options.selectors
@options.all_namespaces
@click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace.")
@click.option(
    "--grace-period", type=int, default=-1, metavar="SECONDS", help="How long pods get to end; -1: their own."
)
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
async def command(session: Session, what: tuple[str, ...], sources: tuple[str, ...], **chosen: Any) -> None:
    """Delete objects.

    \b
    timonel delete pod web-1             one
    timonel delete -f app.yaml           what a manifest has made
    timonel delete deploy,svc -l app=web by labels
    """
    grace = _grace(chosen)
    doomed = await _doomed(session, what, sources, chosen)
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


async def _doomed(
    session: Session, what: tuple[str, ...], sources: tuple[str, ...], chosen: dict[str, Any]
) -> list[Ref]:
    """The objects that the command line means."""
    found = await session.client.discover()
    if sources:
        if what:
            raise CliError("name objects, or give manifests by -f; not both")
        loaded = manifests.load(sources, recursive=chosen["recursive"])
        goals = applying.goals(found, loaded, session.namespace, asked=bool(session.settings.namespace))
        return [goal.ref for goal in goals]
    selected = bool(chosen["selector"] or chosen["field_selector"] or chosen["everything"])
    namespace = "" if chosen["all_namespaces"] else session.namespace
    doomed: list[Ref] = []
    for target in targets.parse(found, what):
        if target.names and selected:
            raise CliError("name objects, or select them by -l, --field-selector or --all; not both")
        if not target.names and not selected:
            raise CliError("say which: names, -l, --field-selector or --all")
        doomed += targets.refs([target], namespace)
        if selected:
            labels, fields = chosen["selector"], chosen["field_selector"]
            doomed += await targets.select(session, target, namespace, labels=labels, fields=fields)
    return doomed


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
        dry = {"client": " (dry run)", "server": " (server dry run)"}.get(chosen["dry_run"], "")
        done = "force deleted" if chosen["force"] else "deleted"
        click.echo(f'{targets.type_name(each.resource)} "{each.name}" {done}{dry}')
    return uid


async def _wait_gone(session: Session, deleted: list[tuple[Ref, str]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each, uid in deleted:
            group.create_task(_until_gone(session, each, uid))


async def _until_gone(session: Session, each: Ref, uid: str) -> None:
    """Return once the object with that uid is not there; a new one of its name is another."""
    seen = states(session.client.kind(each.resource), each.namespace, each.name)
    async with aclosing(seen):
        async for obj in seen:
            if obj is None or (uid and obj["metadata"].get("uid") != uid):
                return
