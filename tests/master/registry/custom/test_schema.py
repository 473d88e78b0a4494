"""Pruning, defaulting and ownership by structural schemas: tables, and laws that hold for all schemas and values."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.registry.custom.defaulting import defaulted
from master.registry.custom.embedded import coerced
from master.registry.custom.pruning import pruned
from master.registry.custom.schema import compiled, tree
from timonel.api import fieldwalk

STRING = {"type": "string"}


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


PRUNED = [
    (an_object(a=STRING), {"a": "x", "b": 1}, {"a": "x"}),
    (an_object(a=an_object(b=STRING)), {"a": {"b": "x", "c": 1}}, {"a": {"b": "x"}}),
    (
        an_object(a={"type": "array", "items": an_object(b=STRING)}),
        {"a": [{"c": 1}, {"b": "x"}]},
        {"a": [{}, {"b": "x"}]},
    ),
    (
        an_object(a={"type": "object", "additionalProperties": an_object(b=STRING)}),
        {"a": {"k": {"c": 1}}},
        {"a": {"k": {}}},
    ),
    (an_object(a={"x-kubernetes-preserve-unknown-fields": True}), {"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 1}}}),
    (
        an_object(a={**an_object(b=an_object(c=STRING)), "x-kubernetes-preserve-unknown-fields": True}),
        {"a": {"b": {"c": "x", "d": 1}, "e": 1}},
        {"a": {"b": {"c": "x"}, "e": 1}},
    ),
    (
        an_object(a={**an_object(spec=STRING), "x-kubernetes-embedded-resource": True}),
        {"a": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "x"}, "spec": "s", "other": 1}},
        {"a": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "x"}, "spec": "s"}},
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), PRUNED)
def test_pruning(schema: dict[str, Any], value: Any, expected: Any) -> None:
    assert pruned(compiled(schema), value) == expected


def test_the_head_of_an_object_is_kept_and_dropped_paths_are_told() -> None:
    schema = compiled(an_object(spec=an_object(list={"type": "array", "items": an_object(a=STRING)})))
    value = {"apiVersion": "v1", "kind": "K", "metadata": {}, "spec": {"list": [{"a": "x"}, {"b": 1}], "c": 1}, "d": 2}
    dropped: list[str] = []
    kept = pruned(schema, value, root=True, dropped=dropped)
    assert set(kept) == {"apiVersion", "kind", "metadata", "spec"}
    assert dropped == ["spec.list[1].b", "spec.c", "d"]


DEFAULTED = [
    (an_object(a={**STRING, "default": "x"}), {}, {"a": "x"}),
    (an_object(a={**STRING, "default": "x"}), {"a": "y"}, {"a": "y"}),
    (an_object(a={**STRING, "default": "x"}), {"a": None}, {"a": "x"}),
    (an_object(a={**STRING, "default": "x", "nullable": True}), {"a": None}, {"a": None}),
    (an_object(a=STRING), {"a": None}, {}),
    (an_object(a={**STRING, "nullable": True}), {"a": None}, {"a": None}),
    (an_object(a=an_object(b={**STRING, "default": "x"})), {}, {}),
    (an_object(a={**an_object(b={**STRING, "default": "x"}), "default": {}}), {}, {"a": {"b": "x"}}),
    (
        an_object(a={"type": "array", "items": an_object(b={"type": "integer", "default": 1})}),
        {"a": [{}]},
        {"a": [{"b": 1}]},
    ),
    (
        an_object(a={"type": "object", "additionalProperties": {**an_object(b={"type": "integer", "default": 1})}}),
        {"a": {"k": {}}},
        {"a": {"k": {"b": 1}}},
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), DEFAULTED)
def test_defaulting(schema: dict[str, Any], value: Any, expected: Any) -> None:
    assert defaulted(compiled(schema), value) == expected


def test_the_metadata_of_embedded_objects_is_put_in_order() -> None:
    schema = compiled(an_object(a={"type": "object", "x-kubernetes-embedded-resource": True}))
    value = {"a": {"metadata": {"name": "x", "bogus": 1}}}
    assert coerced(schema, value) == {"a": {"metadata": {"name": "x"}}}
    assert coerced(schema, {"a": {"metadata": 3}}) == {"a": {"metadata": 3}}


def test_ownership_follows_list_types() -> None:
    item = {**an_object(name=STRING, number={"type": "integer"}), "required": ["name"]}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    lists = an_object(
        ports={"type": "array", "items": item, **keyed},
        tags={"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
        rest={"type": "array", "items": STRING},
    )
    root = tree(compiled(an_object(spec=lists)), has_status=True)
    value = {"spec": {"ports": [{"name": "a", "number": 1}], "tags": ["x"], "rest": ["y"]}}
    assert fieldwalk.owned(root, value) == {
        "f:spec": {
            "f:ports": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:number": {}}},
            "f:tags": {'v:"x"': {}},
            "f:rest": {},
        }
    }


# Laws

names = st.sampled_from("abc")
scalars = st.sampled_from(["string", "integer", "boolean"])
plain = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "y"])
documents = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)


def _leaf() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": scalars}, optional={"default": plain.filter(lambda v: v is not None), "nullable": st.booleans()}
    )


def _around(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    flags = {"nullable": st.booleans(), "x-kubernetes-preserve-unknown-fields": st.just(True)}
    properties = st.dictionaries(names, inner, max_size=3)
    return (
        st.fixed_dictionaries({"type": st.just("object"), "properties": properties}, optional=flags)
        | st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner})
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner})
    )


schemas = st.recursive(_leaf(), _around, max_leaves=8)


@given(schemas, documents)
@settings(max_examples=300, deadline=None)
def test_pruning_twice_is_pruning_once(schema: dict[str, Any], value: Any) -> None:
    node = compiled(schema)
    once = pruned(node, value)
    assert pruned(node, once) is once


@given(schemas, documents)
@settings(max_examples=300, deadline=None)
def test_defaulting_twice_is_defaulting_once(schema: dict[str, Any], value: Any) -> None:
    node = compiled(schema)
    once = defaulted(node, value)
    assert defaulted(node, once) == once


@given(schemas, documents)
@settings(max_examples=300, deadline=None)
def test_pruning_drops_and_never_changes(schema: dict[str, Any], value: Any) -> None:
    assert _within(pruned(compiled(schema), value), value)


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _within(item, whole[key]) for key, item in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return bool(part == whole)
