"""OpenAPI schemas of the named types that are no Structs: texts with a meaning, and what may be any JSON."""

from typing import Any

from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape
from timonel.api.struct import Struct
from timonel.api.types import apiextensions_v1, meta_v1

Document = dict[str, Any]

_META = f"{meta_v1.SCHEMA_PREFIX}."
_DEFINITIONS = f"{apiextensions_v1.SCHEMA_PREFIX}."
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
PATCH = f"{_META}Patch"

_QUANTITY_TEXT = "A decimal number; a suffix may be SI (m, k, M, G, T, P, E), binary (Ki to Ei) or an exponent."
_INT_OR_STRING_TEXT = "An integer, or a string such as a percentage or the name of a port."
_ALTERNATIVES = {
    Shape.LIST: ("JSONSchemaPropsOrArray", "A schema, or a list of them."),
    Shape.SCALAR: ("JSONSchemaPropsOrBool", "A schema, or whether anything fits."),
    None: ("JSONSchemaPropsOrStringArray", "A schema, or the names of properties."),
}
"""What a schema may stand beside."""

_SCHEMAS: dict[str, Document] = {
    _QUANTITY: {"description": _QUANTITY_TEXT, "type": "string"},
    _INT_OR_STRING: {"description": _INT_OR_STRING_TEXT, "type": "string", "format": "int-or-string"},
    _RAW_EXTENSION: {"description": "An object of any kind.", "type": "object"},
    PATCH: {"description": "The body of a PATCH request, in the form that its content type names.", "type": "object"},
    f"{_META}Time": {"description": "A time, as RFC 3339 writes it.", "type": "string", "format": "date-time"},
    f"{_META}MicroTime": {"description": "A time with microseconds.", "type": "string", "format": "date-time"},
    f"{_META}FieldsV1": {"description": "A set of fields: a tree with a key for each step to them.", "type": "object"},
    f"{_DEFINITIONS}JSON": {"description": "Any JSON."},
    **{f"{_DEFINITIONS}{name}": {"description": text} for name, text in _ALTERNATIVES.values()},
}
_UNIONS: dict[str, Document] = {
    _QUANTITY: {"description": _QUANTITY_TEXT, "oneOf": [{"type": "string"}, {"type": "number"}]},
    _INT_OR_STRING: {
        "description": _INT_OR_STRING_TEXT,
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}


def document(name: str, *, unions: bool) -> Document:
    """The schema of that name, for a version of OpenAPI that can or cannot say ``oneOf``."""
    return (_UNIONS.get(name) if unions else None) or _SCHEMAS[name]


def name_of(schema: Schema, owner: type[Struct]) -> str | None:
    """The name of the schema of a field, or of items, of ``owner``; None where it is written out in place."""
    match schema.shape:
        case Shape.INT_OR_STRING:
            return _INT_OR_STRING
        case Shape.SCALAR if schema.type is Quantity:
            return _QUANTITY
        case Shape.SCALAR if schema.format in ("date-time", "micro-time"):
            return f"{_META}{'Time' if schema.format == 'date-time' else 'MicroTime'}"
        case Shape.UNION:
            other = schema.choices[1]
            names = other.items is not None and other.items.shape is Shape.SCALAR
            return f"{_DEFINITIONS}{_ALTERNATIVES[None if names else other.shape][0]}"
        case Shape.ANY if owner is meta_v1.ManagedFieldsEntry:
            return f"{_META}FieldsV1"
        case Shape.ANY:
            return f"{_DEFINITIONS}JSON" if owner.__module__ == apiextensions_v1.__name__ else _RAW_EXTENSION
    return None
