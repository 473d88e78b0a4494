"""JSON merge patch: the examples of RFC 7386 and its laws."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api.errors import BadRequest
from timonel.api.patch import merge_patch
from timonel.api.patch.merge_patch import merge_value


@pytest.mark.parametrize(
    ("value", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": [1]}, {"a": [{"b": None, "c": 1}, None]}, {"a": [{"c": 1}, None]}),
    ],
)
def test_examples_of_the_rfc_and_of_lists(value: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy((value, patch))
    assert merge_value(value, patch) == expected
    assert (value, patch) == before


@pytest.mark.parametrize("patch", [None, [], "text", 1])
def test_an_object_is_patched_by_an_object(patch: Any) -> None:
    with pytest.raises(BadRequest, match="must be an object"):
        merge_patch({"a": 1}, patch)


without_nulls = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.text("abc", max_size=1), without_nulls, max_size=4)


def difference(old: Any, new: Any) -> Any:
    """The merge patch that makes `new` of `old`."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    changed = {key: difference(old.get(key), item) for key, item in new.items() if key not in old or old[key] != item}
    return changed | dict.fromkeys(old.keys() - new.keys())


@given(objects, objects)
def test_a_difference_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merge_patch(old, difference(old, new)) == new


@given(objects, objects)
def test_patching_twice_is_patching_once(doc: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(doc, patch)
    assert merge_patch(once, patch) == once
