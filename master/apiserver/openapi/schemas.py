"""OpenAPI schemas of the API's types, made from the Structs and their annotations."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from msgspec import json

from master.apiserver.openapi import custom, simple
from master.apiserver.openapi.custom import AnyStruct
from master.apiserver.openapi.descriptions import NO_TEXT, TypeText, module_texts
from master.apiserver.openapi.values import VALUES
from timonel.api import codec
from timonel.api.custom import CustomObject
from timonel.api.gvk import GVK
from timonel.api.quantity import Quantity
from timonel.api.schema import Field, Merge, Schema, Shape, fields_of
from timonel.api.struct import Struct
from timonel.api.types import meta_v1

Document = dict[str, Any]

GVK_KEY = "x-kubernetes-group-version-kind"

_SCALARS: dict[type, Document] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": "number", "format": "double"},
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the versions of OpenAPI."""

    refs: str
    """The prefix of a reference to a schema."""
    unions: bool
    """Whether `oneOf` and `allOf` exist; only then are defaults told."""


V2 = Dialect("#/definitions/", unions=False)
V3 = Dialect("#/components/schemas/", unions=True)


def name_of(struct: AnyStruct) -> str:
    """The schema's name of a type, for instance `io.k8s.api.core.v1.Pod`."""
    if isinstance(struct, custom.ListOf) or issubclass(struct, CustomObject):
        return custom.name_of(struct)
    module = sys.modules[struct.__module__]
    return f"{getattr(module, 'SCHEMA_PREFIX', f'io.timonel.{struct.__module__}')}.{struct.__name__}"


def reference(struct: AnyStruct, dialect: Dialect) -> Document:
    """A reference to a type's schema."""
    return {"$ref": f"{dialect.refs}{name_of(struct)}"}


def gvk_extension(gvk: GVK) -> dict[str, str]:
    """A kind as `x-kubernetes-group-version-kind` has it."""
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def build(roots: Iterable[AnyStruct], dialect: Dialect) -> dict[str, Document]:
    """The schemas of `roots` and of all that they refer to, by name and in order of name."""
    builder = _Builder(dialect)
    pending = list(roots)
    done: dict[str, Document] = {simple.PATCH: simple.document(simple.PATCH, unions=dialect.unions)}
    while pending:
        struct = pending.pop()
        name = name_of(struct)
        if name not in done:
            done[name] = builder.schema(struct)
            pending.extend(_referred(struct))
    done |= {name: simple.document(name, unions=dialect.unions) for name in builder.simple}
    return dict(sorted(done.items()))


def _referred(struct: AnyStruct) -> Iterable[AnyStruct]:
    if isinstance(struct, custom.ListOf) or issubclass(struct, CustomObject):
        yield from (meta_v1.ObjectMeta, meta_v1.ListMeta)
        return
    for field in fields_of(struct).values():
        schema = field.schema
        while schema.items is not None:
            schema = schema.items
        if schema.shape is Shape.STRUCT:
            yield schema.type


class _Builder:
    """Writes schemas in one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.simple: set[str] = set()
        """The schemas that were referred to and are not of Structs."""

    def schema(self, struct: AnyStruct) -> Document:
        """The schema of a type."""
        if isinstance(struct, custom.ListOf) or issubclass(struct, CustomObject):
            return self.custom(struct)
        return self.struct(struct)

    def custom(self, kind: custom.AnyCustom) -> Document:
        """The schema of a custom kind, or of its lists."""

        def refer(struct: AnyStruct, description: str) -> Document:
            return self._with(self._reference(name_of(struct)), _description(description))

        document = custom.schema_of(kind, refer, unions=self._dialect.unions)
        return {**document, GVK_KEY: [gvk_extension(kind.gvk)]}

    def struct(self, struct: type[Struct]) -> Document:
        """The schema of a type."""
        text = _text_of(struct)
        document: Document = {"type": "object", **_description(text.description)}
        gvk = getattr(struct, "gvk", None)
        written = codec.to_dict(struct()).keys() - ({"apiVersion", "kind"} if gvk else set())
        document["properties"] = {
            name: self._property(struct, field, name in written, text.fields.get(name, ""))
            for name, field in fields_of(struct).items()
        }
        if struct.required_fields:
            document["required"] = sorted(struct.required_fields)
        if struct.map_atomic:
            document["x-kubernetes-map-type"] = "atomic"
        if gvk is not None:
            document[GVK_KEY] = [gvk_extension(gvk)]
        return document

    def _property(self, owner: type[Struct], field: Field, is_written: bool, description: str) -> Document:
        """The schema of a field; `is_written` tells whether it is there, as zero, when it was never set."""
        document = self._type(field.schema, owner)
        beside = _zero(field.schema) if is_written else {}
        beside |= json.decode(_values().get(f"{name_of(owner)}.{field.name}", "{}"))
        if "enum" in beside:
            one = document.get("items") or document.get("additionalProperties") or document
            one["enum"] = beside.pop("enum")
        return self._with(document, _description(description) | _merge_extensions(field.merge) | beside)

    def _with(self, document: Document, beside: Document) -> Document:
        """Beside a bare reference nothing may stand in version 3, so it is wrapped."""
        if not self._dialect.unions:
            beside.pop("default", None)
        elif beside and "$ref" in document:
            document = {"allOf": [document]}
        return {**beside, **document}

    def _type(self, schema: Schema, owner: type[Struct]) -> Document:
        name = simple.name_of(schema, owner)
        if name is not None:
            self.simple.add(name)
            return self._reference(name)
        match schema.shape:
            case Shape.STRUCT:
                return self._reference(name_of(schema.type))
            case Shape.LIST if schema.items is not None:
                return {"type": "array", "items": self._held(schema.items, owner)}
            case Shape.MAP if schema.items is not None:
                return {"type": "object", "additionalProperties": self._held(schema.items, owner)}
        return _SCALARS[schema.type] | ({"format": schema.format} if schema.format else {})

    def _held(self, schema: Schema, owner: type[Struct]) -> Document:
        """The schema of what a list or map holds, where nothing is ever absent."""
        return self._with(self._type(schema, owner), _zero(schema))

    def _reference(self, name: str) -> Document:
        return {"$ref": f"{self._dialect.refs}{name}"}


def _zero(schema: Schema) -> Document:
    """Go's zero value as a default; types with a text form of their own have none."""
    if schema.shape is Shape.STRUCT:
        return {"default": {}}
    is_plain = schema.shape is Shape.SCALAR and schema.type is not Quantity and schema.format in ("", "int32", "int64")
    return {"default": schema.type()} if is_plain else {}


@cache
def _values() -> dict[str, str]:
    """What is generated of fields' values, as JSON, by type and field."""
    return {name: said for name, _, said in (line.partition(" ") for line in VALUES.splitlines())}


def _description(text: str) -> Document:
    return {"description": text} if text else {}


def _merge_extensions(merge: Merge) -> Document:
    extensions = {
        "x-kubernetes-list-type": merge.list_type,
        "x-kubernetes-map-type": merge.map_type,
        "x-kubernetes-list-map-keys": list(merge.keys),
        "x-kubernetes-patch-strategy": ",".join(merge.strategy),
        "x-kubernetes-patch-merge-key": merge.merge_key,
    }
    return {key: value for key, value in extensions.items() if value}


def _text_of(struct: type[Struct]) -> TypeText:
    return module_texts(struct.__module__.rpartition(".")[2]).get(struct.__name__, NO_TEXT)
