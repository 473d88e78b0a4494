"""Creating and removing by name so that doing it twice, or by two callers at once, comes to the same."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from node_agent.runtimes.docker.client import SLOW_SECONDS, Daemon, Refused

_BUSY_SECONDS = 10.0
"""How long a name may be held by something that is being created or removed."""


async def create_or_find(
    daemon: Daemon, name: str, config: dict[str, Any], usable: Callable[[dict[str, Any]], bool]
) -> tuple[str, bool]:
    """(id, whether it is new) of the container of that name; one that is there and not ``usable`` is removed first.

    Raises Refused, also when the name stays in use.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return await daemon.create(name, config), True
        except Refused as refusal:
            if refusal.status != 409 or time.monotonic() > deadline:
                raise
        found = await daemon.inspect(name)
        if found is None or found["State"]["Status"] == "removing":
            await asyncio.sleep(0.02)
        elif usable(found):
            return str(found["Id"]), False
        else:
            await remove(daemon, found["Id"])


async def kill(daemon: Daemon, container: str, seconds: float) -> None:
    """Kill a container and wait until it has ended; ended or absent already is success."""
    try:
        await daemon.kill(container)
        await daemon.send("POST", f"/containers/{container}/wait", seconds=seconds)
    except Refused as refusal:
        if refusal.status not in (404, 409):
            raise


async def remove(daemon: Daemon, container: str) -> None:
    """Remove a container by force, with its anonymous volumes; returns when it is gone, whoever removed it."""
    try:
        await daemon.ask("DELETE", f"/containers/{container}", {"v": "1", "force": "1"}, seconds=SLOW_SECONDS)
    except Refused as refusal:
        if refusal.status == 409:
            await _until_removed(daemon, container)
        elif refusal.status != 404:
            raise


async def _until_removed(daemon: Daemon, container: str) -> None:
    try:
        await daemon.send("POST", f"/containers/{container}/wait", {"condition": "removed"}, seconds=SLOW_SECONDS)
    except Refused as refusal:
        if refusal.status != 404:
            raise
