"""Compares what a cluster answered with what a scenario expects of it. Pure.

A mapping is expected in part: keys that it does not name may be there. `null` stands for a field that is absent. A list
is expected whole, item by item. Everything else must be equal. A mapping of one key that begins with `$` asks for
something else; see `OPERATORS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

ABSENT: Any = None


def differences(expected: Any, actual: Any, path: str = "") -> Iterator[str]:
    """How the actual value differs from the expected one, a line each; nothing where it fits."""
    match expected:
        case {**one} if len(one) == 1 and (name := next(iter(one))) in OPERATORS:
            if not OPERATORS[name](one[name], actual):
                yield f"{path or '.'}: expected {name} {one[name]!r}, is {actual!r}"
        case dict():
            if not isinstance(actual, dict):
                yield f"{path or '.'}: expected a mapping, is {actual!r}"
                return
            for key, value in expected.items():
                yield from differences(value, actual.get(key, ABSENT), f"{path}.{key}")
        case list():
            if not isinstance(actual, list) or len(actual) != len(expected):
                yield f"{path or '.'}: expected {len(expected)} items, is {actual!r}"
                return
            for index, (value, found) in enumerate(zip(expected, actual, strict=True)):
                yield from differences(value, found, f"{path}[{index}]")
        case _:
            if expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
                yield f"{path or '.'}: expected {expected!r}, is {actual!r}"


def fits(expected: Any, actual: Any) -> bool:
    """Whether nothing differs."""
    return not any(differences(expected, actual))


def value_at(value: Any, path: str) -> Any:
    """What is at a path such as `items[0].metadata.name`, or `["a.key"]` for one with dots; None where nothing is."""
    for key, text, index in re.findall(r'([^.\[\]]+)|\["([^"]+)"\]|\[(\d+)\]', path):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        elif key or text:
            value = value.get(key or text) if isinstance(value, dict) else None
    return value


def _has(wanted: list[Any], actual: Any) -> bool:
    return isinstance(actual, list) and all(any(fits(one, item) for item in actual) for one in wanted)


def _lacks(unwanted: list[Any], actual: Any) -> bool:
    return not any(fits(one, item) for one in unwanted for item in actual or ())


def _any_order(wanted: list[Any], actual: Any) -> bool:
    return isinstance(actual, list) and len(actual) == len(wanted) and _has(wanted, actual)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$any": lambda wanted, actual: (actual is not None) == wanted,  # true: present, false: absent
    "$contains": lambda part, actual: isinstance(actual, str) and part in actual,
    "$matches": lambda pattern, actual: isinstance(actual, str) and re.fullmatch(pattern, actual) is not None,
    "$is": lambda wanted, actual: wanted == actual,  # whole, not in part
    "$not": lambda unwanted, actual: not fits(unwanted, actual),
    "$one-of": lambda choices, actual: any(fits(one, actual) for one in choices),
    "$length": lambda wanted, actual: fits(wanted, len(actual or ())),
    "$at-least": lambda least, actual: actual is not None and actual >= least,
    "$has": _has,  # a list: at least these, anywhere
    "$lacks": _lacks,  # a list: none of these
    "$in-any-order": _any_order,
}
