"""What rules cost at worst: by how much each, asked of 200,000 items, is too expensive to a Kubernetes of v1.35."""

import time

import pytest

from master.registry.cel.environment import Environment, TooExpensive
from master.registry.custom.schema import compiled
from master.registry.custom.schemarules import schema_faults
from timonel.api.fields import Path

TEXT, INTEGER = {"type": "string"}, {"type": "integer"}
ITEM = {
    "type": "object",
    "properties": {
        "n": INTEGER,
        "s": {**TEXT, "maxLength": 1000},
        "t": {**TEXT, "maxLength": 500},
        "u": {**TEXT, "maxLength": 10},
        "d": {**TEXT, "format": "duration"},
        "q": {"x-kubernetes-int-or-string": True},
        "l": {"type": "array", "maxItems": 100, "items": {**TEXT, "maxLength": 5}},
        "li": {"type": "array", "maxItems": 50, "items": INTEGER},
        "mp": {"type": "object", "maxProperties": 20, "additionalProperties": {**TEXT, "maxLength": 7}},
    },
}
ITEMS = {"type": "array", "maxItems": 200_000, "items": ITEM}
BUDGET = "estimated rule cost exceeds budget by factor of "


@pytest.mark.parametrize(
    ("expression", "factor"),
    [
        ("i.s == i.t", "4.1x"),
        ("i.s.contains(i.u)", "32.1x"),
        ("i.s.startsWith(i.t)", "4.1x"),
        ("i.s.matches('abcdefghij')", "24.2x"),
        ("i.s.matches(i.u)", "80.3x"),
        ("i.s + i.t == 'a'", "12.2x"),
        ("i.u in i.l", "2.1x"),
        ("i.n in i.li", "1.140000x"),
        ("i.l.all(y, y == 'a')", "10.1x"),
        ("i.l.exists(y, y == 'a')", "12.1x"),
        ("i.l.exists_one(y, y == 'a')", "8.1x"),
        ("i.l.map(y, y).size() == 1", "26.4x"),
        ("i.l.filter(y, y == 'a').size() == 1", "30.4x"),
        ("i.l.map(y, y + 'a').all(z, z == 'a')", "40.3x"),
        ("i.l.all(y, i.l.exists(z, z == y))", "more than 100x"),
        ("i.mp.all(k, i.mp[k] == 'a')", "3.3x"),
        ("i.mp.all(k, v, v == 'a')", "2.1x"),
        ("i.q == i.q", "more than 100x"),
        ("i.q == 1", ""),
        ("i.d == i.d", ""),
        ("i.s.lowerAscii() == i.s", "16.1x"),
        ("i.s.replace('a', 'b') == 'b'", "16.1x"),
        ("i.s.split('.').all(z, z == 'a')", "more than 100x"),
        ("i.s.find('abcdefghij') == 'a'", "24.2x"),
        ("url(i.s).getHost() == 'a'", "8.1x"),
        ("quantity(i.s).isGreaterThan(quantity('1'))", "8.1x"),
        ("i.li.sum() == 1", "1.120000x"),
        ("i.l.isSorted()", "6.1x"),
        ("i.l.indexOf('a') == 1", "6.1x"),
        ("i.l.join(',') == 'a'", "4.3x"),
        ("sets.contains(i.l, ['a', 'b'])", "4.3x"),
        ("format.dns1123Label().validate(i.u).hasValue()", "2.7x"),
        ("i.n > 1 ? i.s == i.t : i.s == 'a'", "4.2x"),
        ("has(i.s) && has(i.t)", ""),
    ],
)
def test_by_how_much_a_rule_is_too_expensive(expression: str, factor: str) -> None:
    rules = [{"rule": f"self.x.all(i, {expression})"}]
    schema = {"type": "object", "properties": {"x": ITEMS}, "x-kubernetes-validations": rules}
    told = [fault.detail for fault in schema_faults(schema, Path("schema")) if BUDGET in fault.detail]
    assert [each.removeprefix(BUDGET).split(" (")[0] for each in told] == ([factor] if factor else [])


def test_what_rules_cost_together() -> None:
    rules = [{"rule": "self.x.all(i, i.s == i.t)"}] * 3
    below = {"type": "object", "properties": {"x": {**ITEMS, "maxItems": 40_000}}, "x-kubernetes-validations": rules}
    schema = {"type": "object", "properties": {"y": {"type": "array", "maxItems": 5, "items": below}}}
    told = [(fault.field, fault.detail.split(" (")[0]) for fault in schema_faults(schema, Path("schema"))]
    dear = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
    at = "schema.properties[y].items.x-kubernetes-validations"
    assert told[-4:] == [
        *((f"{at}[{index}].rule", dear) for index in range(3)),
        (
            "schema",
            "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by "
            "factor of 1.242000x",
        ),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "['aaaaaaaaaa']" + ".map(x, x + x)" * 25 + "[0].size() > 0",
        "'a'" + ".replace('a', 'aaaaaaaaaa')" * 12 + ".size() > 1",
        "lists.range(2900).map(x, 'a').join(lists.range(900).map(x, 'aaaaaaaaaaaaaaaaa').join('aaaaa')).size() > 1",
        "lists.range(9000).map(x, x).size() > 1",
        "lists.range(9000).transformMap(i, v, v).size() > 1",
        "lists.range(9000000000).size() > 1",
        "lists.range(200).all(a, lists.range(200).all(b, a + b >= 0))",
    ],
)
def test_what_explodes_ends_soon(expression: str) -> None:
    began = time.monotonic()
    with pytest.raises(TooExpensive):
        Environment({}).compile(expression).run({})
    assert time.monotonic() - began < 5  # on a busy machine; without its bound it takes much longer


def test_items_of_a_schema() -> None:
    from master.registry.cel.effort import most_items

    assert most_items(compiled({"type": "array", "items": TEXT})) == 1024 * 1024
