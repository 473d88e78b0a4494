"""Set how many replicas a workload has."""

from __future__ import annotations

from typing import Any

import click

from timonel.cli import completion, options, targets
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError
from timonel.cli.output.results import Results
from timonel.cli.picking import picked


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, shell_complete=completion.targets)
@options.pick
@click.option("--replicas", type=click.IntRange(0), required=True, help="How many there are to be.")
@click.option("--current-replicas", type=click.IntRange(0), help="Only if there are to be so many now.")
@options.dry_run
@options.output
@connected
async def command(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Set how many replicas a Deployment or ReplicaSet has.

    \b
    timonel scale deploy/web --replicas=5
    """
    results = Results(chosen)
    replicas, expected = chosen["replicas"], chosen["current_replicas"]
    for ref in await picked(session, what, chosen):
        if "scale" not in ref.resource.subresources:
            raise CliError(f"{ref.resource.plural} cannot be scaled")
        found = await targets.read(session, ref)
        now = found["spec"].get("replicas", 1)
        if expected is not None and now != expected:
            raise CliError(f"{ref}: expected {expected} replicas, it has {now}")
        patch: dict[str, Any] = {"spec": {"replicas": replicas}}
        if expected is not None:
            patch |= {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}}
        if chosen["dry_run"] != "client":
            dry_run = chosen["dry_run"] == "server"
            kind = session.client.kind(ref.resource)
            await kind.patch(ref.namespace, ref.name, patch, subresource="scale", dry_run=dry_run)
        if results.need_objects:
            found = await targets.read(session, ref)
        results.tell(ref, "scaled", found)
