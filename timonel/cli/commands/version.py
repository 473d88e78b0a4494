"""Print the versions of Timonel and of the Kubernetes API that it serves."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Print the versions of Timonel and of the Kubernetes API that it serves."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("timonel")
    except PackageNotFoundError:
        own = "unknown (not installed)"
    click.echo(f"timonel {own}, Kubernetes API v1.35")
