"""What a cluster that comes up shows while it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from timonel.api.types import core_v1
from timonel.cli.errors import CliError
from timonel.cli.local.steps import Steps
from timonel.client import Client

NODES_SECONDS = 60.0


async def nodes_ready(client: Client, names: Sequence[str], steps: Steps) -> None:
    """Wait until every named node is Ready, and say so as they come.

    Raises:
        CliError: some are not after a minute; the text has what their conditions say.
    """
    states: dict[str, str] = {}

    def see(node: core_v1.Node) -> bool:
        name = node.metadata.name or ""
        ready = next((c for c in node.status.conditions if c.type == "Ready"), None)
        states[name] = (
            "Ready" if ready and ready.status == "True" else (ready.message if ready else None) or "not ready yet"
        )
        return all(states.get(wanted) == "Ready" for wanted in names)

    if not await _watch(client, core_v1.Node, "", see, NODES_SECONDS):
        lines = [f"  {name}: {states.get(name, 'has not joined')}" for name in names if states.get(name) != "Ready"]
        raise CliError("some nodes are not ready after a minute:\n" + "\n".join(lines))
    steps.done("nodes", f"{len(names)} ready: {', '.join(names)}")


async def _watch(client: Client, kind: type[Any], namespace: str, see: Callable[[Any], bool], seconds: float) -> bool:
    """Look at every object of a kind, and at each change, until `see` is satisfied; False when time is up."""
    try:
        async with asyncio.timeout(seconds):
            async for event in client.kind(kind).watch(namespace):
                if event.object is not None and see(event.object):
                    return True
    except TimeoutError:
        pass
    return False
