"""Rules of schemas: of values, of changes, with messages of their own."""

from typing import Any

import pytest

from master.registry.custom.rules import Asker, Costs, rule_faults
from master.registry.custom.schema import MISSING, compiled
from timonel.api.fields import Path


def asker(*rules: dict[str, Any], **more: Any) -> Asker:
    spec = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, **more},
        "x-kubernetes-validations": list(rules),
    }
    return Asker(compiled({"type": "object", "properties": {"spec": spec}}))


def asked(made: Asker, value: Any, old: Any = MISSING) -> list[str]:
    return [str(fault) for fault in made.faults({"spec": value}, old if old is MISSING else {"spec": old})]


RULES: list[tuple[dict[str, Any], Any, Any, list[str]]] = [
    ({"rule": "self.a < self.b"}, {"a": 1, "b": 2}, MISSING, []),
    (
        {"rule": "self.a < self.b"},
        {"a": 2, "b": 1},
        MISSING,
        ["spec: Invalid value: failed rule: self.a < self.b"],
    ),
    (
        {"rule": "self.a < self.b", "message": "a is small"},
        {"a": 2, "b": 1},
        MISSING,
        ["spec: Invalid value: a is small"],
    ),
    (
        {"rule": "self.a < self.b", "messageExpression": "'a is ' + string(self.a)", "fieldPath": ".a"},
        {"a": 2, "b": 1},
        MISSING,
        ["spec.a: Invalid value: a is 2"],
    ),
    (
        {"rule": "self.a < self.b", "messageExpression": "string(1 / (self.a - self.a))", "message": "a is small"},
        {"a": 2, "b": 1},
        MISSING,
        ["spec: Invalid value: a is small"],
    ),
    (
        {"rule": "self.a == 1", "reason": "FieldValueForbidden", "message": "no"},
        {"a": 2},
        MISSING,
        ["spec: Forbidden: no"],
    ),
    (
        {"rule": "self.a == 1", "reason": "FieldValueRequired", "message": "no"},
        {"a": 2},
        MISSING,
        ["spec: Required value: no"],
    ),
    (
        {"rule": "self.a == 1"},
        {"b": 2},
        MISSING,
        ['spec: Invalid value: "object": no such key: a evaluating rule: self.a == 1'],
    ),
    ({"rule": "self.a >= oldSelf.a", "message": "a grows"}, {"a": 1}, MISSING, []),
    (
        {"rule": "self.a >= oldSelf.a", "message": "a grows"},
        {"a": 1},
        {"a": 2},
        ["spec: Invalid value: a grows"],
    ),
    (
        {"rule": "oldSelf.hasValue() || self.a == 0", "optionalOldSelf": True, "message": "begins at 0"},
        {"a": 1},
        MISSING,
        ["spec: Invalid value: begins at 0"],
    ),
    ({"rule": "oldSelf.hasValue() || self.a == 0", "optionalOldSelf": True}, {"a": 1}, {"a": 0}, []),
    ({"rule": "self.a < 1"}, {"a": 5}, {"a": 5}, []),
]


@pytest.mark.parametrize(("rule", "value", "old", "messages"), RULES)
def test_rules(rule: dict[str, Any], value: Any, old: Any, messages: list[str]) -> None:
    assert asked(asker(rule), value, old) == messages


def test_rules_of_items_and_of_maps() -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.n >= oldSelf.n", "message": "n grows"}],
    }
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    positive = {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "message": "positive"}]}
    made = asker(
        items={"type": "array", "items": item, **keyed}, sizes={"type": "object", "additionalProperties": positive}
    )
    new = {"items": [{"name": "new", "n": 0}, {"name": "old", "n": 1}], "sizes": {"x": 0, "y": 1}}
    assert asked(made, new, {"items": [{"name": "old", "n": 2}]}) == [
        "spec.items[1]: Invalid value: n grows",
        "spec.sizes[x]: Invalid value: 0: positive",
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"rule": "self.c == 1"}, "compilation failed: ERROR: <input>:1:5: undefined field 'c'"),
        ({"rule": "self.a"}, "must evaluate to a bool"),
        ({"rule": "self.a == 1", "messageExpression": "self.a"}, "messageExpression must evaluate to a string"),
        ({"rule": "self.a == 1", "messageExpression": "1 +"}, "messageExpression compilation failed: ERROR"),
        ({"rule": "self.a == 1", "optionalOldSelf": True}, "may not be set if oldSelf is not used in rule"),
    ],
)
def test_rules_that_are_none(rule: dict[str, Any], message: str) -> None:
    node = asker(rule).root.properties["spec"]
    (fault,) = rule_faults(node, Path("spec"), Costs())
    assert message in str(fault)


def test_items_without_keys_have_no_past() -> None:
    node = asker({"rule": "self.a == oldSelf.a"}).root.properties["spec"]
    (fault,) = rule_faults(node, Path("items"), Costs(), uncorrelated=Path("list"))
    assert "oldSelf cannot be used on the uncorrelatable portion of the schema within list" in str(fault)


@pytest.mark.parametrize(
    ("field_path", "shown"),
    [(".a", "spec.a"), ("['a.b']", "spec.a.b"), (".table['k']", "spec.table[k]"), (".table.k", "spec.table[k]")],
)
def test_paths_of_faults(field_path: str, shown: str) -> None:
    text = {"type": "string"}
    more = {"a.b": text, "table": {"type": "object", "additionalProperties": text}}
    made = asker({"rule": "self.a == 1", "message": "no", "fieldPath": field_path}, **more)
    assert asked(made, {"a": 2}) == [f"{shown}: Invalid value: no"]


def test_what_a_message_costs_counts() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    dear = {"rule": "self.size() < 3", "messageExpression": "self.exists(a, a in self) ? 'a' : 'b'"}
    node = compiled({**schema, "x-kubernetes-validations": [dear]})
    (fault,) = rule_faults(node, Path("items"), Costs())
    assert fault.field == "items.x-kubernetes-validations[0].messageExpression"
    assert fault.detail.startswith("estimated messageExpression cost exceeds budget by factor of more than 100x")
