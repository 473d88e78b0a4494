"""The table columns of a definition (additionalPrinterColumns)."""

from __future__ import annotations

from typing import Any

from master.registry.columns import Cell, Column, ago
from timonel.api import codec, jsonpath
from timonel.api.custom import CustomObject
from timonel.api.types.apiextensions_v1 import CustomResourceColumnDefinition


def column(declared: CustomResourceColumnDefinition) -> Column[CustomObject]:
    """The column; a path that leads nowhere, or is none, leaves the cell empty."""
    try:
        path = jsonpath.relaxed(declared.jsonPath)
    except jsonpath.JsonPathError:
        path = ()

    def value(obj: CustomObject) -> Cell:
        return _cell(declared.type, path, codec.to_dict(obj)) if path else None

    return Column(
        declared.name,
        value,
        declared.type,
        declared.priority or 0,
        declared.format,
        declared.description or f"Custom resource definition column (in JSONPath format): {declared.jsonPath}",
    )


def _ago(timestamp: str) -> str:
    try:
        return ago(timestamp)
    except ValueError:
        return "<invalid>"


def _cell(kind: str, path: jsonpath.Path, document: dict[str, Any]) -> Cell:
    try:
        found = jsonpath.find(path, document)
    except jsonpath.JsonPathError:
        return None
    if not found:
        return None
    first = found[0]
    match kind:
        case "string":
            return " ".join(jsonpath.text_of(each) for each in found)
        case "integer" if isinstance(first, int | float):
            return int(first)
        case "number" if isinstance(first, int | float):
            return float(first)
        case "boolean" if isinstance(first, bool):
            return first
        case "date" if isinstance(first, str):
            return _ago(first)
    return None
