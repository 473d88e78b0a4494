"""JSON values as expressions see them: by their schema, a number is a double, and a string may be a time or bytes."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2

from master.registry.cel.names import escaped, is_word
from master.registry.custom.schema import Structural
from timonel.api import time

_HEAD = ("apiVersion", "kind")
_NAMES = ("name", "generateName")


def converted(node: Structural, value: Any, *, is_object: bool = False) -> Any:
    """A value of the schema; what the schema does not know cannot be looked at and is left out."""
    match value:
        case dict() if node.additional and not node.properties:
            return {name: converted(node.additional, item) for name, item in value.items()}
        case dict() if not (node.any_additional or node.int_or_string):
            return _record(node, value, is_object or node.embedded)
        case list() if node.items:
            return [converted(node.items, item) for item in value]
        case str() if node.type == "string" and "format" in node.raw:
            return _formatted(node.raw["format"], value)
        case int() if node.type == "number" and not isinstance(value, bool):
            return float(value)
        case float() if node.type == "integer" and value.is_integer():
            return int(value)
    return value


def _record(node: Structural, value: dict[str, Any], is_object: bool) -> dict[str, Any]:
    record = {
        escaped(name) or name: converted(inner, value[name])
        for name, inner in node.properties.items()
        if value.get(name) is not None
    }
    record |= {name: record[f"__{name}__"] for name in node.properties if is_word(name) and f"__{name}__" in record}
    if is_object:
        record |= {name: value[name] for name in _HEAD if name in value}
        metadata = value.get("metadata")
        if isinstance(metadata, dict):
            record["metadata"] = {name: metadata[name] for name in _NAMES if metadata.get(name)}
    return record


def _formatted(form: str, text: str) -> Any:
    try:
        match form:
            case "date-time":
                return _timestamp(time.parse(text))
            case "date":
                return _timestamp(datetime.fromisoformat(text))
            case "duration":
                return native(timedelta(seconds=time.seconds(text)))
            case "byte":
                return base64.b64decode(text)
    except (ValueError, binascii.Error):
        return text
    return text


def native(value: Any) -> Any:
    """What a function answers, as the library takes it."""
    match value:
        case datetime():
            return _timestamp(value)
        case timedelta():
            message = duration_pb2.Duration()
            message.FromTimedelta(value)
            return message
    return value


def _timestamp(moment: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment if moment.tzinfo is None else moment.astimezone(UTC))
    return message
