"""From text to plain Python values: JSON and YAML from strangers.

Depth and expansion are bounded, duplicate keys are remembered.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import accumulate, islice
from typing import Any

import msgspec
import yaml

from timonel.api.errors import BadRequest

MAX_DEPTH = 200
"""Deepest nesting taken: far above real objects (custom resources' schemas nest deepest), well below Python's stack."""

_ALIAS_BUDGET = 10_000_000
"""How many bytes, roughly, the aliases of a YAML document may expand to."""
_NODE_COST = 100
_SMALL = 4096
"""Characters of a YAML text that need no look ahead: they cannot nest so deep that C's stack overflows."""
_MAX_VALUES = 100_000
"""Of one YAML document: reading them takes about a second, in which nobody else is served."""

_MAX_REPEATED = 100
"""Repeated keys that are told."""

_FILLING = bytes(set(range(256)) - set(b'{}[]"'))
_STEPS = {byte: 1 if byte in b"{[" else -1 for byte in b"{}[]"}


class Object(dict[str, Any]):
    """A JSON object as parsed, with the keys that it had more than once; the last value counts."""

    __slots__ = ("duplicates",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs) if len(self) != len(pairs) else {}
        self.duplicates = tuple(key for key, count in counts.items() if count > 1)


def check_depth(raw: bytes) -> None:
    """Raises BadRequest when the JSON text nests deeper than MAX_DEPTH."""
    opened = raw.count(b"{") + raw.count(b"[")
    # Empty ones, of which managed fields are full, have nothing in them.
    if opened <= MAX_DEPTH or opened - raw.count(b"{}") - raw.count(b"[]") < MAX_DEPTH:
        return
    unescaped = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    outside = b"".join(unescaped.translate(None, _FILLING).split(b'"')[::2])
    if max(accumulate(map(_STEPS.__getitem__, outside)), default=0) > MAX_DEPTH:
        raise BadRequest(f"exceeded max depth: the object nests deeper than {MAX_DEPTH} levels")


def keys_are_unique(raw: bytes) -> bool:
    """Whether no object in the JSON text has a key twice, as far as that can be told in no time; False: perhaps not.

    Decoding drops a repeated key, and its colon with it, while as many others remain: those in strings come out again
    as they went in, unless they are written in escapes.
    """
    if b"\\" in raw and (rb"\u003a" in raw or rb"\u003A" in raw):
        return False
    try:
        decoded = msgspec.json.encode(msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return raw.count(b":") == decoded.count(b":")


def parse_json(raw: bytes) -> Any:
    """JSON with every object an `Object`. Raises BadRequest when it is malformed, too deep or not UTF-8."""
    check_depth(raw)
    try:
        return json.loads(raw.decode(), object_pairs_hook=Object, parse_constant=_no_constant)
    except ValueError as error:
        raise BadRequest(f"json parse error: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_yaml(raw: bytes) -> Any:
    """The only document of a YAML text, every mapping an `Object`. Raises BadRequest as `parse_yaml_all` does.

    JSON, which clients send where YAML is asked for, is read as such: that is many times faster.
    """
    if raw.startswith(b"{"):
        with suppress(BadRequest):
            return parse_json(raw)
    documents = list(islice(parse_yaml_all(raw), 2))
    if len(documents) > 1:
        raise BadRequest("yaml parse error: expected a single document, found more")
    return documents[0] if documents else None


def parse_yaml_all(raw: bytes) -> Iterator[Any]:
    """The documents of a YAML text, as the JSON that kubectl would make of it: timestamps and all keys are strings.

    Raises BadRequest (with line and column) when it is malformed, nests too deep, uses tags that JSON cannot say, or
    has aliases that expand beyond reason.
    """
    try:
        text = raw.decode()
        _look_ahead(text)
        loader = _Loader(text)
        try:
            while loader.check_node():
                if node := loader.get_node():
                    yield _Builder().value(node, 0)
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"yaml parse error: {' '.join(str(error).split())}") from None


def repeated_keys(raw: bytes) -> list[str]:
    """Which keys the mappings of a YAML text (one that `parse_yaml` takes) have again, in the words of Go's library.

    Raises BadRequest as `parse_yaml_all` does.
    """
    text = raw.decode()
    _look_ahead(text)
    loader = _Loader(text)
    try:
        return list(islice(_repeated(loader.get_single_node(), set()), _MAX_REPEATED))
    finally:
        loader.dispose()


def _repeated(node: yaml.Node | None, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, seen)
    elif isinstance(node, yaml.MappingNode):
        given: set[str] = set()
        for key, value in node.value:
            yield from _repeated(value, seen)
            if key.tag != _TAG + "merge":
                name = _key(key)
                if name in given:
                    yield f"line {value.start_mark.line + 1}: key {json.dumps(name)} already set in map"
                given.add(name)


def _look_ahead(text: str) -> None:
    """Raises BadRequest when a document of the text nests too deep or is too long: the library asks neither."""
    if len(text) <= _SMALL:
        return
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            values += 1
            depth += not isinstance(event, yaml.ScalarEvent)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentEndEvent):
            values = 0
        if depth > MAX_DEPTH:
            raise _fault(event, f"exceeded max depth of {MAX_DEPTH}")
        if values > _MAX_VALUES:
            raise _fault(event, f"the document has more than {_MAX_VALUES} values")


class _Loader(yaml.CSafeLoader):
    """Resolves plain scalars as kubectl's YAML library does, which is YAML 1.1 without timestamps and base 60."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_BOOL = re.compile(r"y|Y|n|N|true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("bool", _BOOL, list("yYnNtTfFoO")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+0123456789.")),
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("merge", re.compile(r"<<"), ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern.pattern})\\Z"), _first)


def _int(text: str) -> int:
    digits = text.replace("_", "")
    unsigned = digits.lstrip("+-")
    if len(unsigned) > 1 and unsigned[0] == "0" and unsigned[1].isdigit():
        return int(digits, 8)
    return int(digits, 0)


def _float(text: str) -> int | float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("out of range")
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


_SCALARS: dict[str, Callable[[str], Any]] = {
    _TAG + "str": str,
    _TAG + "bool": lambda text: text.lower() in ("true", "yes", "on", "y"),
    _TAG + "int": _int,
    _TAG + "float": _float,
    _TAG + "null": lambda text: None,
}


class _Builder:
    """Makes plain values of one document's nodes."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.budget = _ALIAS_BUDGET

    def value(self, node: yaml.Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _fault(node, f"exceeded max depth of {MAX_DEPTH}")
        if id(node) in self.seen:
            self.spend(node)
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return Object(self.pairs(node, depth))
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return _scalar(node)
        raise _fault(node, f"the tag {node.tag} has no meaning in JSON")

    def spend(self, node: yaml.Node) -> None:
        self.budget -= _NODE_COST + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
        if self.budget < 0:
            raise _fault(node, "document contains excessive aliasing")

    def pairs(self, node: yaml.MappingNode, depth: int) -> list[tuple[str, Any]]:
        merged: list[tuple[str, Any]] = []
        own: list[tuple[str, Any]] = []
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise _fault(source, "map merge requires map or sequence of maps as the value")
                    merged += self.value(source, depth + 1).items()
            else:
                own.append((_key(key), self.value(value, depth + 1)))
        given = {name for name, _ in own}
        return list({k: v for k, v in reversed(merged) if k not in given}.items()) + own


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
        raise _fault(node, "a mapping's keys must be scalars")
    value = _scalar(node)
    return value if isinstance(value, str) else json.dumps(value)


def _scalar(node: yaml.ScalarNode) -> Any:
    try:
        return _SCALARS[node.tag](node.value)
    except ValueError:
        raise _fault(node, f"cannot read {node.value[:40]!r} as {node.tag.removeprefix(_TAG)}") from None


def _fault(node: yaml.Node | yaml.Event, why: str) -> BadRequest:
    mark = node.start_mark
    return BadRequest(f"yaml parse error: line {mark.line + 1 if mark else 0}: {why}")
