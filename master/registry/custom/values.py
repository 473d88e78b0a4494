"""What a schema asks of values, in Kubernetes' words: types, ranges, lengths, patterns, enumerations, combinations.

Works on the schema as JSON, since what stands under allOf, anyOf, oneOf and not has no shape of its own.
Source: Kubernetes' kube-openapi validation, and apiextensions-apiserver's wording of its errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from master.registry import regexp
from master.registry.custom import formats
from master.registry.custom.schema import MISSING, Structural
from master.registry.validation.meta import validate_common
from timonel.api import codec, names
from timonel.api.errors import BadRequest
from timonel.api.fields import (
    OMITTED,
    FieldError,
    Path,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
    type_invalid,
)
from timonel.api.types.meta_v1 import ObjectMeta

Document = dict[str, Any]

NOWHERE = Path("<nil>")
"""The path of faults that Kubernetes gives none."""


def faults(schema: Document, value: Any, path: str = "", old: Any = MISSING) -> Iterator[FieldError]:
    """The faults of a value, its members' included; what is as it was in ``old`` is not looked at again."""
    if (value is None and schema.get("nullable")) or (old is not MISSING and _equal(value, old)):
        return
    wrong_type = _type_fault(schema, value, path)
    if wrong_type:
        yield wrong_type
    if value is None:
        return
    yield from _enum_faults(schema, value, path)
    match value:
        case str():
            yield from _string_faults(schema, value, path)
        case bool():
            pass
        case int() | float():
            yield from _number_faults(schema, value, path)
        case list():
            yield from _list_faults(schema, value, path, old)
        case dict():
            yield from _map_faults(schema, value, path, old)
    yield from _combined_faults(schema, value, path)


def type_of(value: Any) -> str:
    """The value's type, as JSON Schema names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _at(path: str) -> Path:
    return Path(path) if path else NOWHERE


def _type_fault(schema: Document, value: Any, path: str) -> FieldError | None:
    wanted = ["integer", "string"] if schema.get("x-kubernetes-int-or-string") else [schema.get("type")]
    actual = type_of(value)
    if wanted == [None]:
        return None
    if actual in wanted or (actual == "integer" and "number" in wanted):
        return None
    words = ",".join(str(each) for each in wanted)
    if wanted == ["string"] and value is not None and formats.is_known(schema.get("format", "")):
        words, actual = schema["format"], {"integer": "int64", "number": "float64"}.get(actual, "")
    return type_invalid(_at(path), actual, f'{path} in body must be of type {words}: "{actual}"')


def _enum_faults(schema: Document, value: Any, path: str) -> Iterator[FieldError]:
    allowed = schema.get("enum")
    if allowed and not any(_equal(value, each) for each in allowed):
        texts = [each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in allowed]
        yield not_supported(_at(path), value, texts)


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _string_faults(schema: Document, value: str, path: str) -> Iterator[FieldError]:
    most, least, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if most is not None and len(value) > most:
        yield too_long(_at(path), most)
    elif least is not None and len(value) < least:
        yield invalid(_at(path), value, f"{path} in body should be at least {least} chars long")
    elif pattern and not regexp.found(pattern, value):
        yield invalid(_at(path), value, f"{path} in body should match '{pattern}'")
    wanted = schema.get("format")
    if wanted and not formats.fits(wanted, value):
        text = msgspec.json.encode(value).decode()
        yield type_invalid(_at(path), value, f"{path} in body must be of type {wanted}: {text}")


def _number_faults(schema: Document, value: int | float, path: str) -> Iterator[FieldError]:
    most, least, unit = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if unit and not _is_multiple(value, unit):
        yield invalid(_at(path), value, f"{path} in body should be a multiple of {_number(unit)}")
    if most is not None:
        open_end = schema.get("exclusiveMaximum")
        if value > most or (open_end and value == most):
            words = "less than" if open_end else "less than or equal to"
            yield invalid(_at(path), value, f"{path} in body should be {words} {_number(most)}")
    if least is not None:
        open_end = schema.get("exclusiveMinimum")
        if value < least or (open_end and value == least):
            words = "greater than" if open_end else "greater than or equal to"
            yield invalid(_at(path), value, f"{path} in body should be {words} {_number(least)}")


def _number(value: int | float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _is_multiple(value: int | float, unit: int | float) -> bool:
    if isinstance(value, int) and isinstance(unit, int):
        return value % unit == 0
    return float(value / unit).is_integer()


def _list_faults(schema: Document, value: list[Any], path: str, old: Any) -> Iterator[FieldError]:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield too_many(_at(path), len(value), most)
    if least is not None and len(value) < least:
        yield invalid(_at(path), len(value), f"{path} in body should have at least {least} items")
    items = schema.get("items")
    if isinstance(items, dict):
        for index, (item, was) in enumerate(zip(value, old_items(schema, value, old), strict=True)):
            yield from faults(items, item, f"{path}[{index}]", was)


def old_items(schema: Document, value: list[Any], old: Any) -> list[Any]:
    """For each item its old state, by the keys of a list-map; MISSING where it had none or cannot be told."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(old, list):
        return [MISSING] * len(value)
    known = {_key_of(item, keys): item for item in old}
    return [known.get(_key_of(item, keys), MISSING) for item in value]


def _key_of(item: Any, keys: list[str]) -> bytes:
    shown = {key: item.get(key) for key in keys} if isinstance(item, dict) else item
    return msgspec.json.encode(shown, order="sorted")


def _map_faults(schema: Document, value: Document, path: str, old: Any) -> Iterator[FieldError]:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        yield too_many(_at(path), len(value), most)
    if least is not None and len(value) < least:
        yield invalid(_at(path), len(value), f"{path} in body should have at least {least} properties")
    for name in schema.get("required") or ():
        if name not in value:
            yield required(Path(f"{path}.{name}" if path else name))
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    before = old if isinstance(old, dict) else {}
    for name, item in value.items():
        inner = properties.get(name, additional)
        if isinstance(inner, dict):
            yield from faults(inner, item, f"{path}.{name}" if path else name, before.get(name, MISSING))


def _combined_faults(schema: Document, value: Any, path: str) -> Iterator[FieldError]:
    subject = f'"{path}"'
    if not schema.get("x-kubernetes-int-or-string") and schema.get("anyOf"):
        found = [list(faults(choice, value, path)) for choice in schema["anyOf"]]
        if all(found):
            yield _composite(f"{subject} must validate at least one schema (anyOf)")
            yield from min(found, key=len)
    if schema.get("oneOf"):
        found = [list(faults(choice, value, path)) for choice in schema["oneOf"]]
        valid = sum(not each for each in found)
        if valid != 1:
            count = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _composite(f"{subject} must validate one and only one schema (oneOf). {count}")
            if not valid:
                yield from min(found, key=len)
    wrong = [fault for choice in schema.get("allOf") or () for fault in faults(choice, value, path)]
    if wrong:
        yield _composite(f"{subject} must validate all the schemas (allOf)")
        yield from wrong
    if schema.get("not") is not None and not any(faults(schema["not"], value, path)):
        yield _composite(f"{subject} must not validate the schema (not)")


def _composite(message: str) -> FieldError:
    return invalid(NOWHERE, "", message)


# What the extensions ask


def extension_faults(node: Structural, value: Any, path: Path) -> Iterator[FieldError]:
    """Keys of list-maps and items of sets are unique; embedded objects say what they are."""
    match value:
        case list() if node.items is not None:
            yield from _duplicates(node, value, path)
            for index, item in enumerate(value):
                yield from extension_faults(node.items, item, path.index(index))
        case dict():
            if node.embedded:
                yield from _embedded_faults(value, path)
            for name, item in value.items():
                inner = node.properties.get(name) or node.additional
                if inner is not None:
                    yield from extension_faults(inner, item, path.child(name))


def _duplicates(node: Structural, value: list[Any], path: Path) -> Iterator[FieldError]:
    shown = _item_identity(node)
    if shown is None:
        return
    seen: set[bytes] = set()
    for index, item in enumerate(value):
        if node.list_type == "map" and not isinstance(item, dict):
            yield invalid(path.index(index), item, "must be an object for an array of list-type map")
            continue
        identity = shown(item)
        text = msgspec.json.encode(identity, order="sorted")
        if text in seen:
            yield duplicate(path.index(index), identity)
        seen.add(text)


def _item_identity(node: Structural) -> Callable[[Any], Any] | None:
    """What tells the items of a list apart; None where nothing has to."""
    if node.list_type == "set":
        return lambda item: item
    if node.list_type == "map":
        return lambda item: {key: item[key] for key in node.list_keys if key in item}
    return None


def _embedded_faults(value: Document, path: Path) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        text = value.get(name)
        if text is None:
            yield required(path.child(name))
        elif not isinstance(text, str):
            yield invalid(path.child(name), text, "must be a string")
        elif not text:
            yield invalid(path.child(name), "", "must not be empty")
        elif name == "kind" and (wrong := names.label_1035(text.lower())):
            why = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
            yield invalid(path.child(name), text, why)
    if "metadata" in value:
        at = path.child("metadata")
        try:
            yield from validate_common(codec.convert(ObjectMeta, value["metadata"]), at)
        except BadRequest as error:
            yield invalid(at, OMITTED, error.message)
