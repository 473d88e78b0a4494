"""Wait until objects meet a condition, exist, or are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import click

from timonel.api import jsonpath
from timonel.api.errors import NotFound
from timonel.cli import applying, completion, options
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError
from timonel.cli.output.results import Results
from timonel.cli.picking import picked
from timonel.cli.readiness import condition
from timonel.cli.targets import Ref
from timonel.cli.watching import states

Object = dict[str, Any]
Met = Callable[[Object | None], bool]
"""Whether an object, or its absence, is what is waited for."""


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, shell_complete=completion.targets)
@options.pick
@click.option(
    "--for",
    "goal",
    required=True,
    metavar="condition=X[=VALUE]|delete|create|jsonpath={...}[=VALUE]",
    help="What to wait for.",
)
@options.timeout("30s", "How long to wait; 0: look once.")
@options.output
@connected
async def command(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Wait until objects are as asked for.

    \b
    timonel wait deploy/web --for=condition=Available --timeout=60s
    timonel wait pod -l app=web --for=jsonpath='{.status.phase}'=Running
    timonel wait pod/web-1 --for=delete
    """
    met = criterion(chosen["goal"])
    results = Results(chosen)
    refs = await picked(session, what, chosen)
    if not refs:
        if chosen["goal"] != "delete":
            raise CliError("no matching resources found")
        return
    async with asyncio.TaskGroup() as group:
        for ref in refs:
            group.create_task(_until(session, ref, met, chosen["goal"], chosen["timeout"], results))


def criterion(goal: str) -> Met:
    """What `--for` asks of an object.

    Raises:
        CliError: it cannot be understood.
    """
    kind, _, rest = goal.partition("=")
    match kind:
        case "delete" if not rest:
            return lambda obj: obj is None
        case "create" if not rest:
            return lambda obj: obj is not None
        case "condition" if rest:
            name, _, value = rest.partition("=")
            return lambda obj: obj is not None and _has_condition(obj, name, value or "True")
        case "jsonpath" if rest:
            return _by_path(rest)
    raise CliError(f"--for={goal}: expected condition=X, condition=X=VALUE, delete, create or jsonpath={{...}}=VALUE")


def _has_condition(obj: Object, name: str, value: str) -> bool:
    found = condition(obj, name)
    if found is None or str(found.get("status", "")).lower() != value.lower():
        return False
    seen = found.get("observedGeneration")
    return not seen or seen >= obj["metadata"].get("generation", 0)


def _by_path(text: str) -> Met:
    """`{.path}` alone asks for any value, `{.path}=value` for that one."""
    closing = text.rfind("}") + 1
    expression, sign, value = (text[:closing], text[closing : closing + 1], text[closing + 1 :])
    if not closing:
        expression, sign, value = text.partition("=")
    if sign not in ("", "=") or (sign and not value):
        raise CliError(f"--for=jsonpath={text}: expected {{.path}} or {{.path}}=VALUE")
    try:
        path = jsonpath.relaxed(expression)
    except jsonpath.JsonPathError as error:
        raise CliError(f"--for=jsonpath={text}: {error}") from None

    def met(obj: Object | None) -> bool:
        found = jsonpath.find(path, obj) if obj is not None else []
        return bool(found) and (not sign or any(jsonpath.text_of(each) == value.strip("'\"") for each in found))

    return met


async def _until(session: Session, ref: Ref, met: Met, goal: str, seconds: float, results: Results) -> None:
    """Wait for one object; what is not there can only be waited for by `create`."""
    kind = session.client.kind(ref.resource)
    if not seconds:
        now = await applying.current(session.client, ref)
        if not met(now):
            raise CliError(f"{ref}: the condition is not met")
        results.tell(ref, "condition met", now or {"metadata": {"name": ref.name}})
        return
    try:
        async with asyncio.timeout(seconds), aclosing(states(kind, ref.namespace, ref.name)) as seen:
            async for obj in seen:
                if met(obj):
                    results.tell(ref, "condition met", obj or {"metadata": {"name": ref.name}})
                    return
                if obj is None and goal != "create":
                    raise NotFound(ref.resource.group_resource, ref.name)
    except TimeoutError:
        raise CliError(f"timed out waiting for the condition on {ref.resource.group_resource}/{ref.name}") from None
