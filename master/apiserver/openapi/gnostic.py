"""The version 2 document in the protobuf form of gnostic's openapiv2, which Go clients ask for first.

Written is what they look for: definitions with their extensions, and operations with their query parameters.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from master.apiserver.protobuf.wire import string, submessage

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The answer's: Go's parser of media types takes no @ in them."""

Json = Mapping[str, Any]

_OPERATIONS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
_PATH_PARAMETERS = 9
_QUERY, _PATH = 3, 4
"""The numbers of query and path parameters among those outside of the body."""


def encode(document: Json) -> bytes:
    """The document's message."""
    info = document["info"]
    return b"".join(
        (
            string(1, document["swagger"]),
            submessage(2, string(1, info["title"]) + string(2, info["version"])),
            submessage(8, _named(2, ((path, _path(item)) for path, item in document["paths"].items()))),
            submessage(9, _named(1, ((name, _schema(schema)) for name, schema in document["definitions"].items()))),
        )
    )


def _named(number: int, entries: Iterable[tuple[str, bytes]]) -> bytes:
    """A map: entries of a name and a value."""
    return b"".join(submessage(number, string(1, name) + submessage(2, value)) for name, value in entries)


def _path(item: Json) -> bytes:
    operations = [submessage(_OPERATIONS[name], _operation(item[name])) for name in _OPERATIONS if name in item]
    return b"".join(operations) + _parameters(_PATH_PARAMETERS, item.get("parameters", ()))


def _operation(operation: Json) -> bytes:
    tags = b"".join(string(1, tag) for tag in operation.get("tags", ()))
    produces = b"".join(string(6, media_type) for media_type in operation.get("produces", ()))
    consumes = b"".join(string(7, media_type) for media_type in operation.get("consumes", ()))
    head = tags + string(5, operation.get("operationId", "")) + produces + consumes
    return head + _parameters(8, operation.get("parameters", ())) + _extensions(13, operation)


def _parameters(number: int, parameters: Iterable[Json]) -> bytes:
    """The parameters outside of the body, each in the wrappers that tell its sort."""
    return b"".join(
        submessage(number, submessage(1, submessage(2, _parameter(parameter))))
        for parameter in parameters
        if parameter["in"] != "body"
    )


def _parameter(parameter: Json) -> bytes:
    content = string(2, parameter["in"]) + string(3, parameter.get("description", "")) + string(4, parameter["name"])
    if parameter["in"] == "path":
        return submessage(_PATH, b"\x08\x01" + content + string(5, parameter.get("type", "")))
    return submessage(_QUERY, content + string(6, parameter.get("type", "")))


def _schema(schema: Json) -> bytes:
    parts = [
        string(number, schema[key]) for number, key in ((1, "$ref"), (2, "format"), (4, "description")) if key in schema
    ]
    parts += [string(19, name) for name in schema.get("required", ())]
    if isinstance(schema.get("additionalProperties"), Mapping):
        parts.append(submessage(21, submessage(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(submessage(22, string(1, schema["type"])))
    if "items" in schema:
        parts.append(submessage(23, submessage(1, _schema(schema["items"]))))
    if "properties" in schema:
        entries = ((name, _schema(value)) for name, value in schema["properties"].items())
        parts.append(submessage(25, _named(1, entries)))
    return b"".join(parts) + _extensions(31, schema)


def _extensions(number: int, holder: Json) -> bytes:
    """The x-kubernetes keys; their values are YAML text, which JSON is."""
    entries = ((key, string(2, msgspec.json.encode(holder[key]).decode())) for key in holder if key.startswith("x-"))
    return _named(number, entries)
