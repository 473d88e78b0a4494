"""Start a cluster on this machine, or what of it does not run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timonel.cli.errors import CliError
from timonel.cli.local.layout import DEFAULT_NAME, Layout

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
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    nodes: int, store: str | None, runtime: str, manifests: tuple[Path, ...], name: str, *, quiet: bool
) -> None:
    """Start a cluster of one master and some nodes on this machine's Docker, or what of it does not run.

    It is safe to run again at any time. `timonel down` removes everything.
    """
    asyncio.run(_up(Layout.of(name), nodes, store, runtime, manifests, quiet=quiet))


async def _up(
    layout: Layout, nodes: int, store: str | None, runtime: str, manifests: tuple[Path, ...], *, quiet: bool
) -> None:
    from timonel.cli.local import cluster
    from timonel.cli.local.steps import Steps

    if runtime == "docker" and not cluster.is_root():
        raise CliError("nodes make networks and mounts for their pods: run this as root (sudo)")
    steps = Steps(quiet=quiet)
    existing = layout.load()
    shape = cluster.choose(layout, nodes, store or (existing.store if existing else "embedded"))
    before = cluster.running_processes(layout)
    token = await _token_for_new_nodes(layout, shape.nodes) if "master" in before else ""
    cluster.start(layout, shape, runtime=runtime, join_token=token)
    images = asyncio.create_task(_images()) if runtime == "docker" else None
    from timonel import kubeconfig  # while the processes start
    from timonel.cli.local.progress import nodes_ready
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
            await _show(client, layout)


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
    from timonel.cli.local.progress import deployments_available
    from timonel.cli.manifests import load

    waited = []
    for manifest in load([str(path) for path in manifests], recursive=True):
        result = await client.kind(manifest.gvk).apply(manifest.object)
        metadata = result["metadata"]
        steps.done("applied", f"{manifest.gvk.kind.lower()}/{metadata['name']}")
        if manifest.gvk.kind == "Deployment":
            waited.append((metadata["namespace"], metadata["name"]))
    await deployments_available(client, waited, steps)


async def _show(client: Client, layout: Layout) -> None:
    """What runs where, and what to try next."""
    from rich.console import Console
    from rich.table import Table

    from timonel.api.types import core_v1

    pods = [pod for pod in (await client.kind(core_v1.Pod).list("")).items if pod.spec.nodeName]
    table = Table(box=None, pad_edge=False)
    for column in ("NODE", "POD", "STATUS", "ADDRESS"):
        table.add_column(column)
    for pod in sorted(pods, key=lambda pod: (pod.spec.nodeName or "", pod.metadata.name or "")):
        table.add_row(pod.spec.nodeName, pod.metadata.name, pod.status.phase, pod.status.podIP)
    console = Console()
    if pods:
        console.print()
        console.print(table)
    web = next((pod for pod in pods if pod.metadata.labels.get("app") == "web" and pod.status.podIP), None)
    tries = [
        ("timonel get pods -o wide", "what runs where"),
        (f"export KUBECONFIG={layout.kubeconfig}", "then kubectl, Helm and all the rest work too"),
        ("timonel events -A", "what went on"),
        ("timonel top nodes", "what is used"),
        ("timonel down" + ("" if layout.name == DEFAULT_NAME else f" --name {layout.name}"), "remove every trace"),
    ]
    if web:
        tries[:0] = [(f"curl http://{web.status.podIP}:8080", "a page from one of the pods")]
        tries[-2:-2] = [
            ("timonel logs -f -l app=web", "the logs of all three at once"),
            (f"timonel why pod/{web.metadata.name}", "why it runs where it runs"),
        ]
    console.print("\nTry next:")
    width = max(len(text) for text, _ in tries)
    for text, why in tries:
        console.print(f"  {text:<{width}}  [dim]# {why}[/dim]", highlight=False, soft_wrap=True)
