"""What a cluster that comes up shows while it does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from timonel.api.types import core_v1
from timonel.cli.errors import CliError
from timonel.cli.local.steps import Steps
from timonel.client import Client

NODES_SECONDS = 60.0
READY = "Ready"


async def nodes_ready(client: Client, names: Sequence[str], steps: Steps) -> None:
    """Wait until every named node is Ready, and say so as they come.

    Raises:
        CliError: some are not after a minute; the text has what their conditions say.
    """
    states: dict[str, str] = {}
    try:
        async with asyncio.timeout(NODES_SECONDS), aclosing(client.kind(core_v1.Node).watch()) as changes:
            async for change in changes:
                states[change.object.metadata.name] = _state(change.object)
                if all(states.get(name) == READY for name in names):
                    break
    except TimeoutError:
        lines = [f"  {name}: {states.get(name, 'has not joined')}" for name in names if states.get(name) != READY]
        raise CliError("some nodes are not ready after a minute:\n" + "\n".join(lines)) from None
    steps.done("nodes", f"{len(names)} ready: {', '.join(names)}")


def _state(node: core_v1.Node) -> str:
    ready = next((condition for condition in node.status.conditions if condition.type == READY), None)
    if ready is not None and ready.status == "True":
        return READY
    return (ready.message if ready is not None else "") or "not ready yet"
