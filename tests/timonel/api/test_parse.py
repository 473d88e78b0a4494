"""YAML as kubectl reads it, and its traps."""

from typing import Any

import pytest

from timonel.api import parse
from timonel.api.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: yes", {"a": True}),
        ("a: n", {"a": False}),
        ("a: 2020-01-01", {"a": "2020-01-01"}),
        ("a: 2020-01-01T00:00:00Z", {"a": "2020-01-01T00:00:00Z"}),
        ("a: 0644", {"a": 420}),
        ("a: 0o644", {"a": 420}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1_000", {"a": 1000}),
        ("a: 089", {"a": 89}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 1e3", {"a": 1000}),
        ("a: 2.0", {"a": 2}),
        ("a: .5", {"a": 0.5}),
        ("a: '5'", {"a": "5"}),
        ("a: !!str 5", {"a": "5"}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("1: a\ntrue: b\n1.5: c", {"1": "a", "true": "b", "1.5": "c"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ('{"a": ["json", null, true]}', {"a": ["json", None, True]}),
        ("", None),
        ("# only a comment", None),
    ],
)
def test_values_are_as_kubectl_reads_them(text: str, value: Any) -> None:
    assert parse.parse_yaml(text.encode()) == value


def test_documents() -> None:
    assert list(parse.parse_yaml_all(b"a: 1\n---\n---\nb: 2\n")) == [{"a": 1}, None, {"b": 2}]


def test_duplicate_keys_are_remembered() -> None:
    value = parse.parse_yaml(b"a: 1\nb: {c: 1, c: 2}\na: 2\n")
    assert value == {"a": 2, "b": {"c": 2}}
    assert value.duplicates == ("a",)
    assert value["b"].duplicates == ("c",)


BOMB = b"a: &a [1,2,3,4,5,6,7,8,9]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)
)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (BOMB, "excessive aliasing"),
        (b"x: &x " + b"z" * 1_000_000 + b"\ny: [" + b"*x," * 100 + b"]", "excessive aliasing"),
        (b"a: &a [*a]", "exceeded max depth"),
        (b"[" * 300 + b"]" * 300, "exceeded max depth"),
        (b"[" * 100_000, "exceeded max depth"),
        (b"- " * 100_000, "exceeded max depth"),
        (b"[" + b"x," * 100_001 + b"]", "the document has more than 100000 values"),
        (b"a: !!python/object:os.x {}", "has no meaning in JSON"),
        (b"a: b: c", "line 1, column 5"),
        (b"a: [", "line 2, column 1"),
        (b"a: \xff", "can't decode byte 0xff"),
        (b"a: 1\n---\nb: 2", "expected a single document, found more"),
        (b"{[a]: b}", "a mapping's keys must be scalars"),
        (b"a: 1e999", "cannot read '1e999' as float"),
        (b"a: *nope", "undefined alias"),
    ],
)
def test_bad_yaml_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse.parse_yaml(raw)
    assert message in str(caught.value)


@pytest.mark.parametrize("raw", [b"{", b"NaN", b'{"a":Infinity}', b"\xff", b"[" * 100_000, b""])
def test_bad_json_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        parse.parse_json(raw)


@pytest.mark.parametrize("empty", [b"{}", b"[]", b'"{}"'])
def test_what_is_empty_does_not_hide_how_deep_the_rest_nests(empty: bytes) -> None:
    def nested(depth: int) -> bytes:
        return b'{"e":[%b],"d":%b{}%b}' % (b",".join([empty] * 1000), b'{"a":' * (depth - 2), b"}" * (depth - 2))

    parse.check_depth(nested(parse.MAX_DEPTH))
    with pytest.raises(BadRequest, match="exceeded max depth"):
        parse.check_depth(nested(parse.MAX_DEPTH + 1))
