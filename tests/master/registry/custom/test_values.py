"""What schemas ask of values, with Kubernetes' messages."""

from typing import Any

import pytest

from master.registry.custom import values
from master.registry.custom.schema import compiled
from timonel.api.fields import Path


def of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": schema}}}}


ONE_OF = '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf).'

CASES: list[tuple[dict[str, Any], Any, list[str]]] = [
    ({"type": "integer"}, 1, []),
    ({"type": "integer"}, 1.0, []),
    ({"type": "number"}, 1, []),
    ({"type": "integer"}, "a", ['spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"']),
    (
        {"type": "integer"},
        True,
        ['spec.x: Invalid value: "boolean": spec.x in body must be of type integer: "boolean"'],
    ),
    ({"type": "string"}, None, ['spec.x: Invalid value: "null": spec.x in body must be of type string: "null"']),
    ({"type": "string", "nullable": True}, None, []),
    ({"x-kubernetes-int-or-string": True}, "5%", []),
    (
        {"x-kubernetes-int-or-string": True},
        [],
        ['spec.x: Invalid value: "array": spec.x in body must be of type integer,string: "array"'],
    ),
    ({"type": "string", "enum": ["a", "b"]}, "c", ['spec.x: Unsupported value: "c": supported values: "a", "b"']),
    ({"type": "integer", "enum": [1]}, 2, ['spec.x: Unsupported value: 2: supported values: "1"']),
    ({"type": "string", "pattern": "^a"}, "b", ["spec.x: Invalid value: \"b\": spec.x in body should match '^a'"]),
    (
        {"type": "string", "minLength": 2},
        "é",
        ['spec.x: Invalid value: "é": spec.x in body should be at least 2 chars long'],
    ),
    ({"type": "string", "maxLength": 1}, "ab", ["spec.x: Too long: may not be more than 1 byte"]),
    (
        {"type": "integer", "maximum": 3},
        4,
        ["spec.x: Invalid value: 4: spec.x in body should be less than or equal to 3"],
    ),
    (
        {"type": "number", "minimum": 0.5, "exclusiveMinimum": True},
        0.5,
        ["spec.x: Invalid value: 0.5: spec.x in body should be greater than 0.5"],
    ),
    ({"type": "integer", "multipleOf": 3}, 4, ["spec.x: Invalid value: 4: spec.x in body should be a multiple of 3"]),
    (
        {"type": "integer", "format": "int32"},
        2**31,
        [],  # of integers the format is only told, by Kubernetes too
    ),
    ({"type": "array", "items": {}, "maxItems": 1}, [1, 2], ["spec.x: Too many: 2: must have at most 1 item"]),
    (
        {"type": "array", "items": {}, "minItems": 1},
        [],
        ["spec.x: Invalid value: 0: spec.x in body should have at least 1 items"],
    ),
    (
        {"type": "array", "items": {"type": "string"}},
        ["a", 1],
        ['spec.x[1]: Invalid value: "integer": spec.x[1] in body must be of type string: "integer"'],
    ),
    ({"type": "object", "required": ["a", "b"]}, {"a": 1}, ["spec.x.b: Required value"]),
    ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 2}, ["spec.x: Too many: 2: must have at most 1 item"]),
    (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"k": "v"},
        ['spec.x.k: Invalid value: "string": spec.x.k in body must be of type integer: "string"'],
    ),
    (
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"a": 1, "b": 2},
        [f"{ONE_OF} Found 2 valid alternatives"],
    ),
    (
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {},
        [
            '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid',
            "spec.x.a: Required value",
        ],
    ),
    (
        {"type": "integer", "anyOf": [{"maximum": 1}, {"minimum": 5}]},
        3,
        [
            '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
            "spec.x: Invalid value: 3: spec.x in body should be less than or equal to 1",
        ],
    ),
    (
        {"type": "integer", "not": {"minimum": 5}},
        7,
        ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)'],
    ),
    ({"type": "integer", "allOf": [{"minimum": 1}, {"maximum": 9}]}, 5, []),
]


@pytest.mark.parametrize(("schema", "value", "messages"), CASES)
def test_faults(schema: dict[str, Any], value: Any, messages: list[str]) -> None:
    assert [str(fault) for fault in values.faults(of(schema), {"spec": {"x": value}})] == messages


FORMATS = [
    ("date-time", "2024-01-01T00:00:00Z", "yesterday"),
    ("date", "2024-01-01", "2024-13-01"),
    ("duration", "1h30m", "1 hour"),
    ("ipv4", "10.0.0.1", "10.0.0.256"),
    ("ipv6", "::1", "10.0.0.1"),
    ("cidr", "10.0.0.0/8", "10.0.0.0"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
    ("uri", "https://example.com", "::"),
    ("email", "a@example.com", "a"),
    ("hostname", "example.com", "-a"),
    ("byte", "aGVsbG8=", "a"),
    ("mac", "01:23:45:67:89:ab", "01:23"),
    ("isbn10", "0-306-40615-2", "0-306-40615-3"),
    ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
]


@pytest.mark.parametrize(("name", "good", "bad"), FORMATS)
def test_formats(name: str, good: str, bad: str) -> None:
    schema = of({"type": "string", "format": name})
    assert not list(values.faults(schema, {"spec": {"x": good}}))
    (fault,) = values.faults(schema, {"spec": {"x": bad}})
    assert str(fault) == f'spec.x: Invalid value: "{bad}": spec.x in body must be of type {name}: "{bad}"'


def test_what_was_wrong_before_may_stay_but_not_come() -> None:
    schema = of({"type": "object", "properties": {"a": {"type": "integer", "maximum": 1}, "b": {"type": "integer"}}})
    old = {"spec": {"x": {"a": 5, "b": 1}}}
    assert not list(values.faults(schema, {"spec": {"x": {"a": 5, "b": 2}}}, "", old))
    assert list(values.faults(schema, {"spec": {"x": {"a": 6, "b": 1}}}, "", old))


def test_items_of_list_maps_are_known_by_their_keys() -> None:
    item = {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer", "maximum": 1}}}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = of({"type": "array", "items": item, **keyed})
    old = {"spec": {"x": [{"name": "a", "n": 5}]}}
    moved = {"spec": {"x": [{"name": "b", "n": 1}, {"name": "a", "n": 5}]}}
    assert not list(values.faults(schema, moved, "", old))


def test_duplicates_in_sets_and_list_maps() -> None:
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    item = {"type": "object", "properties": {"name": {"type": "string"}}}
    schema = compiled(
        {
            "type": "object",
            "properties": {
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "ports": {"type": "array", "items": item, **keyed},
            },
        }
    )
    value = {"tags": ["a", "b", "a"], "ports": [{"name": "x"}, {"name": "x", "other": 1}]}
    assert [str(fault) for fault in values.extension_faults(schema, value, Path(""))] == [
        'tags[2]: Duplicate value: "a"',
        'ports[1]: Duplicate value: {"name":"x"}',
    ]


def test_embedded_objects_say_what_they_are() -> None:
    schema = compiled(
        {"type": "object", "properties": {"a": {"type": "object", "x-kubernetes-embedded-resource": True}}}
    )
    assert [str(fault) for fault in values.extension_faults(schema, {"a": {"kind": "K"}}, Path(""))] == [
        "a.apiVersion: Required value"
    ]
    whole = {"apiVersion": "", "kind": "A b", "metadata": {"labels": {"x": "a b"}}}
    found = [str(fault) for fault in values.extension_faults(schema, {"a": whole}, Path(""))]
    assert [text.partition(": Invalid value: ")[0] for text in found] == ["a.apiVersion", "a.kind", "a.metadata.labels"]
    assert "may have mixed case, but should otherwise match: a DNS-1035 label" in found[1]


def test_a_wrong_type_is_not_all_that_is_wrong() -> None:
    schema = of({"type": "string", "enum": ["a"]})
    assert [str(fault) for fault in values.faults(schema, {"spec": {"x": 7}})] == [
        'spec.x: Invalid value: "integer": spec.x in body must be of type string: "integer"',
        'spec.x: Unsupported value: 7: supported values: "a"',
    ]
    dated = of({"type": "string", "format": "date"})
    assert [str(fault) for fault in values.faults(dated, {"spec": {"x": 7}})] == [
        'spec.x: Invalid value: "int64": spec.x in body must be of type date: "int64"'
    ]


def test_no_pattern_makes_the_server_think_for_long() -> None:
    schema = of({"type": "string", "pattern": "^(a+)+$"})
    assert list(values.faults(schema, {"spec": {"x": "a" * 5000 + "b"}}))
