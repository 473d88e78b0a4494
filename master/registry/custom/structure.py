"""Whether a schema is structural: every field has one type, said outside of what combines schemas.

Source: Kubernetes' documentation of structural schemas, and apiextensions-apiserver's wording (package schema).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from master.registry import regexp
from timonel.api.fields import FieldError, Path, forbidden, invalid, required

Document = dict[str, Any]

JUNCTORS = ("allOf", "anyOf", "oneOf")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_NAMES = {"name", "generateName"}

_FORBIDDEN_INSIDE = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


class _Level(StrEnum):
    """Where a schema stands, as its missing type is complained of."""

    ROOT = "at the root"
    ITEM = "for specified array items"
    FIELD = "for specified object fields"


def structure_faults(schema: Document, path: Path) -> list[FieldError]:
    """What keeps a root schema from being structural, in order of the messages."""
    found = [*_faults(schema, path, _Level.ROOT), *_incomplete(schema, schema, path, path)]
    return sorted(found, key=str)


def _faults(schema: Document, path: Path, level: _Level) -> Iterator[FieldError]:
    yield from _shape_faults(schema, path, level)
    yield from _type_faults(schema, path, level)
    yield from _extension_faults(schema, path)
    yield from _value_faults(schema, path, int_or_string=True)
    if level is _Level.ROOT or schema.get("x-kubernetes-embedded-resource"):
        yield from _head_faults(schema, path, level)


def _shape_faults(schema: Document, path: Path, level: _Level) -> Iterator[FieldError]:
    """The schemas below."""
    items, additional = schema.get("items"), schema.get("additionalProperties")
    if schema.get("type") == "array" and items is None:
        yield required(path.child("items"), "must be specified")
    if isinstance(items, dict):
        yield from _faults(items, path.child("items"), _Level.ITEM)
    for name, inner in (schema.get("properties") or {}).items():
        yield from _faults(inner, path.child("properties").key(name), _Level.FIELD)
    if additional is not None:
        at = path.child("additionalProperties")
        if level is _Level.ROOT:
            yield forbidden(at, "must not be used at the root")
        if schema.get("x-kubernetes-embedded-resource"):
            yield forbidden(at, "must not be used if x-kubernetes-embedded-resource is set")
        if isinstance(additional, dict):
            yield from _faults(additional, at, _Level.FIELD)


def _type_faults(schema: Document, path: Path, level: _Level) -> Iterator[FieldError]:
    kind, at = schema.get("type", ""), path.child("type")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("x-kubernetes-embedded-resource") and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(at, kind, why) if kind else required(at, why)
    elif not kind and not free:
        yield required(at, f"must not be empty {level}")
    if level is _Level.ROOT and kind and kind != "object":
        yield invalid(at, kind, "must be object at the root")


def _extension_faults(schema: Document, path: Path) -> Iterator[FieldError]:
    if schema.get("x-kubernetes-int-or-string"):
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if schema.get(name):
                yield invalid(path.child(name), True, "must be false if x-kubernetes-int-or-string is true")
    is_bare = not schema.get("x-kubernetes-preserve-unknown-fields") and not schema.get("properties")
    if schema.get("x-kubernetes-embedded-resource") and is_bare:
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield required(path.child("properties"), why)


def _head_faults(schema: Document, path: Path, level: _Level) -> Iterator[FieldError]:
    """Of a whole object, what is said of apiVersion, kind and metadata."""
    properties, at = schema.get("properties") or {}, path.child("properties")
    for name in ("kind", "apiVersion"):
        if name in properties and properties[name].get("type") != "string":
            yield invalid(at.key(name).child("type"), properties[name].get("type", ""), "must be string")
    metadata = properties.get("metadata")
    if metadata is None:
        return
    if metadata.get("type") != "object":
        yield invalid(at.key("metadata").child("type"), metadata.get("type", ""), "must be object")
    said = {name for name in metadata if name not in ("type", "default")}
    only_names = said <= {"properties"} and set(metadata.get("properties") or {}) <= _NAMES
    if level is _Level.ROOT and not only_names:
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(at.key("metadata"), why)


# What combines schemas


def _value_faults(schema: Document, path: Path, *, int_or_string: bool) -> Iterator[FieldError]:
    """What stands under allOf and the like must ask of values only; an int-or-string may be spelt out there."""
    for junctor in JUNCTORS:
        choices = schema.get(junctor) or []
        if junctor == "anyOf" and int_or_string and choices == _INT_OR_STRING:
            continue
        for index, choice in enumerate(choices):
            spelt_out = junctor == "allOf" and index == 0 and int_or_string
            yield from _inner_faults(choice, path.child(junctor).index(index), int_or_string=spelt_out)
    if isinstance(schema.get("not"), dict):
        yield from _inner_faults(schema["not"], path.child("not"))
    if schema.get("pattern"):
        yield from _pattern_faults(schema["pattern"], path.child("pattern"))


def _pattern_faults(pattern: str, path: Path) -> Iterator[FieldError]:
    try:
        regexp.compiled(pattern)
    except regexp.BadPattern as error:
        yield invalid(path, pattern, f"must be a valid regular expression, but isn't: {error}")


def _inner_faults(schema: Document, path: Path, *, int_or_string: bool = False) -> Iterator[FieldError]:
    yield from _value_faults(schema, path, int_or_string=int_or_string)
    if isinstance(schema.get("items"), dict):
        yield from _inner_faults(schema["items"], path.child("items"))
    for name, inner in (schema.get("properties") or {}).items():
        at = path.child("properties").key(name)
        if name == "metadata":
            yield forbidden(at, "must not be specified in a nested context")
        yield from _inner_faults(inner, at)
    for name, why in _FORBIDDEN_INSIDE.items():
        if schema.get(name):
            yield forbidden(path.child(name), why)


def _incomplete(schema: Document, outer: Document, path: Path, outer_path: Path) -> Iterator[FieldError]:
    """What stands under allOf and the like must be specified outside of them too."""
    for junctor in JUNCTORS:
        for index, choice in enumerate(schema.get(junctor) or []):
            yield from _unspecified(choice, outer, path.child(junctor).index(index), outer_path)
    if isinstance(schema.get("not"), dict):
        yield from _unspecified(schema["not"], outer, path.child("not"), outer_path)
    if schema is not outer:
        return
    for name, inner in (schema.get("properties") or {}).items():
        at = path.child("properties").key(name)
        yield from _incomplete(inner, inner, at, at)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _incomplete(schema[name], schema[name], path.child(name), path.child(name))


def _unspecified(inner: Document, outer: Document, path: Path, outer_path: Path) -> Iterator[FieldError]:
    because = f"because it is defined in {path}"
    properties = outer.get("properties") or {}
    for name, schema in (inner.get("properties") or {}).items():
        at = outer_path.child("properties").key(name)
        if name not in properties:
            yield required(at, f"{because}.properties[{name}]")
        else:
            yield from _unspecified(schema, properties[name], path.child("properties").key(name), at)
    items = inner.get("items")
    if isinstance(items, dict):
        if not isinstance(outer.get("items"), dict):
            yield required(outer_path.child("items"), f"{because}.items")
        else:
            yield from _unspecified(items, outer["items"], path.child("items"), outer_path.child("items"))
    yield from _incomplete(inner, outer, path, outer_path)
