"""What the generated types say about themselves beyond their Python types.

The generator writes `Merge` and `Format` into annotations; `fields_of` and `schema_of` read a type back as `Schema`s,
which lenient and strict decoding, patches, server-side apply and OpenAPI walk.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from timonel.api.struct import Struct


@dataclass(frozen=True, slots=True)
class Merge:
    """How a field merges, as the x-kubernetes-* extensions of its schema say.

    `list_type`, `map_type` and `keys` rule server-side apply; `strategy` and `merge_key` strategic merge patches.
    """

    list_type: Literal["atomic", "set", "map"] | None = None
    map_type: Literal["atomic", "granular"] | None = None
    keys: tuple[str, ...] = ()
    strategy: tuple[str, ...] = ()
    merge_key: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The OpenAPI format of a scalar; "micro-time" is a date-time with microseconds."""

    name: str


BASE64 = (
    r"^(?:[A-Za-z0-9+/]{1024})*+(?:[A-Za-z0-9+/]{4})*+"  # the first alone takes thirty times as long for large texts
    r"(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?\Z"
)
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1), Format("int32")]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1), Format("int64")]
Bytes = Annotated[str, msgspec.Meta(pattern=BASE64), Format("byte")]
"""Base64 text, as it is on the wire."""


class Shape(StrEnum):
    """The sorts of schemas."""

    STRUCT = "struct"
    LIST = "list"
    MAP = "map"
    SCALAR = "scalar"
    INT_OR_STRING = "int-or-string"
    UNION = "union"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Schema:
    """A type, taken apart one level deep: `fields_of(schema.type)` goes on where the shape is STRUCT."""

    shape: Shape
    type: Any
    """The Struct class, or the scalar's: str, bool, int, float or Quantity."""
    format: str = ""
    items: Schema | None = None
    """What a list or map holds."""
    choices: tuple[Schema, ...] = ()
    """What a union may be."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct, by its wire name and its Python attribute."""

    name: str
    attribute: str
    schema: Schema
    merge: Merge
    required: bool


_NO_MERGE = Merge()
_ANY = Schema(Shape.ANY, Any)
_RAW = Schema(Shape.ANY, msgspec.Raw)


@cache
def fields_of(struct: type[Struct]) -> Mapping[str, Field]:
    """The fields of a generated struct by wire name, in order."""
    hints = typing.get_type_hints(struct, include_extras=True)
    names = zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    return {
        wire: Field(
            wire, attribute, schema_of(hints[attribute]), _merge_of(hints[attribute]), wire in struct.required_fields
        )
        for attribute, wire in names
    }


def schema_of(annotation: Any) -> Schema:
    """The schema of a type annotation of a generated module, or of a generated struct."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        inner, *marks = typing.get_args(annotation)
        schema = schema_of(inner)
        formats = [mark.name for mark in marks if isinstance(mark, Format)]
        return replace(schema, format=formats[0]) if formats else schema
    if origin in (typing.Union, types.UnionType):
        return _union([arg for arg in typing.get_args(annotation) if arg is not type(None)])
    if origin is list:
        return Schema(Shape.LIST, list, items=schema_of(typing.get_args(annotation)[0]))
    if origin is dict:
        return Schema(Shape.MAP, dict, items=schema_of(typing.get_args(annotation)[1]))
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return Schema(Shape.STRUCT, annotation)
    if isinstance(annotation, type) and issubclass(annotation, str | int | float):
        return Schema(Shape.SCALAR, annotation)
    return _RAW if annotation is msgspec.Raw else _ANY


def _union(choices: list[Any]) -> Schema:
    if len(choices) == 1:
        return schema_of(choices[0])
    if {typing.get_args(choice)[0] if typing.get_origin(choice) is Annotated else choice for choice in choices} == {
        int,
        str,
    }:
        return Schema(Shape.INT_OR_STRING, str, format="int-or-string")
    if set(choices) == {int, float}:
        return Schema(Shape.SCALAR, float, format="double")
    return Schema(Shape.UNION, None, choices=tuple(schema_of(choice) for choice in choices))


def _merge_of(annotation: Any) -> Merge:
    marks = typing.get_args(annotation)[1:] if typing.get_origin(annotation) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Merge)), _NO_MERGE)
