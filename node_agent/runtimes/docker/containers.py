"""The containers of pods, each in its pod's sandbox."""

import math
from typing import Any

from node_agent.runtimes.base import ContainerSpec, ImageFailure, Resources, RuntimeFailure
from node_agent.runtimes.docker import config, names
from node_agent.runtimes.docker.client import Daemon, Refused
from node_agent.runtimes.docker.ensure import create_or_find, kill, remove
from node_agent.runtimes.docker.sandboxes import Sandboxes

_STOP_MARGIN_SECONDS = 30.0
"""What the daemon may take beyond a grace to kill and to tell."""


class Containers:
    """Makes, starts, stops and removes this node's containers."""

    def __init__(self, daemon: Daemon, scope: names.Scope, sandboxes: Sandboxes) -> None:
        self._daemon = daemon
        self._scope = scope
        self._sandboxes = sandboxes
        self._fresh: set[str] = set()

    async def create(self, sandbox: str, spec: ContainerSpec) -> str:
        """Create the container of (pod, name, attempt), or find it; one left by another sandbox is replaced."""
        joins = await self._sandboxes.joins(sandbox)
        name = self._scope.name(spec.pod, spec.attempt, spec.name)
        wanted = config.container_config(self._scope, spec, joins, self._sandboxes.abilities)

        def is_usable(found: dict[str, Any]) -> bool:
            waits_elsewhere = (
                found["State"]["Status"] == "created" and found["HostConfig"]["NetworkMode"] != joins.network
            )
            return found["State"]["Status"] != "dead" and not waits_elsewhere

        try:
            container, new = await create_or_find(self._daemon, name, wanted, is_usable)
        except Refused as refusal:
            raise _not_created(spec, refusal) from refusal
        if new:
            self._fresh.add(container)
        return container

    async def start(self, container: str) -> None:
        """Start it unless it has been started: one that has ended does not run again."""
        try:
            if container not in self._fresh:
                inspected = await self._daemon.inspect(container)
                state = inspected["State"] if inspected else {"Status": "created", "ExitCode": 0}
                if state["Status"] != "created" or state["ExitCode"] != 0:
                    return
            self._fresh.discard(container)
            await self._daemon.start(container)
        except Refused as refusal:
            raise RuntimeFailure("RunContainerError", refusal.message) from refusal

    async def stop(self, container: str, grace_seconds: float) -> None:
        """Signal, wait for the grace, kill; returns when it has ended. Ended or absent already is success."""
        try:
            if grace_seconds > 0:
                grace = math.ceil(grace_seconds)
                path, query = f"/containers/{container}/stop", {"t": str(grace)}
                await self._daemon.send("POST", path, query, seconds=grace + _STOP_MARGIN_SECONDS)
            else:
                await kill(self._daemon, container, _STOP_MARGIN_SECONDS)
        except Refused as refusal:
            if refusal.status not in (404, 409):
                raise RuntimeFailure("KillContainerError", refusal.message) from refusal

    async def remove(self, container: str) -> None:
        """Remove it by force; done already is success."""
        self._fresh.discard(container)
        await remove(self._daemon, container)

    async def update(self, container: str, resources: Resources) -> None:
        """Change a running container's limits."""
        try:
            await self._daemon.send("POST", f"/containers/{container}/update", body=config.limits(resources))
        except Refused as refusal:
            raise RuntimeFailure("UpdateContainerError", refusal.message) from refusal


def _not_created(spec: ContainerSpec, refusal: Refused) -> RuntimeFailure:
    if refusal.status == 404 and "image" in refusal.message.lower():
        return ImageFailure("ErrImageNeverPull", f'Container image "{spec.image}" is not present on the node')
    return RuntimeFailure("CreateContainerError", refusal.message)
