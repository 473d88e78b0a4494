"""An extension server's OpenAPI 2 document, read without trust: a part that is not as it should be spoils the whole."""

from __future__ import annotations

from typing import Any

import msgspec

Document = dict[str, Any]

SHARED = "#/parameters/"
"""Before the names of parameters that are described once for all operations."""
METHODS = ("get", "put", "post", "delete", "patch")


class _Parameter(msgspec.Struct, rename={"place": "in", "ref": "$ref"}):
    name: str = ""
    place: str = ""
    description: str = ""
    type: str = ""
    ref: str = ""


class _Operation(msgspec.Struct):
    operationId: str = ""
    tags: list[str] = []
    produces: list[str] = []
    consumes: list[str] = []
    parameters: list[_Parameter] = []


class _Path(msgspec.Struct):
    get: _Operation | None = None
    put: _Operation | None = None
    post: _Operation | None = None
    delete: _Operation | None = None
    patch: _Operation | None = None
    parameters: list[_Parameter] = []


class _Schema(msgspec.Struct, rename={"ref": "$ref"}):
    ref: str = ""
    type: str = ""
    format: str = ""
    description: str = ""
    required: list[str] = []
    additionalProperties: _Schema | bool = False
    items: _Schema | None = None
    properties: dict[str, _Schema] = {}


class _Swagger(msgspec.Struct):
    paths: dict[str, _Path] = {}
    definitions: dict[str, _Schema] = {}
    parameters: dict[str, _Parameter] = {}


def read(raw: bytes) -> Document:
    """The document, with paths and definitions; its operations say all of their parameters themselves.

    Raises:
        ValueError: it is none.
    """
    try:
        msgspec.json.decode(raw, type=_Swagger)
        document: Document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"the answer is no OpenAPI 2 document: {error}") from error
    shared = document.get("parameters", {})
    paths = {path: _with_parameters(item, shared) for path, item in document.get("paths", {}).items()}
    return {"paths": paths, "definitions": document.get("definitions", {})}


def _with_parameters(item: Document, shared: Document) -> Document:
    """A path, or an operation of one, its parameters with what it refers to."""
    whole = dict(item)
    for method in METHODS:
        if isinstance(item.get(method), dict):
            whole[method] = _with_parameters(item[method], shared)
    if "parameters" in item:
        found = [shared.get(each.get("$ref", "").removeprefix(SHARED), each) for each in item["parameters"]]
        whole["parameters"] = [each for each in found if "name" in each and "in" in each]
    return whole
