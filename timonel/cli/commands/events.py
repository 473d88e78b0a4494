"""Show what has happened, the newest last."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import click

from timonel.cli import options, targets
from timonel.cli.context import ApiCommand, Session, connected, tell_none
from timonel.cli.errors import CliError
from timonel.cli.eventlines import Happening, happening, in_order
from timonel.cli.output.table import Aligner


@click.command(cls=ApiCommand)
@options.all_namespaces
@click.option("-w", "--watch", is_flag=True, help="Go on as things happen.")
@click.option("--for", "subject", default="", metavar="TYPE/NAME", help="Only what happened to this object.")
@click.option("--types", default="", metavar="TYPE,...", help="Only these types: Normal, Warning.")
@click.option("--no-headers", is_flag=True, help="Leave the headers out.")
@connected
async def command(session: Session, subject: str, types: str, **chosen: Any) -> None:
    """Show events, the newest last.

    \b
    timonel events                    of the namespace
    timonel events --for pod/web-1    of one object
    timonel events -A --types Warning what went wrong anywhere
    """
    everywhere = chosen["all_namespaces"]
    namespace = "" if everywhere else session.namespace
    fields = await _fields(session, subject)
    wanted = {each.strip().lower() for each in types.split(",") if each.strip()}
    kind = session.client.kind("events")
    listing = await kind.list(namespace, fields=fields)
    shown = [each for each in in_order(listing.items) if _fits(each, wanted)]
    if not shown and not chosen["watch"]:
        tell_none("events", namespace)
        return
    aligner = Aligner()
    rows = [_row(each, namespaced=everywhere) for each in shown]
    _echo(aligner, rows if chosen["no_headers"] else [_header(namespaced=everywhere), *rows])
    if chosen["watch"]:
        changes = kind.watch(namespace, fields=fields, resource_version=listing.resource_version)
        async with aclosing(changes):
            async for change in changes:
                each = happening(change.object)
                if change.type != "DELETED" and _fits(each, wanted):
                    _echo(aligner, [_row(each, namespaced=everywhere)])


async def _fields(session: Session, subject: str) -> str:
    """The field selector for the events of one object."""
    if not subject:
        return ""
    found = targets.named(await session.client.discover(), [subject])
    if len(found) != 1 or len(found[0].names) != 1:
        raise CliError("--for takes one object: type/name")
    gvk = found[0].resource.gvk
    return f"involvedObject.kind={gvk.kind},involvedObject.name={found[0].names[0]}"


def _fits(each: Happening, types: set[str]) -> bool:
    return not types or each.type.lower() in types


def _header(*, namespaced: bool) -> list[str]:
    return [*(["NAMESPACE"] if namespaced else []), "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]


def _row(each: Happening, *, namespaced: bool) -> list[str]:
    own = [each.namespace] if namespaced else []
    return [*own, each.seen(datetime.now(UTC)), each.type, each.reason, each.object, each.message.replace("\n", " ")]


def _echo(aligner: Aligner, rows: list[list[str]]) -> None:
    for line in aligner.lines(rows):
        click.echo(line)
