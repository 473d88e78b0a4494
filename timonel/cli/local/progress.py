"""What a cluster that comes up shows while it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from timonel.api.types import apps_v1, core_v1
from timonel.cli.errors import CliError
from timonel.cli.local.steps import Steps
from timonel.client import Client

NODES_SECONDS = 60.0
PODS_SECONDS = 180.0


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


async def deployments_available(client: Client, names: Sequence[tuple[str, str]], steps: Steps) -> None:
    """Wait until every named (namespace, name) Deployment has all its pods available, and say so as they come.

    Raises:
        CliError: some have not after three minutes; the text says what their pods wait for.
    """
    left = set(names)

    def see(deploy: apps_v1.Deployment) -> bool:
        key = (deploy.metadata.namespace or "", deploy.metadata.name or "")
        wanted = 1 if deploy.spec.replicas is None else deploy.spec.replicas
        observed = deploy.status.observedGeneration == deploy.metadata.generation
        if key in left and observed and (deploy.status.availableReplicas or 0) >= wanted:
            left.discard(key)
            steps.done("deployment", f"{key[1]}: {wanted} of {wanted} pods available")
        return not left

    if left and not await _watch(client, apps_v1.Deployment, "", see, PODS_SECONDS):
        raise CliError("some pods did not become ready:\n" + "\n".join(await _troubles(client)))


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


async def _troubles(client: Client) -> list[str]:
    lines = []
    for pod in (await client.kind(core_v1.Pod).list("")).items:
        for status in pod.status.containerStatuses:
            waiting = status.state.waiting if status.state else None
            if waiting:
                lines.append(f"  {pod.metadata.name}/{status.name}: {waiting.reason}: {waiting.message or ''}")
        refused = (c for c in pod.status.conditions if c.type == "PodScheduled" and c.status == "False")
        lines += [f"  {pod.metadata.name}: {condition.message}" for condition in refused]
    return lines or ["  no pod says why; look at 'timonel events -A'"]
