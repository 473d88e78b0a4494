"""From Kubernetes' protobuf to objects' JSON: one function a field, made once a type."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

import msgspec

from master.apiserver.protobuf import wire
from master.apiserver.protobuf.layout import MAGIC, Layout, Slot, layout_of, struct_of, union_number
from master.apiserver.protobuf.wire import Malformed, Value
from timonel.api import parse, time
from timonel.api.errors import BadRequest
from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape
from timonel.api.struct import Struct

MAX_DEPTH = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Reader = Callable[[Value, int], Any]
"""Makes JSON of a value that is so deep in its object."""
Put = Callable[[dict[str, Any], Value, int], None]
"""Sets a field of a JSON object from a value."""


def to_json(body: bytes) -> bytes:
    """A body in Kubernetes' envelope as the JSON that it stands for.

    Raises:
        BadRequest: it is malformed, or of a kind that has no protobuf form here.
    """
    if not body.startswith(MAGIC):
        raise BadRequest("provided data does not appear to be a protobuf message, expected prefix 'k8s'")
    try:
        envelope = dict(wire.values(body[len(MAGIC) :]))
        type_meta = dict(wire.values(_bytes(envelope.get(1, b""))))
        api_version, kind = (_bytes(type_meta.get(number, b"")).decode() for number in (1, 2))
        struct = struct_of(api_version, kind)
        if struct is None:
            raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}"')
        document = _message(struct).read(envelope.get(2, b""), 0)
    except (Malformed, ValueError) as error:
        raise BadRequest(f"the object provided is unrecognized: protobuf parse error: {error}") from None
    return msgspec.json.encode({"kind": kind, "apiVersion": api_version} | document)


class _Message:
    """Reads messages of one type."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @cached_property
    def fields(self) -> dict[int, Put]:
        """By number; made when they are needed, as types may hold themselves."""
        found = {slot.number: _put(slot) for slot in self._layout.slots}
        return found | {number: _put_embedded(_Message(inner)) for number, inner in self._layout.embedded.items()}

    def read(self, data: Value, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise Malformed(f"the object nests deeper than {MAX_DEPTH} levels")
        result: dict[str, Any] = {}
        fields = self.fields
        for number, value in wire.values(_bytes(data)):
            if number in fields:
                fields[number](result, value, depth + 1)
        return result


@cache
def _message(struct: type[Struct]) -> _Message:
    return _Message(layout_of(struct))


def _put(slot: Slot) -> Put:
    name, items = slot.name, slot.schema.items
    if slot.schema.shape is Shape.LIST and items is not None and not slot.is_list_message:
        return _put_repeated(name, items)
    if slot.schema.shape is Shape.MAP and items is not None:
        return _put_entry(name, items)
    read, drops_zero = _reader(slot.schema), slot.drops_zero

    def put(result: dict[str, Any], value: Value, depth: int) -> None:
        found = read(value, depth)
        if found is not None and (found or not drops_zero):
            result[name] = found

    return put


def _put_embedded(message: _Message) -> Put:
    def put(result: dict[str, Any], value: Value, depth: int) -> None:
        result |= message.read(value, depth)

    return put


def _put_repeated(name: str, items: Schema) -> Put:
    """Lists come one item at a time, but whole numbers may come packed."""
    read, packs = _reader(items), items.type is int

    def put(result: dict[str, Any], value: Value, depth: int) -> None:
        found = result.setdefault(name, [])
        if packs and isinstance(value, bytes):
            found.extend(wire.signed(number) for number in wire.packed(value))
        else:
            found.append(read(value, depth))

    return put


def _put_entry(name: str, items: Schema) -> Put:
    """Maps come one entry at a time."""
    read = _reader(items)

    def put(result: dict[str, Any], value: Value, depth: int) -> None:
        entry = dict(wire.values(_bytes(value)))
        result.setdefault(name, {})[_text(entry.get(1, b""), depth)] = read(entry.get(2, b""), depth)

    return put


def _reader(schema: Schema) -> Reader:
    match schema.shape:
        case Shape.STRUCT:
            return _message(schema.type).read
        case Shape.SCALAR:
            return _scalar(schema)
        case Shape.INT_OR_STRING:
            return _int_or_string
        case Shape.UNION:
            return _union(schema)
        case Shape.LIST if schema.items is not None:
            read = _reader(schema.items)
            return lambda value, depth: [read(item, depth) for _, item in wire.values(_bytes(value))]
    return _raw_json


def _union(schema: Schema) -> Reader:
    """What a union is, an object rather than the boolean beside it; nothing at all is an empty list."""
    message = _Message(Layout([Slot(each.shape, union_number(schema, each), each) for each in schema.choices]))

    def read(value: Value, depth: int) -> Any:
        found = message.read(value, depth)
        return found.get(Shape.STRUCT, next(iter(found.values()), []))

    return read


def _scalar(schema: Schema) -> Reader:
    match schema.format:
        case "date-time":
            return lambda value, depth: _time(_bytes(value), micro=False)
        case "micro-time":
            return lambda value, depth: _time(_bytes(value), micro=True)
        case "byte":
            return lambda value, depth: base64.b64encode(_bytes(value)).decode()
    if schema.type is Quantity:
        return lambda value, depth: _text(dict(wire.values(_bytes(value))).get(1, b"0"), depth)
    if schema.type is str:
        return _text
    if schema.type is bool:
        return lambda value, depth: bool(value)
    return _number


def _number(value: Value, depth: int) -> int | float:
    if isinstance(value, bytes):
        raise Malformed("a number is expected")
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return wire.signed(value)


def _text(value: Value, depth: int) -> str:
    return _bytes(value).decode()


def _time(message: bytes, *, micro: bool) -> str | None:
    """A Time or MicroTime; an empty message is Go's zero time, null in JSON."""
    parts = dict(wire.values(message))
    if not parts:
        return None
    seconds, nanos = _int(parts.get(1, 0)), _int(parts.get(2, 0))
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        raise Malformed("a time is out of range") from None
    return time.micro_text(moment) if micro else time.text(moment)


def _int_or_string(value: Value, depth: int) -> int | str:
    parts = dict(wire.values(_bytes(value)))
    return _bytes(parts.get(3, b"")).decode() if parts.get(1) else _int(parts.get(2, 0))


def _raw_json(value: Value, depth: int) -> Any:
    """RawExtension, FieldsV1 and the like: a message whose first field is JSON text."""
    raw = _bytes(dict(wire.values(_bytes(value))).get(1, b"null"))
    parse.check_depth(raw)
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise Malformed(f"embedded JSON: {error}") from None


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("a string or message is expected")
    return value


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise Malformed("a whole number is expected")
    return wire.signed(value)
