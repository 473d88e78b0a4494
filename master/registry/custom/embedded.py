"""The metadata of objects inside objects: what ObjectMeta has no field for is dropped, as in a whole object's."""

from __future__ import annotations

from typing import Any

from master.registry.custom.schema import Structural
from timonel.api import codec
from timonel.api.errors import BadRequest
from timonel.api.types.meta_v1 import ObjectMeta


def coerced(node: Structural, value: Any) -> Any:
    """``value`` with the metadata of embedded objects in order; what cannot be metadata is left for validation."""
    if isinstance(value, list) and node.items is not None:
        items = [coerced(node.items, item) for item in value]
        return value if all(old is new for old, new in zip(value, items, strict=True)) else items
    if not isinstance(value, dict):
        return value
    changed = {}
    for name, item in value.items():
        inner = node.properties.get(name) or node.additional
        new = coerced(inner, item) if inner is not None else item
        if new is not item:
            changed[name] = new
    if node.embedded and "metadata" in value:
        changed["metadata"] = _metadata(value["metadata"])
    return {**value, **changed} if changed else value


def _metadata(value: Any) -> Any:
    try:
        return codec.to_dict(codec.convert(ObjectMeta, value))
    except BadRequest:
        return value
