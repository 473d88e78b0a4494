"""OpenAPI schemas of custom kinds: what their definitions say, with what every object has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from master.apiserver.openapi.descriptions import module_texts
from timonel.api.custom import CustomObject
from timonel.api.gvk import GVK
from timonel.api.struct import Struct
from timonel.api.types import meta_v1

Document = dict[str, Any]

_UNIONS = ("allOf", "anyOf", "oneOf", "not")
_ONLY_VERSION_3 = (*_UNIONS, "nullable", "default")


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
AnyStruct = type[Struct] | AnyCustom


def name_of(custom: AnyCustom) -> str:
    """The schema's name, as Kubernetes makes it: ``com.example.stable.v1.CronTab``."""
    group = ".".join(reversed(custom.gvk.group.split(".")))
    return f"{group}.{custom.gvk.version}.{custom.gvk.kind}"


def schema_of(custom: AnyCustom, refer: Callable[[AnyStruct, str], Document], *, unions: bool) -> Document:
    """The schema; ``refer`` makes a reference with a description, ``unions`` tells whether these exist."""
    if isinstance(custom, ListOf):
        items = {"type": "array", "items": refer(custom.item, "")}
        properties = {**_head("NamespaceList", refer, meta_v1.ListMeta), "items": items}
        return {"type": "object", "required": ["items"], "properties": properties}
    raw: Document = getattr(custom, "schema").raw  # noqa: B009  # of the registry's classes, which alone are served
    head = _head("Namespace", refer, meta_v1.ObjectMeta)
    full = _with_embedded(raw, head)
    shown = full if unions else _plain(full)
    return {**shown, "type": "object", "properties": {**(shown.get("properties") or {}), **head}}


def _head(like: str, refer: Callable[[AnyStruct, str], Document], metadata: type[Struct]) -> Document:
    """What every object, or list, has; described as it is of the built-in kind ``like``."""
    texts = module_texts("core_v1")[like].fields
    named = {name: {"type": "string", "description": texts[name]} for name in ("apiVersion", "kind")}
    return {**named, "metadata": refer(metadata, texts["metadata"])}


def _with_embedded(raw: Document, head: Document) -> Document:
    """A schema in which the objects inside of the object have what every object has."""
    full = dict(raw)
    for name in ("items", "additionalProperties"):
        if isinstance(full.get(name), dict):
            full[name] = _with_embedded(full[name], head)
    if full.get("properties"):
        full["properties"] = {name: _with_embedded(inner, head) for name, inner in full["properties"].items()}
    if full.get("x-kubernetes-embedded-resource"):
        full["properties"] = {**(full.get("properties") or {}), **head}
        full["required"] = sorted({*full.get("required", ()), "apiVersion", "kind"})
    return full


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
