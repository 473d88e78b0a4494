"""Sets of field paths: their algebra against plain sets, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api.fieldpath import FieldSet, contains_self, difference, intersection, is_field_set, paths, union

Path = tuple[str, ...]


def tree(members: Iterable[Path]) -> FieldSet:
    """The set of these paths."""
    wanted = set(members)

    def node(prefix: Path) -> FieldSet:
        inner = {path[len(prefix)] for path in wanted if len(path) > len(prefix) and path[: len(prefix)] == prefix}
        below = {element: node((*prefix, element)) for element in sorted(inner)}
        return {".": {}} | below if below and prefix in wanted else below

    return node(())


def members(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """The paths of a set."""
    for element, inner in fields.items():
        if element != ".":
            if contains_self(inner):
                yield (*prefix, element)
            yield from members(inner, (*prefix, element))


path_sets = st.sets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":"x"}', 'v:"s"']), min_size=1, max_size=3).map(tuple)
)


@given(path_sets, path_sets)
def test_the_algebra_is_that_of_sets_of_paths(a: set[Path], b: set[Path]) -> None:
    assert set(members(tree(a))) == a
    assert union(tree(a), tree(b)) == tree(a | b)
    assert intersection(tree(a), tree(b)) == tree(a & b)
    assert difference(tree(a), tree(b)) == tree(a - b)


@given(path_sets)
def test_paths_lists_every_member_once(a: set[Path]) -> None:
    shown = list(paths(tree(a)))
    assert len(shown) == len(set(shown)) == len(a)


def test_paths_are_shown_as_in_kubernetes_messages() -> None:
    fields: FieldSet = {
        "f:spec": {
            "f:template": {
                "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
                "f:finalizers": {'v:"a/b"': {}},
                "f:old": {"i:3": {}},
            },
            "f:replicas": {},
        },
        "f:metadata": {"f:annotations": {"f:example.com/x": {}}},
    }
    assert list(paths(fields)) == [
        ".metadata.annotations.example.com/x",
        ".spec.replicas",
        ".spec.template.ports",
        '.spec.template.finalizers[="a/b"]',
        ".spec.template.old[3]",
        '.spec.template.ports[port=80,protocol="TCP"]',
        '.spec.template.ports[port=80,protocol="TCP"].port',
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, True),
        ({"f:a": {".": {}, 'k:{"x":1}': {}}}, True),
        ({"a": {}}, False),
        ({"f:a": 1}, False),
        ({"f:a": {"f:b": None}}, False),
        ([], False),
        (None, False),
    ],
)
def test_recognising_a_set(value: object, expected: bool) -> None:
    assert is_field_set(value) is expected
