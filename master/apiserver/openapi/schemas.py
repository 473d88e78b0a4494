"""OpenAPI schemas of the API's types, made from the Structs and their annotations."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from master.apiserver.openapi import custom
from master.apiserver.openapi.descriptions import NO_TEXT, TypeText, module_texts
from timonel.api.custom import CustomObject
from timonel.api.gvk import GVK
from timonel.api.quantity import Quantity
from timonel.api.schema import Merge, Schema, Shape, fields_of
from timonel.api.struct import Struct
from timonel.api.types import meta_v1

Document = dict[str, Any]

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
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
    """Whether `oneOf` and `allOf` exist."""


V2 = Dialect("#/definitions/", unions=False)
V3 = Dialect("#/components/schemas/", unions=True)


AnyType = type[Struct] | custom.AnyCustom
"""What has a schema."""


def name_of(struct: AnyType) -> str:
    """The schema's name of a type, for instance `io.k8s.api.core.v1.Pod`."""
    if isinstance(struct, custom.ListOf) or issubclass(struct, CustomObject):
        return custom.name_of(struct)
    module = sys.modules[struct.__module__]
    return f"{getattr(module, 'SCHEMA_PREFIX', f'io.timonel.{struct.__module__}')}.{struct.__name__}"


def reference(struct: AnyType, dialect: Dialect) -> Document:
    """A reference to a type's schema."""
    return {"$ref": f"{dialect.refs}{name_of(struct)}"}


def gvk_extension(gvk: GVK) -> dict[str, str]:
    """A kind as `x-kubernetes-group-version-kind` has it."""
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def build(roots: Iterable[AnyType], dialect: Dialect) -> dict[str, Document]:
    """The schemas of `roots` and of all that they refer to, by name and in order of name."""
    builder = _Builder(dialect)
    pending = list(roots)
    done: dict[str, Document] = {QUANTITY: _quantity(dialect), INT_OR_STRING: _int_or_string(dialect)}
    while pending:
        struct = pending.pop()
        name = name_of(struct)
        if name not in done:
            done[name] = builder.schema(struct)
            pending.extend(_referred(struct))
    return dict(sorted(done.items()))


def _referred(struct: AnyType) -> Iterable[AnyType]:
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

    def schema(self, struct: AnyType) -> Document:
        """The schema of a type."""
        if isinstance(struct, custom.ListOf) or issubclass(struct, CustomObject):
            return self.custom(struct)
        return self.struct(struct)

    def custom(self, kind: custom.AnyCustom) -> Document:
        """The schema of a custom kind, or of its lists."""
        referred: list[AnyType] = [meta_v1.ObjectMeta, meta_v1.ListMeta]
        referred += [kind.item] if isinstance(kind, custom.ListOf) else []
        references = {each: self._reference(name_of(each)) for each in referred}
        document = custom.schema_of(kind, references, unions=self._dialect.unions)
        return {**document, GVK_KEY: [gvk_extension(kind.gvk)]}

    def struct(self, struct: type[Struct]) -> Document:
        """The schema of a type."""
        text = _text_of(struct)
        document: Document = {"type": "object"}
        if text.description:
            document["description"] = text.description
        document["properties"] = {
            name: self._property(field.schema, field.merge, text.fields.get(name, ""))
            for name, field in fields_of(struct).items()
        }
        if struct.required_fields:
            document["required"] = sorted(struct.required_fields)
        if struct.map_atomic:
            document["x-kubernetes-map-type"] = "atomic"
        gvk = getattr(struct, "gvk", None)
        if gvk is not None:
            document[GVK_KEY] = [gvk_extension(gvk)]
        return document

    def _property(self, schema: Schema, merge: Merge, description: str) -> Document:
        document = self._type(schema) | _merge_extensions(merge)
        return {"description": description, **document} if description else document

    def _type(self, schema: Schema) -> Document:
        match schema.shape:
            case Shape.STRUCT:
                return self._reference(name_of(schema.type))
            case Shape.LIST if schema.items is not None:
                return {"type": "array", "items": self._type(schema.items)}
            case Shape.MAP if schema.items is not None:
                return {"type": "object", "additionalProperties": self._type(schema.items)}
            case Shape.INT_OR_STRING:
                return self._reference(INT_OR_STRING)
            case Shape.SCALAR if schema.type is Quantity:
                return self._reference(QUANTITY)
            case Shape.SCALAR:
                return _scalar(schema)
        return {}  # any JSON, such as the default value of a property of a custom resource

    def _reference(self, name: str) -> Document:
        """Beside a bare reference nothing may stand in version 3, so it is wrapped."""
        bare = {"$ref": f"{self._dialect.refs}{name}"}
        return {"allOf": [bare]} if self._dialect.unions else bare


def _scalar(schema: Schema) -> Document:
    document = dict(_SCALARS[schema.type])
    if schema.format:
        document["format"] = "date-time" if schema.format == "micro-time" else schema.format
    return document


def _quantity(dialect: Dialect) -> Document:
    text = "A decimal number with an optional suffix: SI (m, k, M, G, T, P, E), binary (Ki to Ei), or an exponent."
    if dialect.unions:
        return {"description": text, "oneOf": [{"type": "string"}, {"type": "number"}]}
    return {"description": text, "type": "string"}


def _int_or_string(dialect: Dialect) -> Document:
    text = "An integer, or a string such as a percentage or the name of a port."
    if dialect.unions:
        return {"description": text, "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    return {"description": text, "type": "string", "format": "int-or-string"}


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
