"""From Kubernetes' protobuf to JSON values, by the Structs' fields and the table of field numbers."""

import base64
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec

from master.apiserver.protobuf import wire
from master.apiserver.protobuf.numbers import NUMBERS
from master.apiserver.protobuf.wire import Malformed, Value
from timonel.api import scheme, time
from timonel.api.errors import BadRequest
from timonel.api.gvk import GVK
from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape, fields_of
from timonel.api.struct import Struct
from timonel.api.types import meta_v1

MAGIC = b"k8s\x00"
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
        struct = _struct(api_version, kind)
        document = _message(_plan(struct, _name(struct)), _bytes(envelope.get(2, b"")), 0)
    except (Malformed, ValueError) as error:
        raise BadRequest(f"the object provided is unrecognized: protobuf parse error: {error}") from None
    return msgspec.json.encode({"kind": kind, "apiVersion": api_version} | document)


def _struct(api_version: str, kind: str) -> type[Struct]:
    """DeleteOptions are of every group."""
    if kind == "DeleteOptions":
        return meta_v1.DeleteOptions
    struct = scheme.lookup(GVK.parse(api_version, kind))
    if struct is None:
        raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}"')
    return struct


class _Field(NamedTuple):
    """How to read a field."""

    name: str
    schema: Schema
    drops_zero: bool
    """Whether zero stands for absence."""


class _Plan(dict[int, "_Field | _Plan"]):
    """How to read a message: by number, a field or the plan of an embedded type."""


@cache
def _numbers() -> Mapping[str, str]:
    return dict(line.split(" ", 1) for line in NUMBERS.splitlines())


def _name(struct: type[Struct]) -> str:
    return f"{getattr(sys.modules[struct.__module__], 'SCHEMA_PREFIX', '')}.{struct.__name__}"


@cache
def _plan(struct: type[Struct], type_name: str) -> _Plan:
    """The plan of a type; an embedded type has no Struct, its fields are those of the one around it."""
    pairs = _numbers().get(type_name)
    if pairs is None:
        raise BadRequest(f"{type_name} has no protobuf form here: send JSON")
    fields, plan = fields_of(struct), _Plan()
    for pair in pairs.split():
        name, _, number = pair.rpartition("=")
        if name.startswith("+"):
            plan[int(number)] = _plan(struct, name[1:])
        elif name in fields:
            plan[int(number.rstrip("-"))] = _Field(name, fields[name].schema, number.endswith("-"))
    return plan


def _message(plan: _Plan, data: bytes, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise Malformed(f"the object nests deeper than {MAX_DEPTH} levels")
    result: dict[str, Any] = {}
    for number, value in wire.values(data):
        field = plan.get(number)
        if isinstance(field, _Plan):
            result |= _message(field, _bytes(value), depth + 1)
        elif field is not None:
            _put(result, field, value, depth)
    return result


def _put(result: dict[str, Any], field: _Field, value: Value, depth: int) -> None:
    """Set a field; lists and maps come one entry at a time."""
    name, schema = field.name, field.schema
    if schema.shape is Shape.LIST and schema.items is not None:
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
        if read is not None and (read or not field.drops_zero):
            result[name] = read


def _read(schema: Schema, value: Value, depth: int) -> Any:
    match schema.shape:
        case Shape.STRUCT:
            return _message(_plan(schema.type, _name(schema.type)), _bytes(value), depth + 1)
        case Shape.SCALAR:
            return _scalar(schema, value)
        case Shape.INT_OR_STRING:
            return _int_or_string(_bytes(value))
        case Shape.LIST if schema.items is not None:  # a list within a map is a message that holds it
            return [_read(schema.items, item, depth + 1) for _, item in wire.values(_bytes(value))]
    return _raw_json(_bytes(value))


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
    return value if schema.type is float or isinstance(value, float) else wire.signed(value)


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
