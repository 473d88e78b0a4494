"""Pruning: what a schema does not know is dropped. Pure; values are never changed, unchanged ones are given back as is.

Source: Kubernetes' documentation of field pruning; an embedded object keeps apiVersion, kind and metadata.
"""

from __future__ import annotations

from typing import Any

from master.registry.custom.schema import Structural
from timonel.api.schema import fields_of
from timonel.api.types.meta_v1 import ObjectMeta

HEAD = frozenset({"apiVersion", "kind", "metadata"})


def pruned(
    node: Structural, value: Any, *, root: bool = False, path: str = "", dropped: list[str] | None = None
) -> Any:
    """``value`` without unknown fields; their paths are added to ``dropped`` where given.

    So are those in the metadata of embedded objects, which `embedded.coerced` drops.
    """
    if isinstance(value, dict):
        return _pruned_map(node, value, root or node.embedded, path, dropped)
    if isinstance(value, list) and node.items is not None:
        items = [pruned(node.items, item, path=f"{path}[{index}]", dropped=dropped) for index, item in enumerate(value)]
        return _same_or(value, items)
    return value


def _pruned_map(node: Structural, value: dict[str, Any], is_object: bool, path: str, dropped: list[str] | None) -> Any:
    kept: dict[str, Any] = {}
    changed = False
    for name, item in value.items():
        at = f"{path}.{name}" if path else name
        known = node.properties.get(name) or node.additional
        if is_object and name in HEAD:
            new = item
            if dropped is not None and node.embedded and name == "metadata" and isinstance(item, dict):
                dropped.extend(f"{at}.{key}" for key in item if key not in fields_of(ObjectMeta))
        elif known is not None:
            new = pruned(known, item, path=at, dropped=dropped)
        elif node.preserves or node.any_additional:
            new = item
        else:
            changed = True
            if dropped is not None:
                dropped.append(at)
            continue
        changed = changed or new is not item
        kept[name] = new
    return kept if changed else value


def _same_or(old: list[Any], new: list[Any]) -> list[Any]:
    return old if all(before is after for before, after in zip(old, new, strict=True)) else new
