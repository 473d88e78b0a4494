"""The structural schemas of built-in kinds, made from their Structs, so that expressions about them can be checked."""

from __future__ import annotations

from typing import Any

from master.registry.custom.schema import Structural
from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape, fields_of
from timonel.api.struct import Struct

_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}


def structural_of(struct: type[Struct], within: tuple[type[Any], ...] = ()) -> Structural:
    """The schema of a Struct; what is inside of itself is left open.

    Args:
        within: the Structs that this one is a part of.
    """
    if struct in within:
        return _open()
    inner = (*within, struct)
    properties = {name: _node(field.schema, inner) for name, field in fields_of(struct).items()}
    return Structural({}, type="object", properties=properties)


def _node(schema: Schema, within: tuple[type[Any], ...]) -> Structural:
    match schema.shape:
        case Shape.STRUCT:
            return structural_of(schema.type, within)
        case Shape.LIST if schema.items:
            return Structural({}, type="array", items=_node(schema.items, within))
        case Shape.MAP if schema.items:
            return Structural({}, type="object", additional=_node(schema.items, within))
        case Shape.SCALAR if schema.type in _SCALARS:
            raw = {"format": schema.format} if schema.format else {}
            return Structural(raw, type=_SCALARS[schema.type])
        case Shape.SCALAR if schema.type is not Quantity:
            return Structural({"format": "date-time"}, type="string")
    return _open()


def _open() -> Structural:
    """Anything; a quantity too, which may be written as a number."""
    return Structural({}, int_or_string=True)
