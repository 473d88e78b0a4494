"""A whole master in this process, for clients that know nothing of it but its kubeconfig."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cluster_in_process import cluster, etcd, running

__all__ = ["cluster", "definition", "etcd", "eventually", "kubeconfig"]

DEADLINE = 20.0

DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gardens.farm.example.com"},
    "spec": {
        "group": "farm.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gardens", "singular": "garden", "kind": "Garden", "shortNames": ["gd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.beds", "statusReplicasPath": ".status.beds"},
                },
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "beds": {"type": "integer", "minimum": 1, "default": 1},
                                    "plant": {"type": "string"},
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    """The administrator's way to a running master with all its parts."""
    async with running(tmp_path, nodes=()) as made:
        yield made.kubeconfig


@pytest.fixture
def definition() -> dict[str, Any]:
    """A kind with a status, a scale and a default."""
    return DEFINITION


Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Waits for a condition, with a deadline."""

    async def wait(holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not await holds():  # noqa: ASYNC110  # what a client sees tells of no change by itself
                await asyncio.sleep(0.05)

    return wait
