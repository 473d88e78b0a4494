"""Show which resources the server has."""

from __future__ import annotations

import click

from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.output.table import align


@click.command(cls=ApiCommand)
@click.option("--api-group", default=None, metavar="GROUP", help="Only of this group; '' is the core group.")
@click.option("--namespaced", type=bool, default=None, metavar="BOOL", help="Only those in namespaces, or only others.")
@click.option("--verbs", default="", metavar="VERB,...", help="Only those with all these verbs.")
@click.option("--categories", default="", metavar="NAME,...", help="Only those in all these categories.")
@click.option("--no-headers", is_flag=True, help="Leave the headers out.")
@click.option("-o", "--output", type=click.Choice(["", "wide", "name"]), default="", help="How to print them.")
@connected
async def command(
    session: Session,
    api_group: str | None,
    verbs: str,
    categories: str,
    output: str,
    *,
    namespaced: bool | None,
    no_headers: bool,
) -> None:
    """Show which resources the server has, and by which words they are known."""
    found = [
        resource
        for resource in (await session.client.discover()).resources
        if (api_group is None or resource.gvk.group == api_group)
        and (namespaced is None or resource.namespaced == namespaced)
        and set(filter(None, verbs.split(","))) <= set(resource.verbs)
        and set(filter(None, categories.split(","))) <= set(resource.categories)
    ]
    found.sort(key=lambda resource: (resource.gvk.group, resource.plural))
    if output == "name":
        click.echo("\n".join(resource.group_resource for resource in found))
        return
    head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    rows = [
        [
            resource.plural,
            ",".join(resource.short_names),
            resource.gvk.api_version,
            str(resource.namespaced).lower(),
            resource.gvk.kind,
        ]
        for resource in found
    ]
    if output == "wide":
        head += ["VERBS", "CATEGORIES"]
        for row, resource in zip(rows, found, strict=True):
            row += [",".join(resource.verbs), ",".join(resource.categories)]
    click.echo(align(rows if no_headers else [head, *rows]))
