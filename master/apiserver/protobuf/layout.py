"""How types lie in protobuf: the Structs' fields with the numbers of the generated table."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from master.apiserver.protobuf import forms
from master.apiserver.protobuf.numbers import NUMBERS
from timonel.api import scheme
from timonel.api.gvk import GVK
from timonel.api.schema import Schema, Shape, fields_of
from timonel.api.struct import Struct
from timonel.api.types import meta_v1

MAGIC = b"k8s\x00"
"""What every object begins with; an envelope of type and content follows."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a field of the JSON object lies in the message."""

    name: str
    number: int
    schema: Schema
    drops_zero: bool = False
    """Whether zero stands for absence."""
    is_list_message: bool = False
    """Whether it is a list that lies in a message of its own."""


@dataclass(slots=True)
class Layout:
    """A message: its slots, and by number the messages that hold further fields of the same JSON object."""

    slots: list[Slot] = field(default_factory=list)
    embedded: dict[int, "Layout"] = field(default_factory=dict)


def struct_of(api_version: str, kind: str) -> type[Struct] | None:
    """The Struct of a kind, None when it has no protobuf form. DeleteOptions are of every group."""
    if kind == "DeleteOptions":
        return meta_v1.DeleteOptions
    gvk = GVK.parse(api_version or "v1", kind)
    return forms.FORMS.get(kind) if gvk.group == forms.GROUP else scheme.lookup(gvk)


@cache
def layout_of(struct: type[Struct]) -> Layout:
    """The layout of a type."""
    prefix = getattr(sys.modules[struct.__module__], "SCHEMA_PREFIX", "")
    return _layout(struct, f"{prefix}.{struct.__name__}")


def union_number(schema: Schema, choice: Schema) -> int:
    """The number of a choice in the message that a union is: first a boolean, then an object, then a list.

    The unions are those of CustomResourceDefinitions' schemas; the sources of the table give them no JSON names.
    """
    return 2 if choice.shape is Shape.LIST or any(c.type is bool for c in schema.choices if c is not choice) else 1


def _layout(struct: type[Struct], type_name: str) -> Layout:
    fields, layout = fields_of(struct), Layout()
    for name, number, mark in _pairs(type_name):
        if name.startswith("+"):
            layout.embedded[number] = _layout(struct, name[1:])
        elif name in fields:
            layout.slots.append(Slot(name, number, fields[name].schema, mark == "-", mark == "*"))
    return layout


@cache
def _table() -> Mapping[str, str]:
    return {name: pairs for name, _, pairs in (line.partition(" ") for line in NUMBERS.splitlines())}


def _pairs(type_name: str) -> Iterator[tuple[str, int, str]]:
    for pair in _table()[type_name].split():
        name, _, number = pair.rpartition("=")
        digits = number.rstrip("-!*")
        yield name, int(digits), number[len(digits) :]
