"""What fits an expectation and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kind.matching import differences, fits, value_at

FITTING: list[tuple[Any, Any]] = [
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": None}, {"b": 2}),
    ([{"a": 1}, 2], [{"a": 1, "b": 0}, 2]),
    ({"$is": {"a": 1}}, {"a": 1}),
    ({"$any": True}, 0),
    ({"$any": False}, None),
    ({"$contains": "b"}, "abc"),
    ({"$matches": "a+"}, "aaa"),
    ({"$not": "a"}, "b"),
    ({"$one-of": ["a", "b"]}, "b"),
    ({"$length": 2}, [1, 2]),
    ({"$length": 0}, None),
    ({"$length": {"$at-least": 1}}, [1, 2]),
    ({"$has": [{"a": 1}]}, [{"b": 1}, {"a": 1, "b": 1}]),
    ({"$lacks": [{"a": 1}]}, [{"a": 2}]),
    ({"$in-any-order": [1, 2]}, [2, 1]),
]
DIFFERING: list[tuple[Any, Any]] = [
    ({"a": 1}, {"a": 2}),
    ({"a": None}, {"a": 0}),
    ({"a": 1}, None),
    ([1], [1, 2]),
    (True, 1),
    ({"$is": {"a": 1}}, {"a": 1, "b": 2}),
    ({"$any": True}, None),
    ({"$matches": "a"}, "ab"),
    ({"$not": {"a": 1}}, {"a": 1, "b": 2}),
    ({"$one-of": ["a"]}, "b"),
    ({"$length": 1}, []),
    ({"$at-least": 1}, None),
    ({"$has": [1]}, None),
    ({"$lacks": [{"a": 1}]}, [{"a": 1, "b": 2}]),
    ({"$in-any-order": [1]}, [1, 1]),
]


@pytest.mark.parametrize(("expected", "actual"), FITTING)
def test_fits(expected: Any, actual: Any) -> None:
    assert fits(expected, actual)


@pytest.mark.parametrize(("expected", "actual"), DIFFERING)
def test_differs(expected: Any, actual: Any) -> None:
    assert not fits(expected, actual)


def test_differences_name_the_path() -> None:
    assert list(differences({"a": [{"b": 1}]}, {"a": [{"b": 2}]})) == [".a[0].b: expected 1, is 2"]


def test_value_at_a_path() -> None:
    value = {"a": [{"b.c": 1}]}
    assert value_at(value, 'a[0]["b.c"]') == 1
    assert value_at(value, "a[1].b") is None
