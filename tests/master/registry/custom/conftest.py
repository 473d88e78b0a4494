"""Definitions for tests, and a registry that serves them: here a test plays the controller that grants names."""

import copy
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from master.registry.base import Resource, component
from master.registry.verbs import Registry
from timonel.api.types import apiextensions_v1 as v1

GROUP = "stable.example.com"

SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 1, "default": 1},
        "color": {"type": "string", "enum": ["red", "green"]},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
            },
        },
    },
    "x-kubernetes-validations": [
        {"rule": "!has(oldSelf.color) || has(self.color)", "message": "a colour stays"},
    ],
}
STATUS: dict[str, Any] = {"type": "object", "properties": {"size": {"type": "integer"}, "selector": {"type": "string"}}}


@pytest.fixture
def definition() -> dict[str, Any]:
    """A definition with one version, status and scale."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.size",
                "statusReplicasPath": ".status.size",
                "labelSelectorPath": ".status.selector",
            },
        },
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
    }
    return copy.deepcopy(
        {
            "metadata": {"name": f"widgets.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
                "versions": [version],
            },
        }
    )


Serve = Callable[..., Awaitable[Resource]]


@pytest.fixture
async def serve(registry: Registry, api: Any) -> Serve:
    """Creates or replaces a definition, grants its names and gives the resource of a version once it is served."""

    async def make(body: dict[str, Any], version: str = "v1") -> Resource:
        name = body["metadata"]["name"]
        names = await api.names(v1.CustomResourceDefinition, "")
        if name in names:
            present = await api.get(v1.CustomResourceDefinition, name, "")
            await api.update(v1.CustomResourceDefinition, {**body, "metadata": present["metadata"]}, "")
        else:
            await api.create(v1.CustomResourceDefinition, body, "")
        patch = {
            "status": {
                "acceptedNames": (await api.get(v1.CustomResourceDefinition, name, ""))["spec"]["names"],
                "conditions": [{"type": "Established", "status": "True"}],
            }
        }
        done = await registry.patch(
            component("test"),
            v1.CustomResourceDefinition,
            "",
            name,
            "application/merge-patch+json",
            json.dumps(patch).encode(),
            subresource="status",
        )
        await registry.cache(v1.CustomResourceDefinition).wait_until(done.revision)
        found = registry.resources.find(GROUP, version, body["spec"]["names"]["plural"])
        assert found is not None
        return found

    return make
