"""What of an object can be owned apart: its type as a tree of nodes, for field ownership and server-side apply.

A node says whether a value is owned as a whole (`Leaf`) or member by member, item by item. The tree is compiled from
a Struct's fields, once a type; nothing in it depends on Structs, so that it can be made from other schemas too.
The rules are those of sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from timonel.api.schema import Merge, Schema, Shape, fields_of
from timonel.api.struct import Struct


@dataclass(slots=True, eq=False)
class Leaf:
    """A scalar, or an atomic list or map: has one owner and is replaced as a whole."""


@dataclass(slots=True, eq=False)
class Record:
    """A struct or a granular map: its members are owned one by one."""

    fields: dict[str, tuple[str, Node]] = field(default_factory=dict)
    """Declared members by name: their path element and node."""
    element: Node | None = None
    """The node of members that are not declared; None where there must be none."""
    resets_status: bool = True
    """Of a kind's root: whether the status is written apart, so that writes of the main resource never own it."""
    plans: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)
    """What `fieldwalk` remembers of the record."""


@dataclass(slots=True, eq=False)
class ListMap:
    """A list whose items are told apart by the values of `keys`, which are sorted."""

    keys: tuple[str, ...]
    defaults: dict[str, Any]
    element: Node
    starts: tuple[tuple[str, str], ...] = ()
    """Each key with the text before its value in a path element; made from `keys`."""

    def __post_init__(self) -> None:
        self.starts = tuple((key, f'"{key}":') for key in self.keys)


@dataclass(slots=True, eq=False)
class ListSet:
    """A list of scalars, each there at most once."""


Node: TypeAlias = Leaf | Record | ListMap | ListSet

LEAF = Leaf()
LIST_SET = ListSet()
UNTYPED = Record()
"""Anything: where it is a map it is granular, where it is a list it is atomic."""
UNTYPED.element = UNTYPED

_KEY_DEFAULTS = {
    "ContainerPort": {"protocol": "TCP"},
    "ServicePort": {"protocol": "TCP"},
    "LocalObjectReference": {"name": ""},
}
"""Defaults of optional list keys. The JSON schemas that the types are generated from do not carry them."""

_NO_MERGE = Merge()
_RECORDS: dict[type[Struct], Record] = {}


def tree_of(struct: type[Struct]) -> Record:
    """The tree of a Struct type, the same at every call. A type may contain itself, and then so does its tree."""
    record = _RECORDS.get(struct)
    if record is None:
        record = _RECORDS[struct] = Record()
        for name, declared in fields_of(struct).items():
            record.fields[name] = (f"f:{name}", _node(declared.schema, declared.merge))
    return record


def _node(schema: Schema, merge: Merge) -> Node:
    match schema.shape:
        case Shape.STRUCT:
            atomic = schema.type.map_atomic or merge.map_type == "atomic"
            return LEAF if atomic else tree_of(schema.type)
        case Shape.MAP if merge.map_type != "atomic":
            return Record(element=_node(schema.items, _NO_MERGE) if schema.items else UNTYPED)
        case Shape.LIST if merge.list_type == "set":
            return LIST_SET
        case Shape.LIST if merge.list_type == "map" and schema.items:
            defaults = _KEY_DEFAULTS.get(schema.items.type.__name__, {})
            return ListMap(tuple(sorted(merge.keys)), defaults, _node(schema.items, _NO_MERGE))
        case Shape.UNION:
            structs = [choice for choice in schema.choices if choice.shape is Shape.STRUCT]
            return _node(structs[0], merge) if structs else LEAF
        case Shape.ANY:
            return UNTYPED
        case _:
            return LEAF
