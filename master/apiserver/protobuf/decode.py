"""From Kubernetes' protobuf to JSON values, by the types' layouts."""

import base64
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from master.apiserver.protobuf import wire
from master.apiserver.protobuf.layout import MAGIC, Layout, Slot, layout_of, struct_of, union_number
from master.apiserver.protobuf.wire import Malformed, Value
from timonel.api import time
from timonel.api.errors import BadRequest
from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape
from timonel.api.struct import Struct

MAX_DEPTH = 100


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
        document = _message(_plan(struct), _bytes(envelope.get(2, b"")), 0)
    except (Malformed, ValueError) as error:
        raise BadRequest(f"the object provided is unrecognized: protobuf parse error: {error}") from None
    return msgspec.json.encode({"kind": kind, "apiVersion": api_version} | document)


class _Plan(dict[int, "Slot | _Plan"]):
    """How to read a message: by number, a slot or the plan of a message whose fields are this one's in JSON."""


@cache
def _plan(struct: type[Struct]) -> _Plan:
    return _made(layout_of(struct))


def _made(layout: Layout) -> _Plan:
    plan = _Plan({slot.number: slot for slot in layout.slots})
    plan.update({number: _made(inner) for number, inner in layout.embedded.items()})
    return plan


def _message(plan: _Plan, data: bytes, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise Malformed(f"the object nests deeper than {MAX_DEPTH} levels")
    result: dict[str, Any] = {}
    for number, value in wire.values(data):
        slot = plan.get(number)
        if isinstance(slot, _Plan):
            result |= _message(slot, _bytes(value), depth + 1)
        elif slot is not None:
            _put(result, slot, value, depth)
    return result


def _put(result: dict[str, Any], slot: Slot, value: Value, depth: int) -> None:
    """Set a field; lists and maps come one entry at a time."""
    name, schema = slot.name, slot.schema
    if schema.shape is Shape.LIST and schema.items is not None and not slot.is_list_message:
        items = result.setdefault(name, [])
        if isinstance(value, bytes) and schema.items.type is int:
            items.extend(wire.signed(number) for number in wire.packed(value))
        else:
            items.append(_read(schema.items, value, depth))
    elif schema.shape is Shape.MAP and schema.items is not None:
        entry = dict(wire.values(_bytes(value)))
        key = _bytes(entry.get(1, b"")).decode()
        result.setdefault(name, {})[key] = _read(schema.items, entry.get(2, b""), depth)
    else:
        read = _read(schema, value, depth)
        if read is not None and (read or not slot.drops_zero):
            result[name] = read


def _read(schema: Schema, value: Value, depth: int) -> Any:
    match schema.shape:
        case Shape.STRUCT:
            return _message(_plan(schema.type), _bytes(value), depth + 1)
        case Shape.SCALAR:
            return _scalar(schema, value)
        case Shape.INT_OR_STRING:
            return _int_or_string(_bytes(value))
        case Shape.UNION:
            return _union(schema, _bytes(value), depth)
        case Shape.LIST if schema.items is not None:
            return [_read(schema.items, item, depth + 1) for _, item in wire.values(_bytes(value))]
    return _raw_json(_bytes(value))


def _union(schema: Schema, message: bytes, depth: int) -> Any:
    """What a union is, an object rather than the boolean beside it; nothing at all is an empty list."""
    slots = [Slot("", union_number(schema, choice), choice) for choice in schema.choices]
    found: dict[str, Any] = {}
    for number, value in wire.values(message):
        for slot in slots:
            if slot.number == number and not isinstance(found.get(""), dict):
                _put(found, slot, value, depth + 1)
    return found.get("", [])


def _scalar(schema: Schema, value: Value) -> Any:
    if schema.format in ("date-time", "micro-time"):
        return _time(_bytes(value), micro=schema.format == "micro-time")
    if schema.format == "byte":
        return base64.b64encode(_bytes(value)).decode()
    if schema.type is Quantity:
        return _bytes(dict(wire.values(_bytes(value))).get(1, b"0")).decode()
    if schema.type is str:
        return _bytes(value).decode()
    if schema.type is bool:
        return bool(value)
    if isinstance(value, bytes):
        raise Malformed("a number is expected")
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return wire.signed(value)


def _time(message: bytes, *, micro: bool) -> str | None:
    """A Time or MicroTime; an empty message is Go's zero time, null in JSON."""
    parts = dict(wire.values(message))
    if not parts:
        return None
    moment = datetime.fromtimestamp(_int(parts.get(1, 0)) + _int(parts.get(2, 0)) // 1000 / 1e6, UTC)
    return time.micro_text(moment) if micro else time.text(moment)


def _int_or_string(message: bytes) -> int | str:
    parts = dict(wire.values(message))
    return _bytes(parts.get(3, b"")).decode() if parts.get(1) else _int(parts.get(2, 0))


def _raw_json(message: bytes) -> Any:
    """RawExtension, FieldsV1 and the like: a message whose first field is JSON text."""
    raw = _bytes(dict(wire.values(message)).get(1, b"null"))
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
