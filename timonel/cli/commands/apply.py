"""Make objects what manifests say, and wait for them if asked to."""

from __future__ import annotations

from typing import Any

import click

from timonel.api.errors import StatusError
from timonel.cli import applying, manifests, options, targets
from timonel.cli.applying import Goal, Outcome
from timonel.cli.context import ApiCommand, Session, connected, warn
from timonel.cli.errors import CliError, raise_all
from timonel.cli.output import forms, objects
from timonel.cli.output.forms import Form
from timonel.cli.output.results import DRY
from timonel.cli.targets import Ref

Object = dict[str, Any]


@click.command(cls=ApiCommand)
@options.manifests
@options.dry_run
@click.option(
    "--server-side", is_flag=True, default=True, help="Timonel always applies so; kubectl's scripts may say it."
)
@click.option("--force-conflicts", is_flag=True, help="Take over fields that others own.")
@click.option("--field-manager", default="timonel", show_default=True, help="Under which name fields are owned.")
@click.option(
    "--validate",
    type=click.Choice(["strict", "warn", "ignore"]),
    default="strict",
    show_default=True,
    help="What to do about unknown and duplicate fields.",
)
@click.option("--wait", is_flag=True, help="Wait until everything is ready, and show how far it is.")
@options.timeout("5m", "How long --wait waits; 0: for ever.")
@options.output
@connected
async def command(session: Session, sources: tuple[str, ...], **chosen: Any) -> None:
    """Create or change objects so that they are as manifests say.

    \b
    timonel apply -f app.yaml            a file
    timonel apply -f manifests/ -R       a folder with all that is below it
    timonel apply -f app.yaml --wait     wait until it runs
    cat app.yaml | timonel apply -f -    stdin
    """
    found = manifests.load(sources, recursive=chosen["recursive"])
    goals = applying.goals(
        await session.client.discover(), found, session.namespace, asked=bool(session.settings.namespace)
    )
    _check(goals, chosen["validate"])
    session.client.field_manager = chosen["field_manager"]
    printer = _printer(forms.form(chosen["output"], chosen["template"]), goals)
    applied = await _apply_all(session, goals, printer, chosen)
    if chosen["wait"] and chosen["dry_run"] == "none":
        from timonel.cli import awaiting, tree

        with tree.view() as view:
            await awaiting.wait_ready(session.client, applied, chosen["timeout"], view)


def _check(goals: list[Goal], validate: str) -> None:
    """Look for faults in the fields before anything is sent: half of a folder applied is worse than nothing."""
    problems = applying.check(goal.manifest for goal in goals) if validate != "ignore" else []
    if problems and validate == "strict":
        raise CliError("\n".join(["the manifests are not valid, nothing was applied:", *problems]))
    for problem in problems:
        warn(problem)


async def _apply_all(
    session: Session, goals: list[Goal], printer: objects.Printer | None, chosen: dict[str, Any]
) -> list[Ref]:
    """Apply each; what is refused does not hold up the others and is told at the end."""
    applied: list[Ref] = []
    results: list[Object] = []
    refused: list[Exception] = []
    for goal in goals:
        try:
            obj, outcome = await _apply(session, goal, chosen)
        except StatusError as error:
            refused.append(error)
            continue
        applied.append(goal.ref)
        results.append(obj if chosen["show_managed_fields"] else objects.without_managed_fields(obj))
        if printer is None:
            click.echo(f"{goal.ref} {outcome}{DRY.get(chosen['dry_run'], '')}")
    if printer is not None:
        click.echo(printer.one(results[0]) if len(results) == 1 else printer.many(results), nl=False)
    raise_all(refused)
    return applied


async def _apply(session: Session, goal: Goal, chosen: dict[str, Any]) -> tuple[Object, Outcome]:
    if chosen["dry_run"] == "client":
        known = await applying.current(session.client, goal.ref)
        return goal.manifest.object, Outcome.CREATED if known is None else Outcome.CONFIGURED
    return await applying.apply(
        session.client,
        goal,
        force=chosen["force_conflicts"],
        dry_run=chosen["dry_run"] == "server",
        validation=chosen["validate"].capitalize(),
    )


def _printer(form: Form, goals: list[Goal]) -> objects.Printer | None:
    """What prints the results instead of a line for each; None for the lines."""
    if form.is_table:
        return None
    by_kind = {goal.ref.resource.gvk.kind: goal.ref.resource for goal in goals}
    return objects.Printer(form, lambda obj: targets.label(by_kind[obj["kind"]], obj["metadata"]["name"]))
