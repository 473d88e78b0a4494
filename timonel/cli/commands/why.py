"""Explain where a pod runs, or why it runs nowhere, node by node."""

from __future__ import annotations

from typing import Any

import click

from timonel.cli import completion, targets
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError
from timonel.cli.output.table import align


@click.command(cls=ApiCommand)
@click.argument("pod", shell_complete=completion.names_of("pods"))
@connected
async def command(session: Session, pod: str) -> None:
    """Explain a pod's placement: for each node what refuses the pod, or how it scores.

    \b
    timonel why pod/web-1
    """
    found = targets.named(await session.client.discover(), [pod], default="pod")
    if len(found) != 1 or found[0].resource.plural != "pods":
        raise CliError("only pods are placed: say pod/NAME")
    if "why" not in found[0].resource.subresources:
        raise CliError("this server does not explain placements")
    name = found[0].names[0]
    report = await targets.read(session, targets.Ref(found[0].resource, session.namespace, name), "why")
    click.echo("\n".join(explanation(name, report)))


def explanation(pod: str, report: dict[str, Any]) -> list[str]:
    """The lines that explain a placement: the outcome, then a row for each node, the best first."""
    verdicts = sorted(report.get("verdicts") or [], key=_rank)
    node = report.get("node")
    fitting = sum(not verdict["refusals"] for verdict in verdicts)
    if node:
        headline = f"pod/{pod} runs on {node}; as things are now, {fitting} of {len(verdicts)} nodes could take it:"
    elif fitting:
        headline = f"pod/{pod} is not placed yet; {fitting} of {len(verdicts)} nodes could take it:"
    else:
        headline = f"pod/{pod} is not placed: none of {len(verdicts)} nodes can take it:"
    plugins = sorted({plugin for verdict in verdicts for plugin in verdict["scores"]})
    head = ["NODE", "FITS", "TOTAL", *(plugin.upper() for plugin in plugins), "REFUSED BECAUSE"]
    return [headline, align([head, *(_row(verdict, plugins, node) for verdict in verdicts)])]


def _rank(verdict: dict[str, Any]) -> tuple[bool, int, str]:
    return bool(verdict["refusals"]), -sum(verdict["scores"].values()), str(verdict["node"])


def _row(verdict: dict[str, Any], plugins: list[str], chosen: str | None) -> list[str]:
    scores: dict[str, int] = verdict["scores"]
    name, refusals = str(verdict["node"]), verdict["refusals"]
    return [
        f"{name} *" if name == chosen else name,
        "no" if refusals else "yes",
        "-" if refusals else str(sum(scores.values())),
        *(str(scores.get(plugin, "-")) for plugin in plugins),
        "; ".join(refusals),
    ]
