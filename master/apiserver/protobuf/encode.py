"""From objects' JSON to Kubernetes' protobuf: one function a field, made once a type."""

import base64
import struct as packing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, cached_property, lru_cache
from typing import Any

import msgspec

from master.apiserver.protobuf.layout import MAGIC, Layout, Slot, layout_of, struct_of, union_number
from master.apiserver.protobuf.wire import BYTES, FIXED64, SMALL, VARINT, string, submessage, varint_bytes
from timonel.api.gvk import GVK
from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape
from timonel.api.struct import Struct

KEPT = 1024
"""How many objects of events are kept in protobuf, as one is often sent to many watchers."""
KEPT_BYTES = 16 * 1024
"""No larger object is kept."""

_MASK = (1 << 64) - 1

Writer = Callable[[Any], bytes]
"""Writes a field that is there: its tag and its value."""


class _Message:
    """Writes objects of one type."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.embedded = [(number, _Message(inner)) for number, inner in layout.embedded.items()]

    @cached_property
    def fields(self) -> dict[str, Writer]:
        """By name; made when they are needed, as types may hold themselves."""
        return {slot.name: _slot_writer(slot) for slot in self._layout.slots}

    def content(self, value: Mapping[str, Any]) -> bytes:
        fields = self.fields
        parts = [fields[name](part) for name, part in value.items() if part is not None and name in fields]
        for number, message in self.embedded:
            if inner := message.content(value):
                parts.append(submessage(number, inner))
        return b"".join(parts)


def from_json(raw: bytes) -> bytes:
    """An object's JSON, whose kind must be one with a protobuf form, as protobuf in Kubernetes' envelope."""
    value = msgspec.json.decode(raw)
    api_version, kind = value.get("apiVersion", ""), value["kind"]
    return _enveloped(api_version, kind, _message(_struct(api_version, kind)).content(value))


def listing(gvk: GVK, items: Iterable[bytes], list_meta: Mapping[str, Any]) -> bytes:
    """A list, of the kind `gvk`, of objects given as JSON."""
    slots = {slot.name: slot for slot in layout_of(_struct(gvk.api_version, gvk.kind)).slots}
    metadata, member = slots["metadata"], slots["items"]
    assert member.schema.items is not None
    content, decode = _message(member.schema.items.type).content, msgspec.json.decode
    parts = [submessage(metadata.number, _message(metadata.schema.type).content(list_meta))]
    parts += [submessage(member.number, content(decode(item))) for item in items]
    return _enveloped(gvk.api_version, gvk.kind, b"".join(parts))


def event(kind: str, raw: bytes) -> bytes:
    """A watch's event, about an object given as JSON, with its length before it."""
    content = _kept(raw) if len(raw) <= KEPT_BYTES else from_json(raw)
    message = string(1, kind) + submessage(2, submessage(1, content))
    return len(message).to_bytes(4, "big") + message


_kept = lru_cache(KEPT)(from_json)


def _enveloped(api_version: str, kind: str, content: bytes) -> bytes:
    type_meta = submessage(1, string(1, api_version) + string(2, kind))
    return b"".join((MAGIC, type_meta, submessage(2, content)))


def _struct(api_version: str, kind: str) -> type[Struct]:
    found = struct_of(api_version, kind)
    if found is None:
        raise LookupError(f"{api_version} {kind} has no protobuf form")
    return found


@cache
def _message(struct: type[Struct]) -> _Message:
    return _Message(layout_of(struct))


def _slot_writer(slot: Slot) -> Writer:
    items, number = slot.schema.items, slot.number
    if slot.schema.shape is Shape.LIST and items is not None:
        return _list_message(number, items) if slot.is_list_message else _repeated(number, items)
    if slot.schema.shape is Shape.MAP and items is not None:
        return _map(number, items)
    return _writer(number, slot.schema)


def _writer(number: int, schema: Schema) -> Writer:
    """Writes a single value."""
    match schema.shape:
        case Shape.STRUCT:
            return _delimited(number, _message(schema.type).content)
        case Shape.SCALAR:
            return _scalar(number, schema)
        case Shape.INT_OR_STRING:
            return _delimited(number, _int_or_string)
        case Shape.UNION:
            return _union(number, schema)
        case Shape.LIST if schema.items is not None:
            return _list_message(number, schema.items)
    return _delimited(number, lambda value: submessage(1, msgspec.json.encode(value)))


def _scalar(number: int, schema: Schema) -> Writer:
    if schema.format in ("date-time", "micro-time"):
        return _delimited(number, _time)
    if schema.format == "byte":
        return _delimited(number, base64.b64decode)
    if schema.type is Quantity:
        return _delimited(number, lambda value: string(1, str(value)))
    if schema.type is str:
        return _delimited(number, str.encode)
    if schema.type is float:
        head = varint_bytes(number << 3 | FIXED64)
        return lambda value: head + packing.pack("<d", value)
    tag = varint_bytes(number << 3 | VARINT)
    return lambda value: tag + varint_bytes(value & _MASK)


def _delimited(number: int, content: Callable[[Any], bytes]) -> Writer:
    """Writes what `content` makes of a value with its length before it."""
    tag, small = varint_bytes(number << 3 | BYTES), len(SMALL)

    def write(value: Any) -> bytes:
        data = content(value)
        size = len(data)
        return tag + (SMALL[size] if size < small else varint_bytes(size)) + data  # nearly all time is spent here

    return write


def _repeated(number: int, items: Schema) -> Writer:
    write = _writer(number, items)
    return lambda values: b"".join([write(value) for value in values])


def _list_message(number: int, items: Schema) -> Writer:
    return _delimited(number, _repeated(1, items))


def _map(number: int, items: Schema) -> Writer:
    tag = varint_bytes(number << 3 | BYTES)
    write_key, write_value = _delimited(1, str.encode), _writer(2, items)

    def write(entries: Mapping[str, Any]) -> bytes:
        parts = []
        for key, value in entries.items():
            entry = write_key(key) + write_value(value)
            parts.append(tag + varint_bytes(len(entry)) + entry)
        return b"".join(parts)

    return write


def _union(number: int, schema: Schema) -> Writer:
    """An object, a list or a boolean; where a boolean is possible, an object counts as true."""
    by_type: dict[type, Writer] = {}
    for choice in schema.choices:
        inner = Slot("", union_number(schema, choice), choice)
        by_type[dict if choice.shape is Shape.STRUCT else choice.type] = _slot_writer(inner)
    allowed = by_type[bool](True) if bool in by_type else b""
    return _delimited(number, lambda value: (allowed if isinstance(value, dict) else b"") + by_type[type(value)](value))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01" + string(3, value)
    return b"\x08\x00\x10" + varint_bytes(value & _MASK)


def _time(value: str) -> bytes:
    """A timestamp, in seconds and nanoseconds."""
    moment = datetime.fromisoformat(value)
    return b"\x08%b\x10%b" % (
        varint_bytes(int(moment.timestamp() // 1) & _MASK),
        varint_bytes(moment.microsecond * 1000),
    )
