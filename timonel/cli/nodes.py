"""What the commands about nodes share."""

from __future__ import annotations

import click

from timonel.cli import completion, options, targets
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError


async def chosen(session: Session, names: tuple[str, ...], selector: str) -> list[str]:
    """The names of the nodes that are named or selected.

    Raises:
        CliError: it is neither, or both.
    """
    if bool(names) == bool(selector):
        raise CliError("name nodes, or select them by -l; not both")
    if selector:
        return [item["metadata"]["name"] for item in (await session.client.kind("nodes").list(labels=selector)).items]
    found = await session.client.discover()
    return [name for target in targets.named(found, [_as_node(word) for word in names]) for name in target.names]


async def cordon(session: Session, name: str, *, unschedulable: bool) -> bool:
    """Set whether a node takes new pods; False when it was so already."""
    node = await targets.read(session, targets.Ref(await session.client.resource("nodes"), "", name))
    if bool(node["spec"].get("unschedulable")) == unschedulable:
        return False
    await session.client.kind("nodes").patch("", name, {"spec": {"unschedulable": unschedulable or None}})
    return True


def cordon_command(*, unschedulable: bool, text: str) -> click.Command:
    """The command cordon, or uncordon."""
    done = "cordoned" if unschedulable else "uncordoned"

    @click.command(cls=ApiCommand, help=text)
    @click.argument("names", nargs=-1, shell_complete=completion.names_of("nodes"))
    @options.selector
    @connected
    async def command(session: Session, names: tuple[str, ...], *, selector: str) -> None:
        for name in await chosen(session, names, selector):
            changed = await cordon(session, name, unschedulable=unschedulable)
            click.echo(f"node/{name} {'' if changed else 'already '}{done}")

    return command


def _as_node(word: str) -> str:
    return word if "/" in word else f"node/{word}"
