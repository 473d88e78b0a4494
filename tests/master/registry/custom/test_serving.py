"""Custom resources through the registry's verbs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from master.registry import authz
from master.registry.base import ListOptions, Resource, WriteOptions, component
from master.registry.verbs import Registry
from timonel.api.errors import (
    ApplyConflict,
    BadRequest,
    Conflict,
    Invalid,
    MethodNotAllowed,
    NoSuchPath,
    UnsupportedMediaType,
)
from timonel.api.types import apiextensions_v1 as v1

Serve = Callable[..., Awaitable[Resource]]
WHO = component("test")


@pytest.fixture
async def widgets(serve: Serve, definition: dict[str, Any]) -> Resource:
    return await serve(definition)


def widget(name: str = "one", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "stable.example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }


async def test_what_is_written_is_pruned_and_defaulted(api: Any, widgets: Resource) -> None:
    body = {**widget(color="red", bogus=1), "status": {"size": 3}, "other": 1}
    made = await api.create(widgets, body)
    assert made["spec"] == {"color": "red", "size": 1}
    assert "status" not in made
    assert "other" not in made
    assert made["metadata"]["generation"] == 1
    assert await api.get(widgets, "one") == made


async def test_unknown_fields_are_refused_or_told(api: Any, widgets: Resource) -> None:
    with pytest.raises(BadRequest, match=r'strict decoding error: unknown field "spec\.bogus"'):
        await api.create(widgets, widget(bogus=1), field_validation="Strict")
    with pytest.raises(BadRequest, match=r'strict decoding error: unknown field "metadata\.bogus"'):
        await api.create(widgets, {**widget(), "metadata": {"name": "x", "bogus": 1}}, field_validation="Strict")
    await api.create(widgets, widget(bogus=1), field_validation="Warn")
    assert api.warnings == ['unknown field "spec.bogus"']


async def test_faults_have_paths(api: Any, widgets: Resource) -> None:
    with pytest.raises(Invalid) as caught:
        await api.create(widgets, widget(size=0, color="blue", parts=[{"name": "a"}, {"name": "a"}]))
    assert str(caught.value) == (
        'Widget.stable.example.com "one" is invalid: ['
        "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1, "
        'spec.color: Unsupported value: "blue": supported values: "red", "green", '
        'spec.parts[1]: Duplicate value: {"name":"a"}, '
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation]"
    )


async def test_rules_of_changes(api: Any, widgets: Resource) -> None:
    made = await api.create(widgets, widget(color="red"))
    with pytest.raises(Invalid, match="a colour stays"):
        await api.update(widgets, {**made, "spec": {}})
    await api.merge(widgets, "one", {"spec": {"color": "green"}})


async def test_generation_counts_all_but_metadata_and_status(api: Any, widgets: Resource) -> None:
    await api.create(widgets, widget())
    assert (await api.merge(widgets, "one", {"metadata": {"labels": {"a": "b"}}}))["metadata"]["generation"] == 1
    assert (await api.merge(widgets, "one", {"spec": {"size": 2}}))["metadata"]["generation"] == 2
    done = await api.merge(widgets, "one", {"status": {"size": 2}}, subresource="status")
    assert (done["metadata"]["generation"], done["status"]) == (2, {"size": 2})


async def test_the_status_is_written_apart(api: Any, widgets: Resource) -> None:
    await api.create(widgets, widget())
    ignored = await api.merge(widgets, "one", {"status": {"size": 5}, "spec": {"size": 2}})
    assert "status" not in ignored
    patch = {"status": {"size": 5, "bogus": 1}, "spec": {"size": 9}, "metadata": {"labels": {"a": "b"}}}
    done = await api.merge(widgets, "one", patch, subresource="status")
    assert (done["spec"], done["status"], done["metadata"].get("labels")) == ({"size": 2}, {"size": 5}, None)


async def test_without_a_status_subresource_the_status_is_a_field(
    api: Any, serve: Serve, definition: dict[str, Any]
) -> None:
    del definition["spec"]["versions"][0]["subresources"]
    kind = await serve(definition)
    made = await api.create(kind, {**widget(), "status": {"size": 1}})
    assert made["status"] == {"size": 1}
    changed = await api.merge(kind, "one", {"status": {"size": 2}})
    assert (changed["status"], changed["metadata"]["generation"]) == ({"size": 2}, 2)
    with pytest.raises(NoSuchPath):
        await api.merge(kind, "one", {"status": {"size": 2}}, subresource="status")


async def test_scale(api: Any, widgets: Resource) -> None:
    await api.create(widgets, widget(size=3))
    await api.merge(widgets, "one", {"status": {"size": 2, "selector": "a=b"}}, subresource="status")
    scale = await api.get(widgets, "one", subresource="scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 3},
        {"replicas": 2, "selector": "a=b"},
    )
    await api.merge(widgets, "one", {"spec": {"replicas": 5}}, subresource="scale")
    assert (await api.get(widgets, "one"))["spec"]["size"] == 5


async def test_selectable_fields(api: Any, widgets: Resource) -> None:
    await api.create(widgets, widget("one", color="red"))
    await api.create(widgets, widget("two"))
    assert await api.names(widgets, field_selector="spec.color=red") == ["one"]
    with pytest.raises(BadRequest, match=r"field label not supported: spec\.size"):
        await api.names(widgets, field_selector="spec.size=1")


async def test_patches(registry: Registry, api: Any, widgets: Resource) -> None:
    await api.create(widgets, widget(parts=[{"name": "a"}]))
    operations = b'[{"op": "add", "path": "/spec/parts/-", "value": {"name": "b", "bogus": 1}}]'
    done = await registry.patch(WHO, widgets, "default", "one", "application/json-patch+json", operations)
    assert json.loads(done.raw)["spec"]["parts"] == [{"name": "a"}, {"name": "b"}]
    with pytest.raises(UnsupportedMediaType):
        await registry.patch(WHO, widgets, "default", "one", "application/strategic-merge-patch+json", b"{}")


async def test_server_side_apply_knows_list_maps(registry: Registry, widgets: Resource) -> None:
    async def apply(manager: str, force: bool = False, **spec: Any) -> dict[str, Any]:
        options = WriteOptions(field_manager=manager, force=force)
        body = json.dumps(widget(**spec)).encode()
        done: dict[str, Any] = json.loads((await registry.apply(WHO, widgets, "default", "one", body, options)).raw)
        return done

    await apply("one", parts=[{"name": "a", "count": 1}])
    both = await apply("two", parts=[{"name": "b", "count": 2}])
    assert [part["name"] for part in both["spec"]["parts"]] == ["a", "b"]
    with pytest.raises(ApplyConflict, match=r'spec\.parts\[name="a"\]\.count'):
        await apply("two", parts=[{"name": "a", "count": 9}])
    mine = await apply("one", parts=[])
    assert mine["spec"]["parts"] == [{"name": "b", "count": 2}]


async def test_a_stale_update_conflicts(api: Any, widgets: Resource) -> None:
    made = await api.create(widgets, widget())
    await api.merge(widgets, "one", {"spec": {"size": 2}})
    with pytest.raises(Conflict):
        await api.update(widgets, made)


async def test_a_new_schema_is_served_and_shows_its_defaults_in_old_objects(
    registry: Registry, api: Any, serve: Serve, definition: dict[str, Any]
) -> None:
    old = await serve(definition)
    await api.create(old, widget())
    watch = registry.watch(WHO, old, "default", ListOptions())
    await anext(watch)
    properties = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["shape"] = {"type": "string", "default": "round"}
    del properties["size"]
    definition["spec"]["versions"][0]["subresources"].pop("scale")
    definition["spec"]["versions"][0]["additionalPrinterColumns"] = []
    new = await serve(definition)
    assert new != old
    assert (await api.get(new, "one"))["spec"] == {"shape": "round"}
    async with asyncio.timeout(5):
        assert [batch async for batch in watch] == []


async def test_it_is_served_until_its_definition_goes(
    registry: Registry, api: Any, widgets: Resource, definition: dict[str, Any]
) -> None:
    name = definition["metadata"]["name"]
    gone = await api.delete(v1.CustomResourceDefinition, name, "")
    assert not gone.deleted
    with pytest.raises(MethodNotAllowed) as caught:
        await api.create(widgets, widget())
    assert caught.value.message == "create not allowed while custom resource definition is terminating"
    generation = registry.resources.generation
    done = await api.merge(v1.CustomResourceDefinition, name, {"metadata": {"finalizers": None}}, "")
    await registry.cache(v1.CustomResourceDefinition).fresh()
    assert done["metadata"]["name"] == name
    assert registry.resources.generation > generation
    assert registry.resources.find("stable.example.com", "v1", "widgets") is None


async def test_a_definition_is_served_again_after_a_restart(
    store: Any, registry: Registry, api: Any, widgets: Resource
) -> None:
    await api.create(widgets, widget())
    again = Registry(store, authz.load())
    await again.start()
    try:
        found = again.resources.find("stable.example.com", "v1", "widgets")
        assert found is not None
        listed = await again.list(WHO, found, "default", ListOptions(resource_version="0"))
        assert [json.loads(raw)["metadata"]["name"] for raw in listed.items] == ["one"]
    finally:
        await again.close()


async def test_one_that_goes_is_served_until_it_is_empty_though_no_version_is(
    registry: Registry, api: Any, widgets: Resource
) -> None:
    await api.create(widgets, widget())
    name = "widgets.stable.example.com"
    definition = await api.get(v1.CustomResourceDefinition, name, "")
    for version in definition["spec"]["versions"]:
        version["served"] = False
    await api.update(v1.CustomResourceDefinition, definition, "")
    await api.registry.cache(v1.CustomResourceDefinition).fresh()
    assert registry.resources.of_gvk(widgets.gvk) is None
    await api.delete(v1.CustomResourceDefinition, name, "")
    await api.registry.cache(v1.CustomResourceDefinition).fresh()
    again = registry.resources.of_gvk(widgets.gvk)
    assert again is not None
    assert await api.names(again) == ["one"]
