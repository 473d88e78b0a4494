"""Which fields a value has, gains and loses, and how two values of one schema merge: server-side apply's arithmetic.

The rules are those of sigs.k8s.io/structured-merge-diff (packages typed and merge). Values are plain decoded JSON.
A value whose type is not the schema's counts as a leaf: decoding, not ownership, judges types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring
from typing import Any

import msgspec

from timonel.api.errors import BadRequest
from timonel.api.fieldpath import SELF, FieldSet, contains_self
from timonel.api.fields import quoted
from timonel.api.structural import LEAF, UNTYPED, ListMap, ListSet, Node, Record

MAX_PLANS = 64
"""For how many combinations of its members a record remembers what a new one owns."""

_ABSENT: Any = object()


def gained(node: Node, value: Any) -> FieldSet:
    """The set of a value that was not there before: the value itself and all that is in it."""
    if isinstance(node, Record):
        if value and isinstance(value, dict):
            return _gained_members(node, value)
    elif node is not LEAF and value and isinstance(value, list):
        if isinstance(node, ListMap):
            return _gained_items(node, value)
        return {SELF: {}, **{_valued(item): {} for item in value}}
    return {}


def _gained_items(node: ListMap, value: list[Any]) -> FieldSet:
    """`gained` of a list of maps. Most are all alike: one key, which is a string, and no more than leaves."""
    fields: FieldSet = {SELF: {}}
    child = node.element
    key, start = node.starts[0] if len(node.starts) == 1 else ("", "")
    plans = child.plans if isinstance(child, Record) else {}
    for item in value:
        if start and isinstance(item, dict) and isinstance(name := item.get(key), str):
            element = f"k:{{{start}{encode_basestring(name)}}}"
            plan = plans.get(tuple(item))
            fields[element] = plan[0] if plan and not plan[1] else gained(child, item)
        else:
            fields[_keyed(node, item)] = gained(child, item)
    return fields


def _gained_members(node: Record, value: dict[str, Any]) -> FieldSet:
    """Every create walks the whole object here. What does not depend on the values is remembered by the names."""
    names = tuple(value)
    plan = node.plans.get(names)
    if plan is None:
        plan = _plan(node, names)
        if len(node.plans) < MAX_PLANS and node.element is None:
            node.plans[names] = plan
    fields, inner = plan
    if inner:
        fields = fields.copy()
        for name, element, child in inner:
            fields[element] = gained(child, value[name])
    return fields


def _plan(node: Record, names: tuple[str, ...]) -> tuple[FieldSet, tuple[tuple[str, str, Node], ...]]:
    """The set of a record with these members as far as their names tell it, and the members that are no leaves."""
    members = list(_members(node, names))
    inner = tuple((name, element, child) for name, element, child in members if child is not LEAF)
    fields: FieldSet = {SELF: {}, **{element: {} for _, element, _ in members}}
    return fields, inner


def compare(node: Record, old: dict[str, Any], new: dict[str, Any]) -> tuple[FieldSet, FieldSet]:
    """What of `new` is added or changed, and what of `old` is removed."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    for name, element, child in _members(node, new):
        before, after = old.get(name, _ABSENT), new[name]
        if before is not after and before != after:
            _compare(child, element, before, after, changed, removed)
    for name, element, child in _members(node, old):
        if name not in new:
            removed[element] = gained(child, old[name])
    return changed, removed


def owned(node: Node, value: Any, path: str = "") -> FieldSet:
    """The set that applying `value` claims: leaves, items, entries of maps, maps given empty and what is given as null.

    Raises BadRequest for a field that the schema does not have and for list items without their keys.
    """
    if isinstance(node, Record) and isinstance(value, dict):
        claims: FieldSet = {}
        for name, item in value.items():
            declared = node.fields.get(name)
            if declared is None and node.element is None:
                raise BadRequest(f"{path}.{name}: field not declared in schema")
            element, child = declared or (f"f:{name}", node.element or UNTYPED)
            if item == [] and isinstance(child, ListMap | ListSet):
                continue
            claims[element] = owned(child, item, f"{path}.{name}")
            if declared is None and claims[element]:
                claims[element] = {SELF: {}} | claims[element]
        return claims
    if isinstance(node, ListMap | ListSet) and isinstance(value, list):
        return _owned_items(node, value, path)
    return {}


def undeclared(node: Node, value: Any, path: str = "") -> Iterator[str]:
    """What there is to say of each field of `value` that the schema does not have."""
    if isinstance(node, Record) and isinstance(value, dict):
        for name, item in value.items():
            if name not in node.fields and node.element is None:
                yield f"{path}.{name}: field not declared in schema"
            else:
                child = node.fields[name][1] if name in node.fields else node.element or UNTYPED
                yield from undeclared(child, item, f"{path}.{name}")
    elif isinstance(node, ListMap) and isinstance(value, list):
        for item in value:
            keys = item if isinstance(item, dict) else {}
            given = {key: keys.get(key, node.defaults.get(key)) for key in node.keys}
            shown = ",".join(f"{key}={msgspec.json.encode(found).decode()}" for key, found in given.items())
            yield from undeclared(node.element, item, f"{path}[{shown}]")


def merge(node: Node, live: Any, applied: Any) -> Any:
    """`live` with what `applied` says; nothing is removed, items of lists come in the order of `applied`.

    Takes lists that `owned` has accepted.
    """
    if isinstance(node, Record) and isinstance(live, dict):
        if applied is None:
            return live
        if isinstance(applied, dict):
            merged = dict(live)
            for name, _, child in _members(node, applied):
                item = applied[name]
                merged[name] = merge(child, live[name], item) if name in live else item
            return merged
    if isinstance(node, ListMap | ListSet) and isinstance(live, list):
        return live if applied is None else _merge_lists(node, live, applied)
    return applied


def prune(node: Node, value: Any, dropped: FieldSet, kept: FieldSet) -> Any:
    """`value` without what is in `dropped` and not in `kept`.

    A declared field of a struct counts as in a set as soon as anything below it is.
    """
    if isinstance(node, Record) and isinstance(value, dict):
        record: dict[str, Any] = {}
        for name, element, child in _members(node, value):
            item = _prune_member(child, value[name], dropped.get(element), kept.get(element), name in node.fields)
            if item is not _ABSENT:
                record[name] = item
        return record
    if isinstance(node, ListMap | ListSet) and isinstance(value, list):
        keyed = ((item, dropped.get(element), kept.get(element), child) for element, child, item in _items(node, value))
        items = (_prune_member(child, item, drop, keep, False) for item, drop, keep, child in keyed)
        return [item for item in items if item is not _ABSENT]
    return value


def _prune_member(child: Node, item: Any, drop: FieldSet | None, keep: FieldSet | None, declared: bool) -> Any:
    if drop is None:
        return item
    if (declared or contains_self(drop)) and (keep is None or not (declared or contains_self(keep))):
        return _ABSENT
    return prune(child, item, drop, keep or {})


def _members(node: Record, names: Iterable[str]) -> Iterator[tuple[str, str, Node]]:
    """The name, path element and node of each member."""
    fields, other = node.fields, node.element or UNTYPED
    for name in names:
        declared = fields.get(name)
        if declared is None:
            yield name, f"f:{name}", other
        else:
            yield name, declared[0], declared[1]


def _items(node: Node, value: list[Any]) -> Iterator[tuple[str, Node, Any]]:
    """The path element, node and value of each item."""
    if isinstance(node, ListMap):
        for item in value:
            yield _keyed(node, item), node.element, item
    else:
        for item in value:
            yield _valued(item), LEAF, item


def _keyed(node: ListMap, item: Any) -> str:
    """The path element of an item by those of its keys that it has or that have a default."""
    if not isinstance(item, dict):
        return _valued(item)
    if len(node.starts) == 1:
        key, start = node.starts[0]
        value = item.get(key)
        if isinstance(value, str):
            return f"k:{{{start}{encode_basestring(value)}}}"
    parts = []
    for key, start in node.starts:
        value = item.get(key, _ABSENT)
        if value is _ABSENT:
            value = node.defaults.get(key, _ABSENT)
            if value is _ABSENT:
                continue
        parts.append(start + (encode_basestring(value) if isinstance(value, str) else _json(value)))
    return "k:{" + ",".join(parts) + "}"


def _valued(item: Any) -> str:
    return "v:" + (encode_basestring(item) if isinstance(item, str) else _json(item))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _compare(node: Node, element: str, old: Any, new: Any, changed: FieldSet, removed: FieldSet) -> None:
    """Note under `element` how a value differs that is not the same in `old` and `new`."""
    if old is _ABSENT:
        changed[element] = gained(node, new)
        return
    if isinstance(node, Record) and isinstance(old, dict | None) and isinstance(new, dict | None):
        inner = compare(node, old or {}, new or {})
    elif isinstance(node, ListMap | ListSet) and isinstance(old, list | None) and isinstance(new, list | None):
        inner = _compare_lists(node, old or [], new or [])
    else:
        changed[element] = {}
        if isinstance(old, dict | list) and node is not LEAF:
            removed[element] = gained(node, old)
        return
    if inner[0]:
        changed[element] = inner[0]
    if inner[1]:
        removed[element] = inner[1]


def _compare_lists(node: Node, old: list[Any], new: list[Any]) -> tuple[FieldSet, FieldSet]:
    changed: FieldSet = {}
    removed: FieldSet = {}
    before = {element: (child, item) for element, child, item in _items(node, old)}
    for element, child, item in _items(node, new):
        known = before.pop(element, None)
        if known is None:
            if element not in changed:
                changed[element] = gained(child, item)
        elif known[1] != item:
            _compare(child, element, known[1], item, changed, removed)
    for element, (child, item) in before.items():
        removed[element] = gained(child, item)
    return changed, removed


def _owned_items(node: ListMap | ListSet, value: list[Any], path: str) -> FieldSet:
    claims: FieldSet = {}
    for number, item in enumerate(value):
        fault = _item_fault(node, item)
        if fault:
            raise BadRequest(f"{path}: element {number}: {fault}")
        element = _keyed(node, item) if isinstance(node, ListMap) else _valued(item)
        if element in claims:
            raise BadRequest(f"{path}: duplicate entries for key {element[2:]}")
        claim = owned(node.element, item, f"{path}[{number}]") if isinstance(node, ListMap) else {}
        claims[element] = {SELF: {}} | claim if claim else {}
    return claims


def _item_fault(node: ListMap | ListSet, item: Any) -> str:
    """Why the item cannot be told from others; empty when it can."""
    if isinstance(node, ListSet):
        return "items of a set must be scalars" if isinstance(item, dict | list | None) else ""
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    missing = [key for key in node.keys if key not in item and key not in node.defaults]
    if missing:
        return (
            f"associative list with keys has an element that omits key field {quoted(missing[0])} "
            "(and doesn't have default value)"
        )
    return ""


def _merge_lists(node: ListMap | ListSet, live: list[Any], applied: list[Any]) -> list[Any]:
    """Items of both: those only in `live` keep their places relative to the shared ones, others are as applied."""
    wanted = {element: (child, item) for element, child, item in _items(node, applied)}
    current: dict[str, Any] = {}
    for element, _, item in _items(node, live):
        current.setdefault(element, item)
    pending = list(wanted)
    shared = iter([element for element in pending if element in current])
    upcoming = next(shared, None)
    merged: list[Any] = []

    def take(element: str) -> None:
        child, item = wanted[element]
        merged.append(merge(child, current[element], item) if element in current else item)

    for element, _, item in _items(node, live):
        if element not in wanted:
            merged.append(item)
        elif element == upcoming:
            while pending[0] != element:
                take(pending.pop(0))
            take(pending.pop(0))
            upcoming = next(shared, None)
    for element in pending:
        take(element)
    return merged
