"""CEL: the language, Kubernetes' functions, types from schemas, and the bound on effort."""

from typing import Any

import pytest

from master.registry.cel.convert import converted
from master.registry.cel.declared import declared
from master.registry.cel.environment import CompileError, Environment, EvaluationError, TooExpensive
from master.registry.cel.names import escaped
from master.registry.custom.schema import compiled

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
SCHEMA = compiled(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "replicas": INTEGER,
                    "max-size": INTEGER,
                    "ratio": {"type": "number"},
                    "since": {"type": "string", "format": "date-time"},
                    "wait": {"type": "string", "format": "duration"},
                    "names": {"type": "array", "items": {"type": "object", "properties": {"name": STRING}}},
                    "table": {"type": "object", "additionalProperties": {"type": "array", "items": STRING}},
                    "either": {"x-kubernetes-int-or-string": True},
                    "grid": {"type": "array", "items": {"type": "array", "items": INTEGER}},
                    "namespace": STRING,
                },
            }
        },
    }
)
VALUE = {
    "apiVersion": "a/v1",
    "kind": "K",
    "metadata": {"name": "x", "labels": {"a": "b"}},
    "spec": {
        "replicas": 3,
        "max-size": 4,
        "ratio": 3,
        "since": "2024-01-01T00:00:00Z",
        "wait": "90s",
        "names": [{"name": "a"}, {"name": "b"}],
        "table": {"k": ["v"]},
        "either": "5%",
        "grid": [[1, 2], [3]],
        "namespace": "n",
    },
}


@pytest.fixture(scope="module")
def environment() -> Environment:
    types = declared(SCHEMA, is_object=True)
    return Environment({"self": types, "oldSelf": types})


def run(environment: Environment, expression: str) -> Any:
    value = converted(SCHEMA, VALUE, is_object=True)
    return environment.compile(expression).run({"self": value, "oldSelf": value})


TRUE = [
    "self.spec.replicas > 2",
    "self.spec.max__dash__size == 4",
    "self.spec.__namespace__ == 'n'",
    "self.spec.ratio / 2.0 == 1.5",
    "self.spec.since < timestamp('2025-01-01T00:00:00Z') && self.spec.since.getFullYear() == 2024",
    "self.spec.wait == duration('1m30s')",
    "self.spec.names.all(n, n.name.size() == 1)",
    "self.spec.names.map(n, n.name).join(',') == 'a,b'",
    "self.spec.table.all(k, self.spec.table[k].exists(v, v == 'v'))",
    "type(self.spec.either) == int ? self.spec.either < 5 : self.spec.either.contains('%')",
    "self.spec.grid[0][1] == 2",
    "self.metadata.name == 'x' && self.kind == 'K'",
    "has(self.spec.ratio) && !has(oldSelf.metadata.generateName)",
    "self.spec.?replicas.orValue(0) == 3",
    "self == oldSelf",
    "quantity('1Gi') == quantity('1024Mi') && quantity('1500m').isGreaterThan(quantity('1'))",
    "quantity('1').add(quantity('500m')).compareTo(quantity('1.5')) == 0 && quantity('2k').asInteger() == 2000",
    "isQuantity('1Gi') && !isQuantity('big')",
    "[1, 2, 3].sum() == 6 && [3, 1].min() == 1 && ['a', 'b'].max() == 'b' && [1.5].sum() == 1.5",
    "[1, 2].isSorted() && !['b', 'a'].isSorted()",
    "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1]) && !sets.intersects([1], [2])",
    "'abc 123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
    "url('https://user@example.com:80/p').getHost() == 'example.com:80' && isURL('https://a/b') && !isURL('nope')",
    "url('https://example.com:80/p').getPort() == '80' && url('https://[::1]:80/p').getHostname() == '::1'",
    "ip('10.0.0.1').family() == 4 && isIP('::1') && !isIP('10.0.0.256') && ip.isCanonical('::1')",
    "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))",
    "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.0.0.0/8').prefixLength() == 8",
    "'%s is %d'.format(['a', 1]) == 'a is 1' && 'A'.lowerAscii() == 'a' && 'a-b'.split('-')[1] == 'b'",
]


@pytest.mark.parametrize("expression", TRUE)
def test_true(environment: Environment, expression: str) -> None:
    assert run(environment, expression) is True


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("self.spec.nope == 1", "ERROR: <input>:1:10: undefined field 'nope'\n | self.spec.nope == 1\n | .........^"),
        ("self.spec.names.all(n, n.nope == '')", "undefined field 'nope'"),
        ("self.metadata.labels", "undefined field 'labels'"),
        ("self.spec.replicas + 'a'", r"found no matching overload for '_\+_' applied to '\(int, string\)'"),
        ("quantity('1').contains('x')", "found no matching overload"),
        ("1 +", "Syntax error"),
        ("other == 1", "undeclared reference to 'other'"),
    ],
)
def test_what_does_not_compile(environment: Environment, expression: str, fault: str) -> None:
    with pytest.raises(CompileError, match=fault):
        environment.compile(expression)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("self.spec.replicas / 0 == 1", "division by zero"),
        ("self.spec.names[7].name == ''", "index out of bounds: 7"),
        ("self.spec.table['none'].size() == 0", "no such key: none"),
        ("9223372036854775807 + self.spec.replicas == 1", "integer overflow"),
        ("quantity('big') == quantity('1')", "quantities must match"),
    ],
)
def test_what_has_no_value(environment: Environment, expression: str, fault: str) -> None:
    with pytest.raises(EvaluationError, match=fault):
        run(environment, expression)


def test_effort_is_bounded(environment: Environment) -> None:
    numbers = f"[{', '.join(map(str, range(200)))}]"
    with pytest.raises(TooExpensive):
        run(environment, f"{numbers}.all(a, {numbers}.all(b, a + b >= 0))")


def test_an_optional_variable() -> None:
    types = declared(SCHEMA, is_object=True)
    environment = Environment({"self": types, "oldSelf": types}, optional="oldSelf")
    program = environment.compile("!oldSelf.hasValue() || oldSelf.value().spec.replicas < self.spec.replicas")
    value = converted(SCHEMA, VALUE, is_object=True)
    assert program.run({"self": value, "oldSelf_": None, "has_oldSelf_": False}) is True
    assert program.run({"self": value, "oldSelf_": value, "has_oldSelf_": True}) is False
    with pytest.raises(
        CompileError, match=r"<input>:1:21: undefined field 'nope'\n \| oldSelf.value\(\).spec.nope == 1"
    ):
        environment.compile("oldSelf.value().spec.nope == 1")


def test_names() -> None:
    assert [escaped(name) for name in ("a", "a-b", "a.b", "a/b", "a__b", "for", "1a", "a b")] == [
        "a",
        "a__dash__b",
        "a__dot__b",
        "a__slash__b",
        "a__underscores__b",
        "__for__",
        None,
        None,
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "[1, 2, 3].slice(1, 3) == [2, 3] && [1, 1, 2].distinct() == [1, 2] && [3, 1].sort() == [1, 3]",
        "lists.range(3) == [0, 1, 2]",
        "isSemver('1.2.3-rc.1') && !isSemver('1.2') && semver('1.2.3').minor() == 2",
        "semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && semver('1.10.0').isGreaterThan(semver('1.9.0'))",
        "semver('1.0.0').compareTo(semver('1.0.0+build')) == 0 && quantity('1').isLessThan(quantity('2'))",
        "jsonpatch.escapeKey('a/b~c') == 'a~1b~0c'",
    ],
)
def test_more_functions_of_kubernetes(expression: str) -> None:
    assert Environment({}).compile(expression).run({}) is True


def test_what_is_not_known_is_told_by_its_root() -> None:
    with pytest.raises(CompileError, match=r"<input>:1:1: undeclared reference to 'nope' \(in container ''\)"):
        Environment({}).compile("nope.a.b == 1")
    with pytest.raises(CompileError) as refused:
        Environment({"variables.a": None}).compile("1 == 1 && variables.b.c == 1")
    assert str(refused.value).startswith("ERROR: <input>:1:20: undefined field 'b'\n")


def test_variables_are_not_known_where_there_are_none() -> None:
    with pytest.raises(CompileError, match=r"<input>:1:1: undeclared reference to 'variables' \(in container ''\)"):
        Environment({"object": None}).compile("variables.x == 1")
