"""Show what nodes and pods use of CPU and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from timonel.api.errors import NotFound
from timonel.api.quantity import Quantity
from timonel.cli import completion, options
from timonel.cli.context import ApiCommand, Session, connected, tell_none
from timonel.cli.errors import CliError
from timonel.cli.output.table import align
from timonel.discovery import UnknownResource

MIB = 2**20
SORT_KEYS = ("cpu", "memory")
Usage = tuple[int, int]
"""CPU in thousandths of a core, memory in bytes."""


class _Plurals(click.Group):
    """Takes `nodes` and `pods` too."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, in the singular or plural."""
        return super().get_command(ctx, name.removesuffix("s"))


command = _Plurals("top", help="Show what nodes and pods use of CPU and memory.", no_args_is_help=True)

_sort_by = click.option("--sort-by", type=click.Choice(SORT_KEYS), help="The largest first.")
_no_headers = click.option("--no-headers", is_flag=True, help="Leave the headers out.")


@command.command("node", cls=ApiCommand)
@click.argument("names", nargs=-1, shell_complete=completion.names_of("nodes"))
@options.selector
@_sort_by
@_no_headers
@connected
async def node(session: Session, names: tuple[str, ...], selector: str, **shown: Any) -> None:
    """Show what nodes use, also as a share of what they have for pods."""
    metrics = await _metrics(session, "nodes.metrics.k8s.io", "", names, selector)
    listing = await session.client.kind("nodes").list(labels=selector)
    allocatable = {item["metadata"]["name"]: item["status"].get("allocatable") or {} for item in listing.items}
    rows = []
    for item in _ordered(metrics, shown["sort_by"]):
        cpu, memory = _usage(item)
        limits = allocatable.get(item["metadata"]["name"]) or {}
        cpu_share = _share(cpu, Quantity(limits.get("cpu", "0")).to_milli())
        memory_share = _share(memory, Quantity(limits.get("memory", "0")).to_int())
        rows.append([item["metadata"]["name"], f"{cpu}m", cpu_share, f"{memory // MIB}Mi", memory_share])
    _print(["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], rows, no_headers=shown["no_headers"])


@command.command("pod", cls=ApiCommand)
@click.argument("names", nargs=-1, shell_complete=completion.names_of("pods"))
@options.selector
@options.all_namespaces
@click.option("--containers", is_flag=True, help="A row for each container.")
@_sort_by
@_no_headers
@connected
async def pod(session: Session, names: tuple[str, ...], **chosen: Any) -> None:
    """Show what pods use."""
    everywhere = chosen["all_namespaces"]
    namespace = "" if everywhere else session.namespace
    metrics = await _metrics(session, "pods.metrics.k8s.io", namespace, names, chosen["selector"])
    if not metrics:
        tell_none("resources", namespace)
        return
    rows = []
    for item in _ordered(metrics, chosen["sort_by"]):
        own = [item["metadata"]["namespace"]] if everywhere else []
        own.append(item["metadata"]["name"])
        parts = [([container["name"]], _amounts(container["usage"])) for container in item["containers"]]
        for label, (cpu, memory) in parts if chosen["containers"] else [([], _usage(item))]:
            rows.append([*own, *label, f"{cpu}m", f"{memory // MIB}Mi"])
    head = [*(["NAMESPACE"] if everywhere else []), *(["POD", "NAME"] if chosen["containers"] else ["NAME"])]
    _print([*head, "CPU(cores)", "MEMORY(bytes)"], rows, no_headers=chosen["no_headers"])


async def _metrics(
    session: Session, resource: str, namespace: str, names: Sequence[str], selector: str
) -> list[dict[str, Any]]:
    kind = session.client.kind(resource)
    try:
        if names:
            return [await kind.get(namespace, name) for name in names]
        return (await kind.list(namespace, labels=selector)).items
    except UnknownResource:
        raise CliError("Metrics API not available") from None
    except NotFound as error:
        error.add_note("there is no sample of it yet, or it does not exist")
        raise


def _ordered(items: list[dict[str, Any]], sort_by: str | None) -> list[dict[str, Any]]:
    by_name = sorted(items, key=lambda item: (item["metadata"].get("namespace", ""), item["metadata"]["name"]))
    if sort_by is None:
        return by_name
    return sorted(by_name, key=lambda item: _usage(item)[SORT_KEYS.index(sort_by)], reverse=True)


def _usage(item: dict[str, Any]) -> Usage:
    if "usage" in item:
        return _amounts(item["usage"])
    amounts = [_amounts(container["usage"]) for container in item["containers"]]
    return sum(cpu for cpu, _ in amounts), sum(memory for _, memory in amounts)


def _amounts(usage: dict[str, str]) -> Usage:
    return Quantity(usage.get("cpu", "0")).to_milli(), Quantity(usage.get("memory", "0")).to_int()


def _share(used: int, total: int) -> str:
    return f"{used * 100 // total}%" if total else "<unknown>"


def _print(head: list[str], rows: list[list[str]], *, no_headers: bool) -> None:
    click.echo(align(rows if no_headers else [head, *rows]))
