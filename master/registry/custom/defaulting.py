"""Defaulting: absent fields get their schema's default. Pure; values are never changed.

A null where no null may be is an absent field: it is replaced by the default, or dropped where there is none.
Source: Kubernetes' documentation of defaulting and nullable.
"""

from __future__ import annotations

from typing import Any

from master.registry.custom.schema import MISSING, Structural


def defaulted(node: Structural, value: Any) -> Any:
    """``value`` with the defaults of everything below it, and without forbidden nulls."""
    if isinstance(value, dict):
        return _defaulted_map(node, value)
    if isinstance(value, list) and node.items is not None:
        items = [_item(node.items, item) for item in value]
        return value if all(old is new for old, new in zip(value, items, strict=True)) else items
    return value


def _defaulted_map(node: Structural, value: dict[str, Any]) -> dict[str, Any]:
    filled = value
    for name, inner in node.properties.items():
        given = value.get(name, MISSING)
        if given is MISSING or (given is None and not inner.nullable):
            if inner.default is not MISSING:
                filled = {**filled, name: defaulted(inner, inner.default)}
            elif given is None:
                filled = {other: item for other, item in filled.items() if other != name}
            continue
        new = defaulted(inner, given)
        if new is not given:
            filled = {**filled, name: new}
    return filled if node.additional is None else _defaulted_rest(node, node.additional, filled)


def _defaulted_rest(node: Structural, inner: Structural, value: dict[str, Any]) -> dict[str, Any]:
    """The members of a map that are no properties."""
    new = {name: item if name in node.properties else _item(inner, item) for name, item in value.items()}
    return value if all(new[name] is item for name, item in value.items()) else new


def _item(node: Structural, item: Any) -> Any:
    """An item of a list or map; what is null may not go, or the others would move."""
    if item is None and not node.nullable and node.default is not MISSING:
        return defaulted(node, node.default)
    return defaulted(node, item)
