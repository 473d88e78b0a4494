"""JSON patch: the examples of RFC 6902, Kubernetes' limits and errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api.errors import BadRequest, RequestEntityTooLarge
from timonel.api.patch import PatchFailed, json_patch

Ops = list[dict[str, Any]]


@pytest.mark.parametrize(
    ("doc", "ops", "expected"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["a", "b"]}, [{"op": "add", "path": "/foo/1", "value": "q"}], {"foo": ["a", "q", "b"]}),
        ({"foo": ["a"]}, [{"op": "add", "path": "/foo/-", "value": ["b", "c"]}], {"foo": ["a", ["b", "c"]]}),
        ({"foo": ["a"]}, [{"op": "add", "path": "/foo/1", "value": "b"}], {"foo": ["a", "b"]}),
        ({"foo": ["a", "b"]}, [{"op": "add", "path": "/foo/-1", "value": "c"}], {"foo": ["a", "b", "c"]}),
        ({"foo": ["a", "b"]}, [{"op": "add", "path": "/foo/-2", "value": "c"}], {"foo": ["a", "c", "b"]}),
        ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"g": {}}}], {"foo": "bar", "child": {"g": {}}}),
        ({"foo": 1}, [{"op": "add", "path": "/foo", "value": 2}], {"foo": 2}),
        ({"foo": 1}, [{"op": "add", "path": "/foo", "value": None}], {"foo": None}),
        ({"foo": 1}, [{"op": "add", "path": "", "value": {"bar": 2}}], {"bar": 2}),
        ({"baz": "q", "foo": 1}, [{"op": "remove", "path": "/baz"}], {"foo": 1}),
        ({"foo": ["a", "q", "b"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "b"]}),
        ({"foo": ["a", "b"]}, [{"op": "remove", "path": "/foo/-1"}], {"foo": ["a"]}),
        ({"baz": "q"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        ({"l": [1, 2]}, [{"op": "replace", "path": "/l/0", "value": 9}], {"l": [9, 2]}),
        (
            {"foo": {"bar": "b", "waldo": "w"}, "qux": {"corge": "g"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "b"}, "qux": {"corge": "g", "thud": "w"}},
        ),
        ({"foo": [1, 2, 3]}, [{"op": "move", "from": "/foo/0", "path": "/foo/2"}], {"foo": [2, 3, 1]}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a~b": 1, "c/d": 2}, [{"op": "remove", "path": "/a~0b"}, {"op": "remove", "path": "/c~1d"}], {}),
        ({"a": {"": 1}}, [{"op": "replace", "path": "/a/", "value": 2}], {"a": {"": 2}}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], {"a": 1}),
        ({"a": [1, {"b": None}]}, [{"op": "test", "path": "/a", "value": [1, {"b": None}]}], {"a": [1, {"b": None}]}),
        ({}, [{"op": "test", "path": "/gone", "value": None}], {}),
        ({}, [{"op": "replace", "path": "/gone", "value": 1}], {"gone": 1}),
        ({}, [{"op": "copy", "from": "/gone", "path": "/a"}], {"a": None}),
        ({}, [{"op": "add", "path": "/a"}], {"a": None}),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, [{"op": "test", "path": "", "value": {"a": 1}}], {"a": 1}),
    ],
)
def test_operations(doc: Any, ops: Ops | None, expected: Any) -> None:
    before = copy.deepcopy((doc, ops))
    assert json_patch(doc, ops) == expected
    assert (doc, ops) == before


@pytest.mark.parametrize(
    ("doc", "op", "message"),
    [
        ({"a": 1}, {"op": "test", "path": "/a", "value": 2}, "testing value /a failed"),
        ({"a": 1}, {"op": "test", "path": "/a", "value": True}, "testing value /a failed"),
        ({"a": "10"}, {"op": "test", "path": "/a", "value": 10}, "testing value /a failed"),
        ({}, {"op": "remove", "path": "/a"}, "remove operation does not apply"),
        ({}, {"op": "replace", "path": "/a/b", "value": 1}, "replace operation does not apply"),
        ({}, {"op": "move", "from": "/a", "path": "/b"}, "move operation does not apply"),
        ({}, {"op": "add", "path": "/a/b", "value": 1}, 'doc is missing path: "/a/b"'),
        ({"a": 1}, {"op": "add", "path": "/a/b", "value": 1}, 'doc is missing path: "/a/b"'),
        ({"a": []}, {"op": "add", "path": "/a/1", "value": 1}, "out of bounds"),
        ({"a": []}, {"op": "remove", "path": "/a/0"}, "out of bounds"),
        ({"a": []}, {"op": "add", "path": "/a/" + "9" * 5000, "value": 1}, "out of bounds"),
        ({"a": [1]}, {"op": "remove", "path": "/a/00"}, "not a list index"),
        ({"a": [1]}, {"op": "remove", "path": "/a/-"}, "not a list index"),
        ({"a": {"b": 1}}, {"op": "move", "from": "/a", "path": "/a/b/c"}, "inside of"),
        ({"a": 1}, {"op": "remove", "path": ""}, "whole document"),
    ],
)
def test_operations_that_do_not_fit_answer_422(doc: Any, op: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchFailed, match=message) as caught:
        json_patch(doc, [op])
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")


@pytest.mark.parametrize(
    "ops",
    [
        {"op": "add"},
        ["add"],
        [{"op": "remove", "path": 1}],
    ],
)
def test_malformed_patches_answer_400(ops: Any) -> None:
    with pytest.raises(BadRequest):
        json_patch({"a": 1}, ops)


@pytest.mark.parametrize(
    "op",
    [
        {"op": "frob", "path": "/a"},
        {"path": "/a"},
        {"op": "remove", "path": "a"},
        {"op": "add", "value": 1},
        {"op": "copy", "path": "/a"},
    ],
)
def test_operations_that_nobody_can_carry_out_answer_422(op: Any) -> None:
    with pytest.raises(PatchFailed):
        json_patch({"a": 1}, [op])


def test_a_failed_operation_leaves_nothing_of_those_before_it() -> None:
    doc = {"list": [1]}
    with pytest.raises(PatchFailed):
        json_patch(doc, [{"op": "add", "path": "/list/-", "value": 2}, {"op": "test", "path": "/list", "value": []}])
    assert doc == {"list": [1]}


def test_operations_are_limited_in_number() -> None:
    op = {"op": "add", "path": "/a", "value": 1}
    assert json_patch({}, [op] * 10_000) == {"a": 1}
    with pytest.raises(RequestEntityTooLarge, match="10000, got 10001"):
        json_patch({}, [op] * 10_001)


def test_doubling_by_copies_is_stopped() -> None:
    ops: Ops = [{"op": "add", "path": "/a", "value": ["x" * 1000]}]
    ops += [{"op": "copy", "from": "/a", "path": "/a/-"}] * 100
    with pytest.raises(PatchFailed, match="accumulated size"):
        json_patch({}, ops)


@pytest.mark.parametrize("levels", [150, 300, 3000])
def test_piling_up_by_moves_is_stopped(levels: int) -> None:
    ops: Ops = []
    for _ in range(levels):
        ops.append({"op": "add", "path": "/outer", "value": {}})
        ops.append({"op": "move", "from": "/inner", "path": "/outer/inner"})
        ops.append({"op": "move", "from": "/outer", "path": "/inner"})
    if levels < 200:
        assert "inner" in json_patch({"inner": 1}, ops)["inner"]
        return
    with pytest.raises(PatchFailed, match="max depth"):
        json_patch({"inner": 1}, [*ops, {"op": "copy", "from": "/inner", "path": "/again"}])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.text("ab/~", max_size=2), json_values, max_size=4)


@given(objects, st.text("ab/~", max_size=2), json_values)
def test_adding_and_removing_a_member_cancel(doc: dict[str, Any], name: str, value: Any) -> None:
    doc.pop(name, None)
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    added = json_patch(doc, [{"op": "add", "path": path, "value": value}])
    assert added == doc | {name: value}
    assert json_patch(added, [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]) == doc
