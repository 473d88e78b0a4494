"""Follow, pause, repeat and take back changes of workloads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

import click

from timonel.api import time
from timonel.cli import awaiting, completion, options, readiness, rollouts, targets, tree
from timonel.cli.awaiting import State
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.describe.page import NONE, Page, aligned
from timonel.cli.describe.pod import template
from timonel.cli.errors import CliError
from timonel.cli.output.results import Results
from timonel.cli.picking import picked
from timonel.cli.targets import Ref

F = TypeVar("F", bound=Callable[..., Any])
Object = dict[str, Any]

RESTARTED = "kubectl.kubernetes.io/restartedAt"

command = click.Group("rollout", help="Follow, pause, repeat and take back changes of workloads.", no_args_is_help=True)


def _what(function: F) -> F:
    """The workloads that are meant."""
    return options.pick(click.argument("what", nargs=-1, shell_complete=completion.targets)(function))


class _Lines:
    """Prints each new sentence about a rollout, as kubectl does."""

    def __init__(self) -> None:
        self._said = ""

    def show(self, states: Sequence[State]) -> None:
        """Say what is new."""
        for state in states:
            if state.progress.text and state.progress.text != self._said:
                self._said = state.progress.text
                click.echo(state.progress.text)


@command.command("status", cls=ApiCommand)
@_what
@click.option("-w", "--watch/--no-watch", default=True, show_default=True, help="Wait until it is over.")
@options.timeout("0s", "How long to wait; 0: for ever.")
@connected
async def status(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Show how far a rollout is, until it is over."""
    async for ref, obj in _workloads(session, what, chosen, rollouts.CARRIERS, "has no rollouts"):
        if (obj["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
            raise CliError("rollout status is only available for RollingUpdate strategy type")
        if not chosen["watch"]:
            click.echo(readiness.progress(obj).text)
            continue
        with tree.view(_Lines()) as view:
            await awaiting.wait_ready(session.client, [ref], chosen["timeout"], view)


@command.command("history", cls=ApiCommand)
@_what
@click.option("--revision", type=click.IntRange(1), help="Show this revision in full.")
@options.output
@connected
async def history(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Show the revisions of a workload, or one of them in full."""
    results = Results(chosen)
    async for ref, obj in _workloads(session, what, chosen, rollouts.CARRIERS, "has no history"):
        found = await _revisions(session, ref, obj)
        if chosen["revision"] is not None:
            found = [rollouts.pick(found, chosen["revision"])]
        if results.need_objects:
            carrier = await session.client.resource(rollouts.CARRIERS[ref.resource.gvk.kind])
            for each in found:
                results.tell(Ref(carrier, ref.namespace, each.carrier["metadata"]["name"]), "", each.carrier)
        elif chosen["revision"] is not None:
            click.echo(f"{ref} with revision #{found[0].number}")
            page = Page()
            template(page, 0, found[0].template)
            click.echo(page.text())
        else:
            click.echo(f"{ref} ")
            rows = [f"{each.number}\t{each.cause or NONE}" for each in found]
            click.echo("\n".join(aligned(["REVISION\tCHANGE-CAUSE", *rows])) + "\n")


@command.command("undo", cls=ApiCommand)
@_what
@click.option("--to-revision", type=click.IntRange(0), default=0, help="This revision; by default the one before.")
@options.dry_run
@options.output
@connected
async def undo(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Bring a workload back to an earlier revision."""
    results = Results(chosen)
    async for ref, obj in _workloads(session, what, chosen, rollouts.CARRIERS, "cannot be rolled back"):
        _refuse_paused(ref, obj)
        revision = rollouts.pick(await _revisions(session, ref, obj), chosen["to_revision"])
        if rollouts.is_current(obj, revision):
            click.echo(f"{ref} skipped rollback (current template already matches revision {revision.number})")
            continue
        if chosen["dry_run"] != "client":
            patch = rollouts.undo_patch(obj, revision)
            kind = session.client.kind(ref.resource)
            obj = await kind.patch(ref.namespace, ref.name, patch, "json", dry_run=chosen["dry_run"] == "server")
        results.tell(ref, "rolled back", obj)


@command.command("restart", cls=ApiCommand)
@_what
@options.output
@connected
async def restart(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Replace all pods of a workload by new ones, as its strategy has it."""
    results = Results(chosen)
    async for ref, obj in _workloads(session, what, chosen, rollouts.CARRIERS, "restarting is not supported"):
        _refuse_paused(ref, obj)
        patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: time.now()}}}}}
        obj = await session.client.kind(ref.resource).patch(ref.namespace, ref.name, patch)
        results.tell(ref, "restarted", obj)


@command.command("pause", cls=ApiCommand)
@_what
@options.output
@connected
async def pause(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Let changes of a Deployment collect without rolling them out."""
    await _set_paused(session, what, chosen, paused=True)


@command.command("resume", cls=ApiCommand)
@_what
@options.output
@connected
async def resume(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Roll out what has collected since a Deployment was paused."""
    await _set_paused(session, what, chosen, paused=False)


async def _set_paused(session: Session, what: tuple[str, ...], chosen: dict[str, Any], *, paused: bool) -> None:
    results = Results(chosen)
    unable = f"{'pausing' if paused else 'resuming'} is not supported"
    async for ref, obj in _workloads(session, what, chosen, ("Deployment",), unable):
        if bool(obj["spec"].get("paused")) == paused:
            raise CliError(f'{ref.resource.group_resource} "{ref.name}" is {"already" if paused else "not"} paused')
        patch: Object = {"spec": {"paused": paused or None}}
        obj = await session.client.kind(ref.resource).patch(ref.namespace, ref.name, patch)
        results.tell(ref, "paused" if paused else "resumed", obj)


async def _workloads(
    session: Session, what: Sequence[str], chosen: dict[str, Any], kinds: Sequence[str] | dict[str, str], unable: str
) -> AsyncIterator[tuple[Ref, Object]]:
    """The workloads that are meant; those of other kinds than `kinds` are refused, in the words of `unable`."""
    for ref in await picked(session, what, chosen, bare_means_all=True):
        if ref.resource.gvk.kind not in kinds:
            raise CliError(f'{ref.resource.group_resource} "{ref.name}" {unable}')
        yield ref, {"kind": ref.resource.gvk.kind, **await targets.read(session, ref)}


def _refuse_paused(ref: Ref, obj: Object) -> None:
    if obj["spec"].get("paused"):
        raise CliError(f"{ref} is paused: 'timonel rollout resume {ref}' first")


async def _revisions(session: Session, ref: Ref, obj: Object) -> list[rollouts.Revision]:
    carriers = await session.client.resource(rollouts.CARRIERS[ref.resource.gvk.kind])
    return rollouts.revisions(obj, (await session.client.kind(carriers).list(ref.namespace)).items)
