"""Describes objects of any kind by their fields."""

from __future__ import annotations

import re
from typing import Any

from timonel.cli.describe.page import NONE, Page

Object = dict[str, Any]
_HIDDEN = {"name", "namespace", "labels", "annotations", "managedFields"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")


def describe(page: Page, obj: Object) -> None:
    """Names first, then every field in its order."""
    heading(page, obj)
    page.field(0, "API Version", obj.get("apiVersion", ""))
    page.field(0, "Kind", obj.get("kind", ""))
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _HIDDEN}
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    _members(page, 0, {"metadata": metadata, **rest})


def heading(page: Page, obj: Object) -> None:
    """Name, namespace, labels and annotations."""
    metadata = obj["metadata"]
    page.field(0, "Name", metadata["name"])
    if metadata.get("namespace"):
        page.field(0, "Namespace", metadata["namespace"])
    page.mapping(0, "Labels", metadata.get("labels"))
    page.mapping(0, "Annotations", notes(metadata.get("annotations")), sign=": ")


def notes(values: dict[str, str] | None) -> dict[str, str]:
    """The annotations that are worth a reader's time."""
    return {key: value for key, value in (values or {}).items() if not key.endswith("last-applied-configuration")}


def words(name: str) -> str:
    """A field's name as words: `podCIDR` is `Pod CIDR`."""
    if not re.fullmatch(r"[A-Za-z0-9]+", name):
        return name
    return " ".join(word[:1].upper() + word[1:] for word in _WORDS.findall(name))


def namespace(page: Page, obj: Object) -> None:
    """With its phase."""
    heading(page, obj)
    page.field(0, "Status", (obj.get("status") or {}).get("phase", ""))


def config_map(page: Page, obj: Object) -> None:
    """With all its data."""
    heading(page, obj)
    page.line(0, "")
    page.line(0, "Data")
    page.line(0, "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        page.line(0, f"{key}:")
        page.line(0, "----")
        for line in str(value).split("\n"):
            page.line(0, line.replace("\t", "    "))
    page.line(0, "")
    page.line(0, "BinaryData")
    page.line(0, "====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        page.line(0, f"{key}: {_size(value)} bytes")
    page.line(0, "")


def secret(page: Page, obj: Object) -> None:
    """With the sizes of its data, never the data."""
    heading(page, obj)
    page.line(0, "")
    page.field(0, "Type", obj.get("type", ""))
    page.line(0, "")
    page.line(0, "Data")
    page.line(0, "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        page.field(0, key, f"{_size(value)} bytes")


def _size(base64: str) -> int:
    return len(base64) * 3 // 4 - base64.count("=")


def _members(page: Page, level: int, value: Object) -> None:
    for key, inner in value.items():
        _member(page, level, words(str(key)), inner)


def _member(page: Page, level: int, name: str, value: Any) -> None:
    match value:
        case dict() if value:
            page.line(level, f"{name}:")
            _members(page, level + 1, value)
        case list() if value and all(isinstance(item, dict) for item in value):
            page.line(level, f"{name}:")
            for item in value:
                _members(page, level + 1, item)
        case list() if value:
            page.line(level, f"{name}:")
            for item in value:
                page.line(level + 1, str(item))
        case None | dict() | list():
            page.field(level, name, NONE if value is None else "")
        case bool():
            page.field(level, name, str(value).lower())
        case _:
            page.field(level, name, value)
