"""An operator written with kopf, unmodified and in a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as official
from kubernetes import config

OPERATOR = Path(__file__).with_name("gardener.py")
GARDENS = ("farm.example.com", "v1", "default", "gardens")


@pytest.fixture
async def operator(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Path]:
    """A running operator; gives its log."""
    log = tmp_path / "operator.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kopf", "run", "--standalone", "-n", "default", str(OPERATOR)),
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            stdout=output,
            stderr=output,
        )
    yield log
    process.terminate()
    await process.wait()


@pytest.fixture
async def api(
    kubeconfig: Path, definition: dict[str, Any], eventually: Any
) -> AsyncIterator[official.CustomObjectsApi]:
    made = await asyncio.to_thread(config.new_client_from_config, str(kubeconfig))
    definitions = official.ApiextensionsV1Api(made)
    await asyncio.to_thread(definitions.create_custom_resource_definition, definition)

    async def established() -> bool:
        found = await asyncio.to_thread(definitions.read_custom_resource_definition, definition["metadata"]["name"])
        return any(each.type == "Established" and each.status == "True" for each in found.status.conditions or [])

    await eventually(established)
    yield official.CustomObjectsApi(made)
    made.close()


def told(log: Path) -> str:
    """What the operator has said."""
    return log.read_text()


async def test_a_garden_s_life(api: official.CustomObjectsApi, operator: Path, eventually: Any) -> None:
    async def garden() -> dict[str, Any]:
        found: dict[str, Any] = await asyncio.to_thread(api.get_namespaced_custom_object, *GARDENS, "eden")
        return found

    async def reached(**status: Any) -> None:
        async def holds() -> bool:
            return status.items() <= ((await garden()).get("status") or {}).items()

        try:
            await eventually(holds)
        except TimeoutError:
            pytest.fail(f"{await garden()}\n{told(operator)}")

    body = {
        "apiVersion": "farm.example.com/v1",
        "kind": "Garden",
        "metadata": {"name": "eden"},
        "spec": {"plant": "apple"},
    }
    await asyncio.to_thread(api.create_namespaced_custom_object, *GARDENS, body)
    await reached(planted={"beds": 1}, watered=3)
    made = await garden()
    assert made["metadata"]["finalizers"] == ["farm.example.com/gardener"]
    assert made["metadata"]["generation"] == 1

    change = {"spec": {"plant": "fig"}}
    await asyncio.to_thread(api.patch_namespaced_custom_object, *GARDENS, "eden", change)
    await reached(**{"replanted/spec.plant": {"was": "apple", "is": "fig"}})
    assert (await garden())["metadata"]["generation"] == 2

    await asyncio.to_thread(api.delete_namespaced_custom_object, *GARDENS, "eden")

    async def gone() -> bool:
        listed = await asyncio.to_thread(api.list_namespaced_custom_object, *GARDENS)
        return listed["items"] == []

    await eventually(gone)
    assert "cleared eden" in told(operator)
