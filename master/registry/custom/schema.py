"""A structural schema: what a definition's OpenAPI schema says of the shape of values, compiled once.

Source: Kubernetes' apiextensions-apiserver, package schema; documentation of structural schemas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from timonel.api.structural import LEAF, LIST_SET, UNTYPED, ListMap, Node, Record, tree_of
from timonel.api.types.meta_v1 import ObjectMeta

Document = dict[str, Any]


class _Missing:
    """The default of a schema without a default: null is a value."""


MISSING: Final = _Missing()


@dataclass(slots=True, eq=False)
class Structural:
    """One node. ``raw`` is the schema as JSON, which holds what is asked of values beyond their shape."""

    raw: Document
    type: str = ""
    """Empty for an int-or-string and where unknown fields are preserved."""
    properties: dict[str, Structural] = field(default_factory=dict)
    additional: Structural | None = None
    """What a map holds."""
    any_additional: bool = False
    """Whether a map may hold anything."""
    items: Structural | None = None
    default: Any = MISSING
    nullable: bool = False
    preserves: bool = False
    """Whether unknown fields are kept."""
    embedded: bool = False
    """Whether values are whole objects, with apiVersion, kind and metadata."""
    int_or_string: bool = False
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    atomic_map: bool = False
    has_defaults: bool = False
    """Whether this node or one below has a default."""
    has_rules: bool = False
    """Whether this node or one below has CEL rules."""

    @property
    def rules(self) -> list[Document]:
        """The node's own CEL rules."""
        found: list[Document] = self.raw.get("x-kubernetes-validations") or []
        return found


def compiled(raw: Document) -> Structural:
    """The node of a schema; what is not structural in it is left aside."""
    additional = raw.get("additionalProperties")
    items = raw.get("items")
    node = Structural(
        raw=raw,
        type=raw.get("type", ""),
        properties={name: compiled(inner) for name, inner in (raw.get("properties") or {}).items()},
        additional=compiled(additional) if isinstance(additional, dict) else None,
        any_additional=additional is True,
        items=compiled(items) if isinstance(items, dict) else None,
        default=raw.get("default", MISSING),
        nullable=bool(raw.get("nullable")),
        preserves=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(raw.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(raw.get("x-kubernetes-int-or-string")),
        list_type=raw.get("x-kubernetes-list-type") or "atomic",
        list_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
        atomic_map=raw.get("x-kubernetes-map-type") == "atomic",
    )
    below = [*node.properties.values(), *(inner for inner in (node.additional, node.items) if inner)]
    node.has_defaults = node.default is not MISSING or any(inner.has_defaults for inner in below)
    node.has_rules = bool(node.rules) or any(inner.has_rules for inner in below)
    return node


def tree(root: Structural, *, has_status: bool) -> Record:
    """What of the objects of a root schema can be owned apart; the status by itself where it is a subresource."""
    record = Record(resets_status=has_status)
    _fill(record, root)
    _fill_head(record)
    return record


def _fill(record: Record, node: Structural) -> None:
    record.fields = {name: (f"f:{name}", _node(inner)) for name, inner in node.properties.items()}
    if node.additional:
        record.element = _node(node.additional)
    elif node.preserves or node.any_additional:
        record.element = UNTYPED


def _fill_head(record: Record) -> None:
    """The members that every object has."""
    record.fields |= {
        "apiVersion": ("f:apiVersion", LEAF),
        "kind": ("f:kind", LEAF),
        "metadata": ("f:metadata", tree_of(ObjectMeta)),
    }


def _node(node: Structural) -> Node:
    if node.type == "array" and node.items:
        return _list(node, node.items)
    is_map = node.type == "object" or (not node.type and node.preserves)
    holds = node.properties or node.additional or node.any_additional or node.preserves or node.embedded
    if not is_map or not holds or node.atomic_map:
        return LEAF
    record = Record()
    _fill(record, node)
    if node.embedded:
        _fill_head(record)
    return record


def _list(node: Structural, items: Structural) -> Node:
    if node.list_type == "set":
        return LIST_SET
    if node.list_type != "map":
        return LEAF
    defaults = {key: items.properties[key].default for key in node.list_keys if key in items.properties}
    given = {key: value for key, value in defaults.items() if value is not MISSING}
    return ListMap(tuple(sorted(node.list_keys)), given, _node(items))
