"""Sets of field paths, in the form in which metadata.managedFields has them (FieldsV1).

A set is a tree of dicts by path element: `f:<name>` a member of a map, `k:<keys as JSON>` and `v:<value as JSON>` an
item of a list. A path is in the set when its node is empty or has the element ".": `{"f:a": {".": {}, "f:b": {}}}`
has `.a` and `.a.b`, `{"f:a": {"f:b": {}}}` only `.a.b`. All functions leave their arguments as they are; results may
share parts with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

FieldSet: TypeAlias = dict[str, "FieldSet"]

SELF = "."


def contains_self(node: FieldSet) -> bool:
    """Whether the path of `node` is in the set that `node` is a part of."""
    return not node or SELF in node


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """The paths in either set."""
    result = dict(a)
    for element, theirs in b.items():
        ours = a.get(element)
        if ours is None:
            result[element] = theirs
        elif ours and theirs:
            result[element] = union(ours, theirs)
        elif ours or theirs:
            result[element] = {SELF: {}} | ours | theirs
    return result


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """The paths in both sets."""
    result: FieldSet = {}
    for element, ours in a.items():
        theirs = b.get(element)
        if theirs is not None:
            inner = intersection(ours, theirs) if ours and theirs else {}
            _put(result, element, inner, contains_self(ours) and contains_self(theirs))
    return result


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """The paths in `a` that are not in `b`. A path in `b` takes nothing below it away."""
    if not b:
        return a
    result: FieldSet = {}
    for element, ours in a.items():
        theirs = b.get(element)
        if theirs is None:
            result[element] = ours
        elif element != SELF:
            inner = difference(ours, theirs) if ours and theirs else ours
            _put(result, element, inner, contains_self(ours) and not contains_self(theirs))
    return result


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Every path of the set as messages show it, `.spec.containers[name="web"].image`; parents first, sorted."""
    nodes = [(prefix + _shown(element), node) for element, node in sorted(fields.items()) if element != SELF]
    yield from (path for path, node in nodes if contains_self(node))
    for path, node in nodes:
        yield from paths(node, path)


def is_field_set(value: object) -> bool:
    """Whether decoded JSON has the form of a set."""
    return isinstance(value, dict) and all(
        (element == SELF or element[:2] in ("f:", "k:", "v:", "i:")) and is_field_set(node)
        for element, node in value.items()
    )


def _put(result: FieldSet, element: str, inner: FieldSet, member: bool) -> None:
    """Add an element that is itself in the set or not, with what is below it."""
    below = {key: node for key, node in inner.items() if key != SELF}
    if below:
        result[element] = {SELF: {}, **below} if member else below
    elif member:
        result[element] = {}


def _shown(element: str) -> str:
    kind, _, text = element.partition(":")
    match kind:
        case "f":
            return f".{text}"
        case "k":
            keys: dict[str, object] = msgspec.json.decode(text)
            return "[" + ",".join(f"{name}={msgspec.json.encode(keys[name]).decode()}" for name in sorted(keys)) + "]"
        case "v":
            return f"[={text}]"
        case _:
            return f"[{text}]"
