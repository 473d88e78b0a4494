"""Set how many replicas a workload has."""

from __future__ import annotations

import click

from timonel.cli import completion, targets
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, required=True, shell_complete=completion.targets)
@click.option("--replicas", type=click.IntRange(0), required=True, help="How many there are to be.")
@click.option("--current-replicas", type=click.IntRange(0), help="Only if there are to be so many now.")
@connected
async def command(session: Session, what: tuple[str, ...], *, replicas: int, current_replicas: int | None) -> None:
    """Set how many replicas a Deployment or ReplicaSet has.

    \b
    timonel scale deploy/web --replicas=5
    """
    for target in targets.named(await session.client.discover(), what):
        if "scale" not in target.resource.subresources:
            raise CliError(f"{target.resource.plural} cannot be scaled")
        namespace = target.namespace(session.namespace)
        for name in target.names:
            found = await targets.get(session, target, name)
            now = found["spec"].get("replicas", 1)
            if current_replicas is not None and now != current_replicas:
                raise CliError(
                    f"{targets.label(target.resource, name)}: expected {current_replicas} replicas, it has {now}"
                )
            patch = {"spec": {"replicas": replicas}}
            if current_replicas is not None:
                patch |= {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}}
            await session.client.kind(target.resource).patch(namespace, name, patch, subresource="scale")
            click.echo(f"{targets.label(target.resource, name)} scaled")
