"""OpenAPI schemas of custom kinds: what their definitions say, with what every object has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timonel.api.custom import CustomObject
from timonel.api.gvk import GVK
from timonel.api.types import meta_v1

Document = dict[str, Any]

_UNIONS = ("allOf", "anyOf", "oneOf", "not")
_ONLY_VERSION_3 = (*_UNIONS, "nullable", "default")
_TEXTS = {
    "apiVersion": "The version of the schema that the object is written in.",
    "kind": "The kind of the object.",
}


@dataclass(frozen=True, slots=True)
class ListOf:
    """The lists of a custom kind."""

    item: type[CustomObject]
    kind: str

    @property
    def gvk(self) -> GVK:
        """Their own kind."""
        return self.item.gvk._replace(kind=self.kind)


AnyCustom = type[CustomObject] | ListOf


def name_of(custom: AnyCustom) -> str:
    """The schema's name, as Kubernetes makes it: ``com.example.stable.v1.CronTab``."""
    group = ".".join(reversed(custom.gvk.group.split(".")))
    return f"{group}.{custom.gvk.version}.{custom.gvk.kind}"


def schema_of(custom: AnyCustom, references: Mapping[Any, Document], *, unions: bool) -> Document:
    """The schema; ``references`` are those to ObjectMeta, ListMeta and the items, ``unions`` whether these exist."""
    if isinstance(custom, ListOf):
        items = {"type": "array", "items": references[custom.item]}
        properties = {**_texts(), "metadata": references[meta_v1.ListMeta], "items": items}
        return {"type": "object", "required": ["items"], "properties": properties}
    raw: Document = getattr(custom, "schema").raw  # noqa: B009  # of the registry's classes, which alone are served
    shown = raw if unions else _plain(raw)
    head = {**_texts(), "metadata": references[meta_v1.ObjectMeta]}
    return {**shown, "type": "object", "properties": {**(shown.get("properties") or {}), **head}}


def _texts() -> Document:
    return {name: {"type": "string", "description": text} for name, text in _TEXTS.items()}


def _plain(raw: Document) -> Document:
    """A schema as version 2 can say it; below unknown fields nothing is said, or clients would refuse these."""
    plain = {name: value for name, value in raw.items() if name not in _ONLY_VERSION_3}
    if raw.get("x-kubernetes-preserve-unknown-fields") or raw.get("nullable") or raw.get("x-kubernetes-int-or-string"):
        return {name: value for name, value in plain.items() if name not in ("type", "properties", "items", "required")}
    for name in ("items", "additionalProperties"):
        if isinstance(plain.get(name), dict):
            plain[name] = _plain(plain[name])
    if plain.get("properties"):
        plain["properties"] = {name: _plain(inner) for name, inner in plain["properties"].items()}
    return plain
