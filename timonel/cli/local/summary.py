"""What a cluster that is up shows at the end: what runs where, and what to try next."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import click

from timonel.api.types import core_v1
from timonel.cli.local.layout import DEFAULT_NAME, Layout
from timonel.cli.output.table import align
from timonel.client import Client


async def show(client: Client, layout: Layout) -> None:
    """Print the pods by node, and commands to try."""
    pods = [pod for pod in (await client.kind(core_v1.Pod).list("")).items if pod.spec.nodeName]
    if pods:
        click.echo(f"\n{_table(pods)}")
    click.echo("\nTry next:")
    tries = _tries(pods, layout)
    width = max(len(text) for text, _ in tries)
    for text, why in tries:
        click.echo(f"  {text:<{width}}  {click.style(f'# {why}', dim=True)}")


def _table(pods: Sequence[core_v1.Pod]) -> str:
    rows = [[pod.spec.nodeName, pod.metadata.name, pod.status.phase, pod.status.podIP] for pod in pods]
    return align([["NODE", "POD", "STATUS", "ADDRESS"], *sorted([cell or "" for cell in row] for row in rows)])


def _tries(pods: Sequence[core_v1.Pod], layout: Layout) -> list[tuple[str, str]]:
    us = "timonel" if shutil.which("timonel") else os.path.relpath(sys.argv[0])
    named = "" if layout.name == DEFAULT_NAME else f" --name {layout.name}"
    tries = [
        (f"{us} get pods -o wide", "what runs where"),
        (f"export KUBECONFIG={layout.kubeconfig}", "then kubectl, Helm and all the rest work too"),
        (f"{us} events -A", "what went on"),
        (f"{us} top nodes", "what is used"),
        (f"{us} down{named}", "remove every trace"),
    ]
    web = next((pod for pod in pods if pod.metadata.labels.get("app") == "web" and pod.status.podIP), None)
    if web is None:
        return tries
    page = (f"curl http://{web.status.podIP}:8080", "a page from one of the pods")
    more = [
        (f"{us} logs -f -l app=web", "the logs of all of them at once"),
        (f"{us} why pod/{web.metadata.name}", "why it runs where it runs"),
    ]
    return [page, *tries[:-1], *more, tries[-1]]
