"""The second, forgiving reading of a value that did not decode at once: Go takes null for any absent value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from timonel.api import time
from timonel.api.quantity import Quantity
from timonel.api.schema import BASE64, Schema, Shape, fields_of


class Misfit(ValueError):
    """A value cannot be what its field's type asks for; the message names both and the field's path."""


def fit(schema: Schema, value: Any, path: str = "") -> Any:
    """`value` without the nulls that stand for absence (in lists and maps they become zero values).

    Raises Misfit for the first value of a wrong type.
    """
    match schema.shape:
        case Shape.ANY:
            is_written = schema.type is msgspec.Raw and not isinstance(value, msgspec.Raw)
            return msgspec.Raw(msgspec.json.encode(value)) if is_written else value
        case Shape.STRUCT if isinstance(value, dict):
            fields = fields_of(schema.type)
            return {
                key: fit(fields[key].schema, inner, f"{path}.{key}" if path else key)
                for key, inner in value.items()
                if key in fields and inner is not None
            }
        case Shape.LIST if isinstance(value, list) and schema.items:
            return [
                _zero(schema.items) if inner is None else fit(schema.items, inner, f"{path}[{index}]")
                for index, inner in enumerate(value)
            ]
        case Shape.MAP if isinstance(value, dict) and schema.items:
            return {
                key: _zero(schema.items) if inner is None else fit(schema.items, inner, f"{path}[{key}]")
                for key, inner in value.items()
            }
        case Shape.UNION:
            return _fit_one_of(schema, value, path)
        case Shape.SCALAR if schema.format == "byte" and isinstance(value, str):
            return _base64(value)
        case Shape.SCALAR | Shape.INT_OR_STRING if _is_scalar(schema, value, path):
            return value
    raise Misfit(
        f"json: cannot unmarshal {_json_type(value)} into field {path or '<root>'} of type {type_name(schema)}"
    )


def type_name(schema: Schema) -> str:
    """The type as Kubernetes' messages write it: int32, []Container, map[string]string."""
    if schema.items:
        return ("[]" if schema.shape is Shape.LIST else "map[string]") + type_name(schema.items)
    if schema.shape is Shape.UNION:
        return " or ".join(type_name(choice) for choice in schema.choices)
    names = {str: "string", float: "float64"}
    if schema.shape is Shape.SCALAR and schema.type is int:
        return schema.format
    if schema.shape is Shape.ANY:
        return "any"
    return schema.format if schema.shape is Shape.INT_OR_STRING else names.get(schema.type, schema.type.__name__)


def _fit_one_of(schema: Schema, value: Any, path: str) -> Any:
    faults = []
    for choice in schema.choices:
        try:
            return fit(choice, value, path)
        except Misfit as fault:
            faults.append(fault)
    inner = [fault for fault in faults if f"into field {path or '<root>'} of" not in str(fault)]
    raise (
        inner[0]
        if inner
        else Misfit(
            f"json: cannot unmarshal {_json_type(value)} into field {path or '<root>'} of type {type_name(schema)}"
        )
    )


def _is_scalar(schema: Schema, value: Any, path: str) -> bool:
    if schema.shape is Shape.INT_OR_STRING:
        return isinstance(value, int | str) and not isinstance(value, bool)
    if reader := _reader(schema, value):
        try:
            reader(value)
        except ValueError as error:
            raise Misfit(f"{path}: {error}") from None
        return True
    if schema.type is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if schema.type is int:
        bits = 31 if schema.format == "int32" else 63
        return type(value) is int and -(2**bits) <= value < 2**bits
    return isinstance(value, schema.type)


_TIMES: dict[str, Callable[[str], object]] = {"date-time": time.parse, "micro-time": time.parse_micro}


def _base64(text: str) -> str:
    """Base64 without the line breaks that may be in it. Kubernetes names no path here."""
    joined = text.replace("\n", "").replace("\r", "")
    if re.search(BASE64, joined):
        return joined
    digits = re.match(r"[A-Za-z0-9+/\r\n]*", text)[0]  # type: ignore[index]  # it matches nothing too
    at, over = len(digits), len("".join(digits.split())) % 4
    if at == len(text):
        at -= over
    elif over >= 2 and not (padding := text[at : at + 4 - over]).strip("="):
        at += len(padding)
    raise Misfit(f"illegal base64 data at input byte {at}")


def _reader(schema: Schema, value: Any) -> Callable[[Any], object] | None:
    """What reads a scalar whose text has a form of its own."""
    if schema.type is Quantity:
        return Quantity
    return _TIMES.get(schema.format) if isinstance(value, str) else None


def _zero(schema: Schema) -> Any:
    """Go's zero value."""
    match schema.shape:
        case Shape.STRUCT | Shape.MAP:
            return {}
        case Shape.LIST:
            return []
        case Shape.SCALAR:
            return "0" if schema.type is Quantity else schema.type()
        case Shape.INT_OR_STRING:
            return 0
    return None


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return f"number {value}" if abs(value) >= 2**31 else "number"
        case float():
            return f"number {value}"
        case str():
            return "string"
        case list():
            return "array"
    return "object"
