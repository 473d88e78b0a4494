"""What a definition's schema may say, beside being structural: keywords, lists and maps, defaults, CEL rules.

Source: Kubernetes' apiextensions-apiserver, package validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from master.registry.cel.effort import REQUEST_BYTES, most_items
from master.registry.custom import values
from master.registry.custom.pruning import pruned
from master.registry.custom.rules import REASONS, Costs, field_path_steps, rule_faults
from master.registry.custom.schema import MISSING, Structural, compiled
from master.registry.custom.structure import JUNCTORS, structure_faults
from master.registry.validation.common import repeats
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required

Document = dict[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_HEAD = ("apiVersion", "kind", "metadata")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a schema one stands, and what that forbids."""

    no_default: str = ""
    """Why no default may stand here; empty where one may."""
    in_metadata: bool = False
    uncorrelated: Path | None = None
    """The list whose items cannot be told apart between two states of an object; None outside of such."""
    times: int = 1
    """How many values may stand here in one object."""

    def within(self, node: Structural) -> _Place:
        """The place of the items of a list or map."""
        return replace(self, times=min(self.times * most_items(node), REQUEST_BYTES))


def schema_faults(schema: Document, path: Path) -> Iterator[FieldError]:
    """The faults of a root schema."""
    if schema.get("nullable"):
        yield forbidden(path.child("nullable"), "nullable cannot be true at the root")
    structural = structure_faults(schema, path)
    yield from structural
    found = list(_keyword_faults(schema, path, _Place(), is_root=True))
    yield from found
    if structural or found:
        return
    root = compiled(schema)
    yield from _default_faults(root, path)
    costs = Costs()
    yield from _all_rule_faults(root, path, _Place(), costs, is_root=True)
    yield from costs.faults(path)


# Keywords


def _keyword_faults(schema: Document, path: Path, place: _Place, *, is_root: bool = False) -> Iterator[FieldError]:
    yield from _own_faults(schema, path, place)
    yield from _list_faults(schema, path)
    yield from _rule_form_faults(schema, path)
    for name, inner in (schema.get("properties") or {}).items():
        below = place
        if (is_root or schema.get("x-kubernetes-embedded-resource")) and name in _HEAD:
            below = replace(place, in_metadata=True)
            if is_root:
                below = replace(below, no_default=f"in top-level {name}")
        yield from _keyword_faults(inner, path.child("properties").key(name), below)
    additional, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(additional, dict):
        why = "inside additionalProperties applying to object metadata"
        below = replace(place, no_default=why) if place.in_metadata else place
        yield from _keyword_faults(additional, path.child("additionalProperties"), below)
    if isinstance(items, dict):
        yield from _keyword_faults(items, path.child("items"), place)
    for junctor in JUNCTORS:
        for index, choice in enumerate(schema.get(junctor) or []):
            yield from _keyword_faults(choice, path.child(junctor).index(index), place)
    if isinstance(schema.get("not"), dict):
        yield from _keyword_faults(schema["not"], path.child("not"), place)


def _own_faults(schema: Document, path: Path, place: _Place) -> Iterator[FieldError]:
    kind = schema.get("type")
    if kind and kind not in TYPES:
        yield not_supported(path.child("type"), kind, TYPES)
    if kind == "null":
        yield forbidden(path.child("type"), "type cannot be set to null, use nullable as an alternative")
    if "default" in schema and place.no_default:
        yield forbidden(path.child("default"), f"must not be set {place.no_default}")
    for name in _UNSUPPORTED:
        if schema.get(name) not in (None, [], {}):
            yield forbidden(path.child(name), f"{name} is not supported")
    if isinstance(schema.get("items"), list):
        yield forbidden(path.child("items"), "items must be a schema object and not an array")
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(path.child("uniqueItems"), why)
    additional = schema.get("additionalProperties")
    if schema.get("properties") and additional not in (None, True):
        why = "additionalProperties and properties are mutual exclusive"
        yield forbidden(path.child("additionalProperties"), why)
    elif additional is False:
        yield forbidden(path.child("additionalProperties"), "additionalProperties cannot be set to false")
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield invalid(path.child("x-kubernetes-preserve-unknown-fields"), False, "must be true or undefined")
    if place.in_metadata and schema.get("x-kubernetes-embedded-resource"):
        yield forbidden(path.child("x-kubernetes-embedded-resource"), "must not be used inside of resource meta")


# Lists and maps


def _list_faults(schema: Document, path: Path) -> Iterator[FieldError]:
    map_type, list_type = schema.get("x-kubernetes-map-type"), schema.get("x-kubernetes-list-type")
    if map_type is not None:
        yield from _needs_type(schema, path, "object", "x-kubernetes-map-type")
        if map_type not in ("atomic", "granular"):
            yield not_supported(path.child("x-kubernetes-map-type"), map_type, ("atomic", "granular"))
    if list_type not in (None, "atomic", "set", "map"):
        yield not_supported(path.child("x-kubernetes-list-type"), list_type, ("atomic", "set", "map"))
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if keys and list_type != "map":
        at, why = path.child("x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty"
        yield required(at, why) if list_type is None else invalid(at, list_type, why)
    if list_type is None:
        return
    yield from _needs_type(schema, path, "array", "x-kubernetes-list-type")
    items = schema.get("items")
    if list_type in ("set", "map") and isinstance(items, dict) and items.get("nullable"):
        why = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        yield forbidden(path.child("items", "nullable"), why)
    if list_type == "set" and isinstance(items, dict):
        yield from _set_faults(items, path.child("items"))
    if list_type == "map":
        yield from _list_map_faults(items, keys, path)


def _needs_type(schema: Document, path: Path, wanted: str, extension: str) -> Iterator[FieldError]:
    kind = schema.get("type", "")
    if kind != wanted:
        why = f"must be {wanted} if {extension} is specified"
        yield invalid(path.child("type"), kind, why) if kind else required(path.child("type"), why)


def _set_faults(items: Document, path: Path) -> Iterator[FieldError]:
    why = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        yield invalid(path.child("x-kubernetes-list-type"), items["x-kubernetes-list-type"], why)
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        yield invalid(path.child("x-kubernetes-map-type"), items.get("x-kubernetes-map-type"), why)


def _list_map_faults(items: Any, keys: list[str], path: Path) -> Iterator[FieldError]:
    at = path.child("x-kubernetes-list-map-keys")
    if not keys:
        yield required(at, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        yield required(path.child("items"), "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid(path.child("items", "type"), items.get("type", ""), why)
        return
    properties, wanted = items.get("properties") or {}, items.get("required") or []
    required_keys, again = set(wanted), repeats(keys)
    for index, key in enumerate(keys):
        if again[index]:
            yield invalid(at, keys, "must not contain duplicate entries")
        if key not in properties:
            yield invalid(at, keys, "entries must all be names of item properties")
            continue
        yield from _key_faults(properties[key], path.child("items", "properties").key(key), key in required_keys)


def _key_faults(schema: Document, path: Path, is_required: bool) -> Iterator[FieldError]:
    if schema.get("type") in ("array", "object"):
        why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        yield invalid(path.child("type"), schema["type"], why)
    if not is_required and schema.get("default") is None:
        why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        yield required(path.child("default"), why)
    if schema.get("nullable"):
        why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
        yield forbidden(path.child("nullable"), why)


# Defaults


def _default_faults(node: Structural, path: Path) -> Iterator[FieldError]:
    """A default must itself be a value of its schema, without what pruning would drop."""
    if not node.has_defaults:
        return
    if node.default is not MISSING:
        at = path.child("default")
        dropped: list[str] = []
        pruned(node, node.default, root=node.embedded, dropped=dropped)
        for name in dropped:
            yield invalid(at, node.default, f"must not have unknown fields, as {name} is")
        for fault in values.faults(node.raw, node.default):
            yield replace(fault, field=at if fault.field == values.NOWHERE else at.child(fault.field))
    for name, inner in node.properties.items():
        yield from _default_faults(inner, path.child("properties").key(name))
    if node.items:
        yield from _default_faults(node.items, path.child("items"))
    if node.additional:
        yield from _default_faults(node.additional, path.child("additionalProperties"))


# CEL rules


def _rule_form_faults(schema: Document, path: Path) -> Iterator[FieldError]:
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or []):
        at = path.child("x-kubernetes-validations").index(index)
        text, message = rule.get("rule", "").strip(), rule.get("message", "")
        if not text:
            yield required(at.child("rule"), "rule is not specified")
        elif message and not message.strip():
            yield invalid(at.child("message"), message, "message must be non-empty if specified")
        elif "\n" in message.strip():
            yield invalid(at.child("message"), message, "message must not contain line breaks")
        elif "\n" in text and not message.strip():
            yield required(at.child("message"), "message must be specified if rule contains line breaks")
        expression = rule.get("messageExpression")
        if expression and not expression.strip():
            yield required(at.child("messageExpression"), "messageExpression must be non-empty if specified")
        if rule.get("reason", REASONS[0]) not in REASONS:
            yield not_supported(at.child("reason"), rule["reason"], REASONS)
        if rule.get("fieldPath") and not _leads_somewhere(schema, rule["fieldPath"]):
            yield invalid(at.child("fieldPath"), rule["fieldPath"], "must be a valid path")


def _leads_somewhere(schema: Document, field_path: str) -> bool:
    node: Any = schema
    for step in field_path_steps(field_path) or [""]:
        node = (node.get("properties") or {}).get(step, node.get("additionalProperties"))
        if not isinstance(node, dict):
            return False
    return True


def _all_rule_faults(
    node: Structural, path: Path, place: _Place, costs: Costs, *, is_root: bool = False
) -> Iterator[FieldError]:
    if not node.has_rules:
        return
    if node.rules:
        yield from rule_faults(node, path, costs, is_object=is_root, uncorrelated=place.uncorrelated, times=place.times)
    for name, inner in node.properties.items():
        yield from _all_rule_faults(inner, path.child("properties").key(name), place, costs)
    if node.additional:
        yield from _all_rule_faults(node.additional, path.child("additionalProperties"), place.within(node), costs)
    if node.items:
        apart = place.uncorrelated or (None if node.list_type == "map" else path)
        below = replace(place.within(node), uncorrelated=apart)
        yield from _all_rule_faults(node.items, path.child("items"), below, costs)
