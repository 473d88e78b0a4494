"""Show objects as tables, YAML, JSON or by a template."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cmp_to_key, partial
from typing import Any

import click

from timonel.api import jsonpath
from timonel.api.errors import NotFound
from timonel.cli import completion, options, targets
from timonel.cli.context import ApiCommand, Session, connected, tell_none
from timonel.cli.errors import CliError, raise_all
from timonel.cli.output import forms, objects, table
from timonel.cli.output.order import natural
from timonel.cli.picking import picked
from timonel.cli.targets import Ref, Target
from timonel.client import Kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is shown, and how."""

    form: forms.Form
    table: table.TableOptions
    namespace: str
    """The namespace; empty for all of them."""
    labels: str
    fields: str
    page: int
    sort_by: jsonpath.Path | None
    ignore_not_found: bool
    managed_fields: bool
    events: bool
    """Whether a watch says what each change is."""


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, shell_complete=completion.targets)
@options.manifests
@options.output
@options.all_namespaces
@options.selectors
@click.option("-w", "--watch", is_flag=True, help="Go on with each change.")
@click.option("--watch-only", is_flag=True, help="Show changes only.")
@click.option("--output-watch-events", is_flag=True, help="Say of each change what it is.")
@click.option("--sort-by", metavar="PATH", default="", help="Sort by the field at this JSONPath.")
@click.option("--show-labels", is_flag=True, help="Add a column with all labels.")
@click.option("-L", "--label-columns", multiple=True, metavar="KEY", help="Add a column with this label.")
@click.option("--show-kind", is_flag=True, help="Show each object's kind before its name.")
@click.option("--no-headers", is_flag=True, help="Leave the headers out.")
@click.option("--chunk-size", type=click.IntRange(0), default=500, show_default=True, help="Objects a call; 0: all.")
@options.ignore_not_found
@connected
async def command(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Show objects.

    \b
    timonel get pods                 all pods of the namespace
    timonel get deploy,svc -A        of all namespaces
    timonel get pod/web-1 -o yaml    one, as YAML
    timonel get pods -w              and then each change
    """
    wanted = _wanted(session, chosen)
    if chosen["sources"]:
        goals = targets.grouped(await picked(session, what, chosen))
    else:
        goals = targets.parse(await session.client.discover(), what)
    if chosen["watch"] or chosen["watch_only"]:
        if len(goals) > 1 or len(goals[0].names) > 1:
            raise CliError("a watch shows one resource type, or one object")
        await _watch(session, goals[0], wanted, show_first=not chosen["watch_only"])
    elif wanted.form.is_table:
        await _show_tables(session, goals, wanted, with_kind=chosen["show_kind"] or len(goals) > 1)
    else:
        await _show_objects(session, goals, wanted)


def _wanted(session: Session, chosen: dict[str, Any]) -> Wanted:
    form = forms.form(chosen["output"], chosen["template"])
    try:
        sort_by = jsonpath.relaxed(chosen["sort_by"]) if chosen["sort_by"] else None
    except jsonpath.JsonPathError as error:
        raise CliError(f"--sort-by: {error}") from None
    return Wanted(
        form=form,
        table=table.TableOptions(
            wide=form.name == "wide",
            headers=not chosen["no_headers"],
            namespace=chosen["all_namespaces"],
            labels=chosen["show_labels"],
            label_columns=tuple(key for given in chosen["label_columns"] for key in given.split(",")),
        ),
        namespace="" if chosen["all_namespaces"] else session.namespace,
        labels=chosen["selector"],
        fields=chosen["field_selector"],
        page=chosen["chunk_size"],
        sort_by=sort_by,
        ignore_not_found=chosen["ignore_not_found"],
        managed_fields=chosen["show_managed_fields"],
        events=chosen["output_watch_events"],
    )


# Tables


async def _show_tables(session: Session, goals: list[Target], wanted: Wanted, *, with_kind: bool) -> None:
    """Print a table for each resource that has anything; tell of all that was not found at the end."""
    missing: list[Exception] = []
    printed = False
    for goal in goals:
        found = await _table(session, goal, wanted, missing)
        if not found.get("rows"):
            continue
        if printed:
            click.echo()
        printed = True
        shown = _options(goal, wanted, with_kind)
        rows = table.rows_of(found, shown, found["columnDefinitions"])
        head = [table.header(shown, found["columnDefinitions"])] if shown.headers else []
        click.echo(table.align([*head, *rows]))
    if not printed and not missing and not wanted.ignore_not_found:
        namespaced = any(goal.resource.namespaced for goal in goals)
        tell_none("resources", wanted.namespace if namespaced else "")
    raise_all(missing)


def _options(goal: Target, wanted: Wanted, with_kind: bool) -> table.TableOptions:
    return replace(
        wanted.table,
        kind=targets.type_name(goal.resource) if with_kind else "",
        namespace=wanted.table.namespace and goal.resource.namespaced,
    )


async def _table(session: Session, goal: Target, wanted: Wanted, missing: list[Exception]) -> dict[str, Any]:
    """The server's table of a target, sorted."""
    kind = session.client.kind(goal.resource)
    namespace = goal.namespace(wanted.namespace)
    whole = wanted.sort_by is not None
    if not goal.names:
        found = await kind.table(namespace, labels=wanted.labels, fields=wanted.fields, whole=whole, page=wanted.page)
    else:
        found = {"rows": []}
        for name in goal.names:
            part = await _or_missing(
                session, goal, name, wanted, missing, partial(kind.table, namespace, name, whole=whole)
            )
            if part:
                found = {**part, "rows": [*found["rows"], *part["rows"]]}
    if wanted.sort_by is not None:
        found["rows"] = _sorted(found["rows"], wanted.sort_by, lambda row: row["object"])
    return found


async def _or_missing(
    session: Session, goal: Target, name: str, wanted: Wanted, missing: list[Exception], read: Callable[[], Any]
) -> Any:
    """What `read` gives; None when there is no such object, which is noted unless it is to be ignored."""
    if goal.resource.namespaced and not goal.namespace(wanted.namespace):
        raise CliError("a resource cannot be retrieved by name across all namespaces")
    try:
        return await read()
    except NotFound as error:
        if not wanted.ignore_not_found:
            await targets.suggest_name(session, Ref(goal.resource, goal.namespace(wanted.namespace), name), error)
            missing.append(error)
        return None


def _sorted(rows: list[Any], path: jsonpath.Path, object_of: Callable[[Any], Any]) -> list[Any]:
    def key(row: Any) -> Any:
        values = jsonpath.find(path, object_of(row))
        return values[0] if values else None

    return sorted(rows, key=cmp_to_key(lambda one, other: natural(key(one), key(other))))


# Whole objects


def _printer(goals: list[Target], wanted: Wanted) -> objects.Printer:
    by_kind = {goal.resource.gvk.kind: goal.resource for goal in goals}

    def name(obj: objects.Object) -> str:
        named = obj["object"] if wanted.events else obj
        return targets.label(by_kind[named["kind"]], named["metadata"]["name"])

    return objects.Printer(wanted.form, name, headers=wanted.table.headers)


async def _show_objects(session: Session, goals: list[Target], wanted: Wanted) -> None:
    missing: list[Exception] = []
    found: list[objects.Object] = []
    for goal in goals:
        found += await _objects(session, goal, wanted, missing)
    if wanted.sort_by is not None:
        found = _sorted(found, wanted.sort_by, lambda obj: obj)
    if not wanted.managed_fields:
        found = [objects.without_managed_fields(obj) for obj in found]
    printer = _printer(goals, wanted)
    single = len(goals) == 1 and len(goals[0].names) == 1
    if not single:
        click.echo(printer.many(found), nl=False)
    elif found:
        click.echo(printer.one(found[0]), nl=False)
    raise_all(missing)


async def _objects(session: Session, goal: Target, wanted: Wanted, missing: list[Exception]) -> list[objects.Object]:
    kind = session.client.kind(goal.resource)
    namespace = goal.namespace(wanted.namespace)
    gvk = goal.resource.gvk
    if not goal.names:
        listing = await kind.list(namespace, labels=wanted.labels, fields=wanted.fields, page=wanted.page)
        return [{"apiVersion": gvk.api_version, "kind": gvk.kind, **item} for item in listing.items]
    found = []
    for name in goal.names:
        obj = await _or_missing(session, goal, name, wanted, missing, partial(kind.get, namespace, name))
        if obj:
            found.append(obj)
    return found


# Watching


async def _watch(session: Session, goal: Target, wanted: Wanted, *, show_first: bool) -> None:
    kind = session.client.kind(goal.resource)
    name = goal.names[0] if goal.names else ""
    if name:
        wanted = replace(wanted, fields=f"metadata.name={name}")
    if wanted.form.is_table:
        await _watch_table(kind, goal, wanted, show_first=show_first)
    else:
        await _watch_objects(kind, goal, wanted, show_first=show_first)


async def _watch_table(kind: Kind[Any], goal: Target, wanted: Wanted, *, show_first: bool) -> None:
    namespace = goal.namespace(wanted.namespace)
    shown = _options(goal, wanted, with_kind=False)
    aligner = table.Aligner()
    start = await kind.table(namespace, labels=wanted.labels, fields=wanted.fields, page=wanted.page)
    definitions = start["columnDefinitions"]
    head = [table.header(shown, definitions)] if shown.headers else []
    rows = table.rows_of(start, shown, definitions) if show_first else []

    def echo(change: str, rows: list[list[str]]) -> None:
        lines = [*head, *rows]
        if wanted.events:
            marks = ["EVENT"] * len(head) + [change] * len(rows)
            lines = [[mark, *line] for mark, line in zip(marks, lines, strict=True)]
        _echo(aligner.lines(lines))
        head.clear()

    if rows:
        echo("ADDED", rows)
    changes = kind.watch_table(
        namespace,
        labels=wanted.labels,
        fields=wanted.fields,
        resource_version=start["metadata"]["resourceVersion"],
    )
    async with aclosing(changes):
        async for event in changes:
            echo(event.type, table.rows_of(event.object, shown, definitions))


async def _watch_objects(kind: Kind[Any], goal: Target, wanted: Wanted, *, show_first: bool) -> None:
    namespace = goal.namespace(wanted.namespace)
    printer = _printer([goal], wanted)
    listing = await kind.list(namespace, labels=wanted.labels, fields=wanted.fields, page=wanted.page)
    gvk = goal.resource.gvk
    first = listing.items if show_first else []
    for item in first:
        _echo_object(printer, "ADDED", {"apiVersion": gvk.api_version, "kind": gvk.kind, **item}, wanted)
    version = listing.resource_version
    changes = kind.watch(namespace, labels=wanted.labels, fields=wanted.fields, resource_version=version)
    async with aclosing(changes):
        async for event in changes:
            _echo_object(printer, event.type, event.object, wanted)


def _echo_object(printer: objects.Printer, change: str, obj: objects.Object, wanted: Wanted) -> None:
    shown = obj if wanted.managed_fields else objects.without_managed_fields(obj)
    _echo([printer.one({"type": change, "object": shown} if wanted.events else shown).removesuffix("\n")])


def _echo(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)
