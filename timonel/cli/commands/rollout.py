"""Follow, pause, repeat and take back changes of workloads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import click

from timonel.api import codec, time
from timonel.api.types import apps_v1
from timonel.cli import awaiting, completion, options, readiness, rollouts, targets, tree
from timonel.cli.awaiting import State
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.describe.page import NONE, Page, aligned
from timonel.cli.describe.pod import template
from timonel.cli.errors import CliError
from timonel.cli.targets import Ref

RESTARTED = "kubectl.kubernetes.io/restartedAt"

command = click.Group("rollout", help="Follow, pause, repeat and take back changes of workloads.", no_args_is_help=True)

_what = click.argument("what", nargs=-1, required=True, shell_complete=completion.targets)
_revision = click.option("--revision", type=click.IntRange(1), help="Show this revision in full.")


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
async def status(session: Session, what: tuple[str, ...], *, watch: bool, timeout: float) -> None:
    """Show how far a rollout is, until it is over."""
    found = targets.named(await session.client.discover(), what)
    for ref in targets.refs(found, session.namespace):
        obj = await targets.get(session, targets.Target(ref.resource, (ref.name,)), ref.name)
        if not watch:
            click.echo(readiness.progress(obj).text)
            continue
        with tree.view(_Lines()) as view:
            await awaiting.wait_ready(session.client, [ref], timeout, view)


@command.command("history", cls=ApiCommand)
@_what
@_revision
@connected
async def history(session: Session, what: tuple[str, ...], *, revision: int | None) -> None:
    """Show the revisions of a Deployment, or one of them in full."""
    async for ref, deployment in _deployments(session, what):
        found = await _revisions(session, deployment)
        if revision is not None:
            chosen = rollouts.pick(found, revision)
            click.echo(f"{ref} with revision #{revision}")
            page = Page()
            if chosen.replica_set.spec.template:
                template(page, 0, chosen.replica_set.spec.template)
            click.echo(page.text())
            continue
        click.echo(f"{ref} ")
        rows = [f"{each.number}\t{each.cause or NONE}" for each in found]
        click.echo("\n".join(aligned(["REVISION\tCHANGE-CAUSE", *rows])) + "\n")


@command.command("undo", cls=ApiCommand)
@_what
@click.option("--to-revision", type=click.IntRange(0), default=0, help="This revision; by default the one before.")
@options.dry_run
@connected
async def undo(session: Session, what: tuple[str, ...], *, to_revision: int, dry_run: str) -> None:
    """Bring a Deployment back to an earlier revision."""
    async for ref, deployment in _deployments(session, what):
        if deployment.spec.paused:
            raise CliError(f"{ref} is paused: 'timonel rollout resume {ref}' first")
        chosen = rollouts.pick(await _revisions(session, deployment), to_revision)
        if rollouts.is_current(deployment, chosen):
            click.echo(f"{ref} skipped rollback (current template already matches revision {chosen.number})")
            continue
        if dry_run != "client":
            patch = rollouts.undo_patch(deployment, chosen)
            kind = session.client.kind(ref.resource)
            await kind.patch(ref.namespace, ref.name, patch, "json", dry_run=dry_run == "server")
        click.echo(f"{ref} rolled back{'' if dry_run == 'none' else ' (dry run)'}")


@command.command("restart", cls=ApiCommand)
@_what
@connected
async def restart(session: Session, what: tuple[str, ...]) -> None:
    """Replace all pods of a workload by new ones, as its strategy has it."""
    for ref in targets.refs(targets.named(await session.client.discover(), what), session.namespace):
        obj = await targets.get(session, targets.Target(ref.resource, (ref.name,)), ref.name)
        if "template" not in (obj.get("spec") or {}) or ref.resource.plural == "replicasets":
            raise CliError(f"{ref.resource.plural} have no rollouts that could be restarted")
        if obj["spec"].get("paused"):
            raise CliError(f"{ref} is paused: 'timonel rollout resume {ref}' first")
        patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: time.now()}}}}}
        await session.client.kind(ref.resource).patch(ref.namespace, ref.name, patch)
        click.echo(f"{ref} restarted")


@command.command("pause", cls=ApiCommand)
@_what
@connected
async def pause(session: Session, what: tuple[str, ...]) -> None:
    """Let changes of a Deployment collect without rolling them out."""
    await _set_paused(session, what, paused=True)


@command.command("resume", cls=ApiCommand)
@_what
@connected
async def resume(session: Session, what: tuple[str, ...]) -> None:
    """Roll out what has collected since a Deployment was paused."""
    await _set_paused(session, what, paused=False)


async def _set_paused(session: Session, what: tuple[str, ...], *, paused: bool) -> None:
    async for ref, deployment in _deployments(session, what):
        if bool(deployment.spec.paused) == paused:
            raise CliError(f'{ref.resource.group_resource} "{ref.name}" is {"already" if paused else "not"} paused')
        patch: dict[str, Any] = {"spec": {"paused": paused or None}}
        await session.client.kind(ref.resource).patch(ref.namespace, ref.name, patch)
        click.echo(f"{ref} {'paused' if paused else 'resumed'}")


async def _deployments(session: Session, what: tuple[str, ...]) -> AsyncIterator[tuple[Ref, apps_v1.Deployment]]:
    for ref in targets.refs(targets.named(await session.client.discover(), what), session.namespace):
        if ref.resource.gvk.kind != "Deployment":
            raise CliError(f"{ref.resource.plural} have no such rollouts: name a Deployment")
        obj = await targets.get(session, targets.Target(ref.resource, (ref.name,)), ref.name)
        yield ref, codec.convert(apps_v1.Deployment, obj)


async def _revisions(session: Session, deployment: apps_v1.Deployment) -> list[rollouts.Revision]:
    replica_sets = await session.client.kind(apps_v1.ReplicaSet).list(deployment.metadata.namespace or "")
    return rollouts.revisions(deployment, replica_sets.items)
