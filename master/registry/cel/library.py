"""Kubernetes' own functions of CEL, beside those of the language and its standard extensions.

Source: Kubernetes' documentation of CEL (lists, regex, URL, IP, CIDR, quantity, format).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from master.registry import regexp
from master.registry.cel import named, network, tree, versions
from master.registry.cel.convert import native
from master.registry.cel.failures import TOO_MUCH, TooExpensive
from master.registry.cel.functions import SCALARS, Function, compared, global_function, is_readable, member
from timonel.api.quantity import Quantity

OPTIONALS = """
functions:
- name: validate
  overloads:
  - id: validate
    target: {type_name: kubernetes.NamedFormat}
    args: [{type_name: string}]
    return: {type_name: optional_type, params: [{type_name: list, params: [{type_name: string}]}]}
- name: format.named
  overloads:
  - id: format_named
    args: [{type_name: string}]
    return: {type_name: optional_type, params: [{type_name: kubernetes.NamedFormat}]}
"""
"""The functions whose values are optional, declared: Python's declarations have no such types."""
INDEX_OF, LAST_INDEX_OF = "indexof", "lastIndexof"
"""Of lists and texts; the library's own are of texts alone."""
_RANGE = "lists.bounded"
_REPLACE, _JOIN = "replaced", "joined"
_RENAMED = {
    "indexOf": INDEX_OF,
    "lastIndexOf": LAST_INDEX_OF,
    "lists.range": _RANGE,
    "replace": _REPLACE,
    "join": _JOIN,
}
"""Of the library's functions: those with more forms here, and those that would make texts of any length."""
_LONGEST = 10 * 1024 * 1024
"""Letters that a text may have."""
_OPTIONAL = ("validate", "format.named")
_QUANTITY_FORM = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_EDITS = tree.Edits(
    renamed=_RENAMED,
    wrapped=dict.fromkeys(_OPTIONAL, "optional.ofNonZeroValue"),
    most_items=3000,  # each is made by a copy of those before it
    too_many="cel.@tooMany",
)
_EDITED = (*_OPTIONAL, *_RENAMED, "map", "filter", "transformList", "sortBy")
"""What an expression has in it that is edited before it runs."""
_LONGEST_RANGE = 100_000
"""What has more is not gone through within the budget of an evaluation."""
_MOST_ENTRIES = 1000
"""Of a map that a loop makes entry by entry: each time it is copied."""


def functions() -> Iterator[Function]:
    """All that run."""
    yield from _lists()
    yield from _regex()
    yield from _texts()
    yield from _quantities()
    yield from named.functions()
    yield from network.functions()
    yield from versions.functions()
    yield from _comparisons()
    yield global_function("jsonpatch.escapeKey", "string", "string", run=_escaped)
    yield Function("string", (("string", ("IP",)), ("string", ("CIDR",))), network.text, member=False)


def standard(*, typed: bool) -> Iterator[Function]:
    """The language's own functions that have more forms in Kubernetes than in the library, or that it lacks."""
    if typed:
        yield Function("string", tuple(("string", (each,)) for each in SCALARS), _never, member=False)
        pairs = [*((each, each) for each in SCALARS), *itertools.permutations(("int", "uint", "double"), 2)]
        for name in ("_<_", "_<=_", "_>_", "_>=_"):
            yield Function(name, tuple(("bool", pair) for pair in pairs), _never, member=False)
    else:
        yield from named.optionals()
        yield global_function(_EDITS.too_many, "bool", run=_too_many)
        keys, kinds = ("string", "int", "uint", "bool"), (*SCALARS, "null", "map", "list(dyn)")
        forms = [("map", pair) for pair in itertools.product(["map"], keys, kinds)]
        yield Function("cel.@mapInsert", (("map", ("map", "map")), *forms), _with_entry, member=False)


def runnable(text: str, checked: bytes) -> bytes:
    """A checked expression as it runs: what a function answers becomes an optional where one is due."""
    return tree.edited(checked, _EDITS) if any(name in text for name in _EDITED) else checked


def _too_many() -> bool:
    raise TooExpensive(TOO_MUCH)


def _never(*_: Any) -> Any:
    raise NotImplementedError  # the library's own function runs


def _with_entry(entries: dict[Any, Any], *more: Any) -> dict[Any, Any]:
    added = more[0] if len(more) == 1 else {more[0]: more[1]}
    for key in added.keys() & entries.keys():
        raise ValueError(f"insert failed: key {key} already exists")
    if len(entries) > _MOST_ENTRIES:
        raise TooExpensive(TOO_MUCH)
    return {**entries, **added}


# Lists


def _lists() -> Iterator[Function]:
    summable = tuple((each, (f"list({each})",)) for each in ("int", "uint", "double", "duration"))
    yield Function("sum", summable, _sum)
    for name, choose in (("min", min), ("max", max)):
        yield Function(name, tuple((each, (f"list({each})",)) for each in SCALARS), _chosen(name, choose))
    yield Function("isSorted", tuple(("bool", (f"list({each})",)) for each in SCALARS), _is_sorted)
    places: list[tuple[str, tuple[str, ...]]] = [("int", (f"list({each})", each)) for each in (*SCALARS, "list(dyn)")]
    places += [("int", ("string", "string")), ("int", ("string", "string", "int"))]
    yield global_function(_RANGE, "list(int)", "int", run=_range)
    yield Function(INDEX_OF, tuple(places), _index)
    yield Function(LAST_INDEX_OF, tuple(places), _last_index)


def _sum(items: Sequence[Any]) -> Any:
    total = sum(items[1:], items[0]) if items else 0
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise ValueError("integer overflow")
    return native(total)


def _chosen(name: str, choose: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
    def run(items: Sequence[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        return native(choose(items))

    return run


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(items))


def _range(end: int) -> list[int]:
    if end > _LONGEST_RANGE:
        raise TooExpensive(TOO_MUCH)
    return list(range(end))


def _index(items: Sequence[Any], item: Any, start: int = 0) -> int:
    if isinstance(items, str):
        return items.find(item, _inside(items, start))
    return items.index(item) if item in items else -1


def _last_index(items: Sequence[Any], item: Any, start: int | None = None) -> int:
    if isinstance(items, str):
        return items.rfind(item, 0, len(items) if start is None else _inside(items, start) + len(item))
    return len(items) - 1 - items[::-1].index(item) if item in items else -1


def _inside(text: str, place: int) -> int:
    if not 0 <= place <= len(text):
        raise ValueError(f"index out of range: {place}")
    return place


# Regular expressions


def _regex() -> Iterator[Function]:
    yield member("find", "string", "string", "string", run=_find)
    yield member("findAll", "list(string)", "string", "string", run=_find_all)
    yield member("findAll", "list(string)", "string", "string", "int", run=_find_all)


def _find(text: str, pattern: str) -> str:
    match = regexp.compiled(pattern).search(text)
    return match.group(0) if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group(0) for match in regexp.compiled(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


# Texts


def _texts() -> Iterator[Function]:
    """Those of the library's functions that would make texts of any length."""
    texts = ("string", "string", "string")
    yield Function(_REPLACE, (("string", texts), ("string", (*texts, "int"))), _replaced)
    yield Function(_JOIN, (("string", ("list(string)",)), ("string", ("list(string)", "string"))), _joined)


def _replaced(text: str, old: str, new: str, times: int = -1) -> str:
    _bound(len(text) + (text.count(old) if times < 0 else times) * len(new))
    return text.replace(old, new, times)


def _joined(items: Sequence[str], between: str = "") -> str:
    _bound(sum(len(item) + len(between) for item in items))
    return between.join(items)


def _bound(length: int) -> None:
    if length > _LONGEST:
        raise TooExpensive(TOO_MUCH)


# Quantities

_QUANTITY = "quantity"


def _quantities() -> Iterator[Function]:
    yield global_function("quantity", "Quantity", "string", run=lambda text: _packed(_quantity(text)))
    yield global_function("isQuantity", "bool", "string", run=is_readable(_quantity))
    yield member("isInteger", "bool", "Quantity", run=is_readable(_as_integer))
    yield member("asInteger", "int", "Quantity", run=_as_integer)
    yield member("asApproximateFloat", "double", "Quantity", run=lambda q: _nanos(q) / 10**9)
    yield member("sign", "int", "Quantity", run=lambda q: compared(_nanos(q), 0))
    for name, sign in (("add", 1), ("sub", -1)):
        yield member(name, "Quantity", "Quantity", "Quantity", run=_added(sign))
        yield member(name, "Quantity", "Quantity", "int", run=_added(sign))


def _quantity(text: str) -> Quantity:
    if not _QUANTITY_FORM.fullmatch(text):
        raise ValueError(f"quantities must match the regular expression '^{_QUANTITY_FORM.pattern}$'")
    return Quantity(text)


def _packed(quantity: Quantity) -> dict[str, str]:
    """Equal amounts are equal, however they are written."""
    return {_QUANTITY: str(quantity.amount.nanos)}


def _nanos(packed: dict[str, str] | int) -> int:
    return packed * 10**9 if isinstance(packed, int) else int(packed[_QUANTITY])


def _as_integer(packed: dict[str, str]) -> int:
    whole, rest = divmod(_nanos(packed), 10**9)
    if rest or not -(2**63) <= whole < 2**63:
        raise ValueError("cannot convert value to integer")
    return whole


def _added(sign: int) -> Callable[[Any, Any], dict[str, str]]:
    return lambda one, other: {_QUANTITY: str(_nanos(one) + sign * _nanos(other))}


def _comparisons() -> Iterator[Function]:
    """Of quantities and of versions."""
    both = (("Quantity", "Quantity"), ("Semver", "Semver"))
    yield Function("isLessThan", tuple(("bool", pair) for pair in both), lambda a, b: _place(a) < _place(b))
    yield Function("isGreaterThan", tuple(("bool", pair) for pair in both), lambda a, b: _place(a) > _place(b))
    yield Function("compareTo", tuple(("int", pair) for pair in both), lambda a, b: compared(_place(a), _place(b)))


def _place(packed: dict[str, str]) -> Any:
    return versions.precedence(packed) if "semver" in packed else _nanos(packed)


# Patches


def _escaped(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
