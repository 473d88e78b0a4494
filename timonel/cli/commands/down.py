"""Stop the cluster on this machine and remove every trace of it."""

from __future__ import annotations

import click

from timonel.cli.local.layout import DEFAULT_NAME, Layout


@click.command()
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")
def command(name: str) -> None:
    """Stop the cluster on this machine and remove its pods, networks, files and state. There is no way back."""
    from timonel.cli.local import cluster
    from timonel.cli.local.merging import remove_from_user_kubeconfig

    layout = Layout.of(name)
    stopped = cluster.stop(layout)
    existed = layout.root.exists()
    cluster.remove(layout)
    remove_from_user_kubeconfig(layout)
    click.echo(
        f"stopped {len(stopped)} processes; nothing is left of {name}" if existed else f"there is no cluster {name}"
    )
