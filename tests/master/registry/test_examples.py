"""Every example is accepted by strict rules, changes nothing when it is applied again, and has a row in its table."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from master.registry.base import WriteOptions

NAMES = sorted(path.stem for path in (Path(__file__).parents[3] / "manifests" / "examples").glob("*.yaml"))
NOT_KEPT = {"Binding", "ComponentStatus", "NodeMetrics", "PodMetrics", "CustomResourceDefinition"}


@pytest.mark.parametrize("name", NAMES)
async def test_an_example(examples: Any, api: Any, name: str) -> None:
    body, resource = examples.body(name), examples.kind(name)
    namespace = "default" if resource.namespaced else ""

    async def apply() -> Any:
        options = WriteOptions(field_manager="test", field_validation="Strict")
        raw = json.dumps(body).encode()
        return await api.registry.apply(api.who, resource, namespace, body["metadata"]["name"], raw, options)

    first = await apply()
    clock = api.registry.core.clock
    api.registry.core.clock = lambda: clock() + timedelta(seconds=5)
    again = await apply()
    assert first.warnings == ()
    assert first.raw == again.raw
    cells = examples.cells(name)
    assert all(isinstance(value, str | int | float | bool | None) for value in cells.values())


def test_every_stored_kind_has_an_example(examples: Any, registry: Any) -> None:
    shown = {examples.kind(name) for name in NAMES}
    kinds = {
        resource for resource in registry.resources if resource.struct and "create" in registry.strategy(resource).verbs
    }
    missing = {r.gvk.kind for r in kinds - shown if registry.strategy(r).performs is None} - NOT_KEPT
    assert not missing
