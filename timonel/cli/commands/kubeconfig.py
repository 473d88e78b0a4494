"""Print the kubeconfig of the cluster on this machine, or merge it into the user's."""

from __future__ import annotations

import click

from timonel.cli.local.layout import DEFAULT_NAME, Layout


@click.command()
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")
@click.option(
    "--merge", "merging", is_flag=True, help="Put it into ~/.kube/config (or $KUBECONFIG) and make it current."
)
def command(name: str, *, merging: bool) -> None:
    """Print a kubeconfig for kubectl, Helm and client libraries, or merge it into the user's own."""
    import yaml

    from timonel.cli.local.merging import merge, named

    layout = Layout.of(name)
    if merging:
        click.echo(f"merged into {merge(layout)} as context timonel-{name}")
    else:
        click.echo(yaml.safe_dump(named(layout), sort_keys=False), nl=False)
