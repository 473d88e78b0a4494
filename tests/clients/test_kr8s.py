"""Objects of a custom kind by kr8s, unmodified."""

import asyncio
from pathlib import Path
from typing import Any

import kr8s
import pytest
from kr8s.asyncio.objects import APIObject, CustomResourceDefinition, new_class


async def test_custom_objects(kubeconfig: Path, definition: dict[str, Any], eventually: Any) -> None:
    api = await kr8s.asyncio.api(kubeconfig=str(kubeconfig))
    made = await CustomResourceDefinition(definition, api=api)
    await made.create()
    await made.wait("condition=Established", timeout=10)

    garden_class: type[APIObject] = new_class(
        "Garden", "farm.example.com/v1", namespaced=True, scalable=True, scalable_spec="beds"
    )
    garden = await garden_class(
        {"metadata": {"name": "eden", "namespace": "default"}, "spec": {"plant": "fig"}}, api=api
    )
    await garden.create()
    await garden.refresh()
    assert garden.spec.beds == 1

    watched: list[tuple[str, str]] = []

    async def watch() -> None:
        async for event, seen in api.watch("gardens.farm.example.com", namespace="default"):
            watched.append((event, seen.name))
            if event == "DELETED":
                return

    watching = asyncio.create_task(watch())
    await garden.patch({"spec": {"plant": "apple"}})
    await garden.label(season="spring")
    await garden.scale(3)
    assert [each.name async for each in api.get("gardens.farm.example.com", label_selector={"season": "spring"})] == [
        "eden"
    ]
    await garden.refresh()
    assert (garden.spec.beds, garden.spec.plant) == (3, "apple")
    with pytest.raises(kr8s.ServerError, match="should be greater than or equal to 1"):
        await garden.patch({"spec": {"beds": 0}})

    await eventually(_holds(watched))
    await garden.delete()
    async with asyncio.timeout(10):
        await watching
    assert watched[0] == ("ADDED", "eden") or watched[0] == ("MODIFIED", "eden")
    assert watched[-1] == ("DELETED", "eden")


def _holds(watched: list[tuple[str, str]]) -> Any:
    async def holds() -> bool:
        return bool(watched)

    return holds
