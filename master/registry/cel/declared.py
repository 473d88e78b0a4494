"""The types of a schema for checking expressions: protobuf messages, described on the fly.

Nothing is ever encoded by them: they are how the checker is told of fields, so that it can say which is undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from cel_expr_python import cel
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

from master.registry.cel.names import escaped, is_word
from master.registry.custom.schema import Structural

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "object"
_ANYTHING = ".google.protobuf.Value"
_DEPENDENCIES = (
    any_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
_STRINGS = {
    "date": (_Field.TYPE_MESSAGE, ".google.protobuf.Timestamp", cel.Type.TIMESTAMP),
    "date-time": (_Field.TYPE_MESSAGE, ".google.protobuf.Timestamp", cel.Type.TIMESTAMP),
    "duration": (_Field.TYPE_MESSAGE, ".google.protobuf.Duration", cel.Type.DURATION),
    "byte": (_Field.TYPE_BYTES, "", cel.Type.BYTES),
}
_SCALARS = {
    "integer": (_Field.TYPE_INT64, "", cel.Type.INT),
    "number": (_Field.TYPE_DOUBLE, "", cel.Type.DOUBLE),
    "boolean": (_Field.TYPE_BOOL, "", cel.Type.BOOL),
}
_RESERVED_NUMBERS = range(19_000, 20_000)


@dataclass(frozen=True, slots=True)
class Declared:
    """A schema's type, and the pool that explains it."""

    type: cel.Type
    pool: descriptor_pool.DescriptorPool | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type as a field has it and as a variable has it."""

    number: int
    name: str
    type: cel.Type
    repeated: bool = False
    values: _Kind | None = None
    """Of a map: what it holds."""


def declared(schema: Structural, *, is_object: bool) -> Declared:
    """The type of a schema's values; of whole objects (``is_object``) the head is known too."""
    return declared_together({"": schema}, is_object=is_object)[""]


def declared_together(schemas: Mapping[str, Structural], *, is_object: bool = False) -> dict[str, Declared]:
    """The types of several schemas' values, for variables of one environment."""
    builder = _Builder()
    kinds = {name: builder.kind(schema, is_object=is_object) for name, schema in schemas.items()}
    pool = descriptor_pool.DescriptorPool()
    for serialized in _dependencies():
        pool.AddSerializedFile(serialized)
    pool.Add(builder.file)
    return {name: Declared(kind.type if kind else cel.Type.DYN, pool) for name, kind in kinds.items()}


@cache
def _dependencies() -> tuple[bytes, ...]:
    return tuple(module.DESCRIPTOR.serialized_pb for module in _DEPENDENCIES)


class _Builder:
    """Collects the messages of one schema."""

    def __init__(self) -> None:
        self.file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package=_PACKAGE, syntax="proto2")
        self.file.dependency.extend(module.DESCRIPTOR.name for module in _DEPENDENCIES)

    def kind(self, node: Structural, *, is_object: bool = False) -> _Kind | None:
        """The type of a node; None where expressions cannot look at it."""
        if node.int_or_string:
            return _DYNAMIC
        match node.type:
            case "object" if is_object or node.embedded:
                return self._message(node, _with_head)
            case "object" if node.additional or node.any_additional:
                return self._map(node.additional)
            case "object":
                return self._message(node, _as_is)
            case "array" if node.items:
                return self._list(node.items)
            case "string":
                return _Kind(*_STRINGS.get(node.raw.get("format", ""), (_Field.TYPE_STRING, "", cel.Type.STRING)))
            case scalar if scalar in _SCALARS:
                return _Kind(*_SCALARS[scalar])
        return None

    def _message(self, node: Structural, properties: Callable[[Structural], dict[str, Structural]]) -> _Kind:
        message = self._new_message()
        number = 0
        for name, inner in properties(node).items():
            shown = escaped(name)
            kind = self.kind(inner) if shown else None
            if kind is None:
                continue
            for known in (shown, name) if is_word(name) else (shown,):
                number = _next(number)
                self._field(message, known or "", number, kind)
        return _Kind(_Field.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}", cel.Type(f"{_PACKAGE}.{message.name}"))

    def _new_message(self) -> descriptor_pb2.DescriptorProto:
        return self.file.message_type.add(name=f"Type{len(self.file.message_type)}")

    def _field(self, message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: _Kind) -> None:
        type_name = self._entry(message, name, kind.values) if kind.values else kind.name
        label = _Field.LABEL_REPEATED if kind.repeated else _Field.LABEL_OPTIONAL
        field = message.field.add(name=name, number=number, label=label, json_name=f"n{number}")
        field.type = kind.number  # type: ignore[assignment]  # an enum's value, as the table has it
        if type_name:
            field.type_name = type_name

    def _entry(self, message: descriptor_pb2.DescriptorProto, field: str, values: _Kind) -> str:
        """The message of a map's entries, which protobuf wants beside the field and named after it."""
        name = "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"
        if all(entry.name != name for entry in message.nested_type):
            entry = message.nested_type.add(name=name)
            entry.options.map_entry = True
            self._field(entry, "key", 1, _Kind(_Field.TYPE_STRING, "", cel.Type.STRING))
            self._field(entry, "value", 2, _DYNAMIC if values.repeated else values)
        return f".{_PACKAGE}.{message.name}.{name}"

    def _list(self, items: Structural) -> _Kind | None:
        inner = self.kind(items)
        if inner is None:
            return None
        if inner.repeated:  # protobuf has no lists of lists
            return _Kind(_Field.TYPE_MESSAGE, _ANYTHING, cel.Type.List(inner.type), repeated=True)
        return _Kind(inner.number, inner.name, cel.Type.List(inner.type), repeated=True)

    def _map(self, items: Structural | None) -> _Kind | None:
        inner = self.kind(items) if items else _DYNAMIC
        if inner is None:
            return None
        return _Kind(_Field.TYPE_MESSAGE, "", cel.Type.Map(cel.Type.STRING, inner.type), repeated=True, values=inner)


_DYNAMIC = _Kind(_Field.TYPE_MESSAGE, _ANYTHING, cel.Type.DYN)


def _next(number: int) -> int:
    return _RESERVED_NUMBERS.stop if number + 1 in _RESERVED_NUMBERS else number + 1


def _as_is(node: Structural) -> dict[str, Structural]:
    return node.properties


def _with_head(node: Structural) -> dict[str, Structural]:
    """A whole object's properties: of its metadata only the names can be looked at."""
    text = Structural({}, type="string")
    names = Structural({}, type="object", properties={"name": text, "generateName": text})
    return {**node.properties, "apiVersion": text, "kind": text, "metadata": names}
