"""Start a cluster on this machine, or what of it does not run."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timonel.cli.errors import CliError
from timonel.cli.local.layout import DEFAULT_NAME, Layout

PODS_SECONDS = 180.0

if TYPE_CHECKING:
    from timonel.cli.local.steps import Steps
    from timonel.client import Client


@click.command()
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(1, 100), help="How many nodes.")
@click.option("--store", default=None, type=click.Choice(["embedded", "etcd"]), help="Where the state is kept.")
@click.option(
    "--runtime", default="docker", show_default=True, type=click.Choice(["docker", "fake"]), help="What runs pods."
)
@click.option(
    "--apply", "manifests", multiple=True, type=click.Path(exists=True, path_type=Path), help="Apply and wait."
)
@click.option(
    "--admission-plugins",
    "plugins",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="A folder of Python functions that judge and change objects.",
)
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")
@click.option("--merge", "merging", is_flag=True, help="Put the cluster into ~/.kube/config (or $KUBECONFIG).")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    nodes: int,
    store: str | None,
    runtime: str,
    manifests: tuple[Path, ...],
    plugins: str | None,
    name: str,
    *,
    merging: bool,
    quiet: bool,
) -> None:
    """Start a cluster of one master and some nodes on this machine's Docker, or what of it does not run.

    It is safe to run again at any time. `timonel down` removes everything.
    """
    asyncio.run(_up(Layout.of(name), nodes, store, runtime, manifests, plugins or "", quiet=quiet))
    if merging:
        from timonel.cli.local.merging import merge

        path = merge(Layout.of(name))
        if not quiet:
            click.echo(f"\nmerged into {path} as context timonel-{name}")


async def _up(
    layout: Layout,
    nodes: int,
    store: str | None,
    runtime: str,
    manifests: tuple[Path, ...],
    plugins: str,
    *,
    quiet: bool,
) -> None:
    from timonel.cli.local import cluster
    from timonel.cli.local.steps import Steps

    if runtime == "docker" and not cluster.is_root():
        raise CliError("nodes make networks and mounts for their pods: run this as root (sudo)")
    steps = Steps(quiet=quiet)
    existing = layout.load()
    shape = cluster.choose(layout, nodes, store or (existing.store if existing else "embedded"), plugins)
    before = cluster.running_processes(layout)
    token = await _token_for_new_nodes(layout, shape.nodes) if "master" in before else ""
    images = asyncio.create_task(_images()) if runtime == "docker" else None
    await asyncio.to_thread(cluster.start, layout, shape, runtime=runtime, join_token=token)
    from timonel import kubeconfig  # while the processes start
    from timonel.cli.local.progress import nodes_ready
    from timonel.cli.local.summary import show
    from timonel.client import Client

    await asyncio.to_thread(cluster.wait_for_master, layout)
    steps.done("master", f"serves https://127.0.0.1:{shape.api_port}, its state in the {shape.store} store")
    async with Client(kubeconfig.load(layout.kubeconfig)) as client:
        async with cluster.watched(layout):
            await nodes_ready(client, cluster.node_names(shape.nodes), steps)
        if images is not None:
            steps.done("images", await images)
        if manifests:
            await _apply(client, manifests, steps)
        if not quiet:
            await show(client, layout)


async def _token_for_new_nodes(layout: Layout, nodes: int) -> str:
    """A join token if some node has not joined yet; else none is needed."""
    from timonel import kubeconfig
    from timonel.cli.local import cluster
    from timonel.cli.local.tokens import create_join_token
    from timonel.client import Client

    if all((layout.node(name) / "pki").exists() for name in cluster.node_names(nodes)):
        return ""
    async with Client(kubeconfig.load(layout.kubeconfig)) as client:
        return await create_join_token(client, hours=1)


async def _images() -> str:
    from timonel.cli.local.images import BUSYBOX, build

    return (
        f"{', '.join(BUSYBOX)} are there"
        if await build()
        else "pulled when needed (no static busybox to build them of)"
    )


async def _apply(client: Client, manifests: tuple[Path, ...], steps: Steps) -> None:
    from timonel.cli import applying, awaiting, tree
    from timonel.cli.manifests import load

    found = load([str(path) for path in manifests], recursive=True)
    applied = []
    for goal in applying.goals(await client.discover(), found, "default", asked=False):
        _, outcome = await applying.apply(client, goal)
        applied.append(goal.ref)
        steps.done("applied", f"{goal.ref} {outcome}")
    with contextlib.nullcontext(tree.Silence()) if steps.quiet else tree.view() as view:
        await awaiting.wait_ready(client, applied, PODS_SECONDS, view)
    steps.done("ready", "everything that was applied")
