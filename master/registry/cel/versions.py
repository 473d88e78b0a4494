"""Semantic versions in expressions.

Source: Kubernetes' documentation of CEL (semver library) and semver.org.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from master.registry.cel.functions import Function, is_readable, member

_PARTS = ("major", "minor", "patch")
_WORD = re.compile(r"[0-9A-Za-z-]+", re.ASCII)
_LEADING_ZEROES = re.compile(r"(^|\.)0+(?=\d)")


def functions() -> Iterator[Function]:
    """All of them, but for comparisons."""
    forms = ((("string",)), ("string", "bool"))
    yield Function("semver", tuple(("Semver", form) for form in forms), _packed, member=False)
    yield Function("isSemver", tuple(("bool", form) for form in forms), _is_version, member=False)
    for index, part in enumerate(_PARTS):
        yield member(part, "int", "Semver", run=lambda packed, index=index: _read(packed["semver"])[0][index])


def precedence(packed: dict[str, str]) -> tuple[Any, ...]:
    """A pre-release comes before its release, its numbers before its words."""
    numbers, words = _read(packed["semver"])
    return numbers, not words, [(0, int(word), "") if word.isdecimal() else (1, 0, word) for word in words]


def _packed(text: str, tolerant: bool = False) -> dict[str, str]:
    """Versions that differ in what they say of their build are equal."""
    text = _tidy(text) if tolerant else text
    _read(text)
    return {"semver": text.partition("+")[0]}


def _is_version(text: str, tolerant: bool = False) -> bool:
    return is_readable(_read)(_tidy(text) if tolerant else text)


def _tidy(text: str) -> str:
    """A version as the strict form has it: without a v, with all three numbers and no zeroes before them."""
    core, mark, rest = re.fullmatch(r"([^-+]*)([-+]?)(.*)", text.strip().removeprefix("v"), re.DOTALL).groups()  # type: ignore[union-attr]  # matches all
    core = _LEADING_ZEROES.sub(r"\1", core)
    missing = 2 - core.count(".")
    return core + (".0" * missing if missing > 0 and not mark else "") + mark + rest


def _read(text: str) -> tuple[tuple[int, ...], list[str]]:
    """The version's numbers, and the words that mark it as a pre-release.

    Raises:
        ValueError: it is none.
    """
    if not text:
        raise ValueError("Version string empty")
    rest, plus, build = text.partition("+")
    core, dash, pre = rest.partition("-")
    numbers = core.split(".", 2)
    if len(numbers) != 3:
        raise ValueError("No Major.Minor.Patch elements found")
    for name, number in zip(_PARTS, numbers, strict=True):
        if not re.fullmatch(r"[0-9]+", number):
            raise ValueError(f'Invalid character(s) found in {name} number "{number}"')
        if number[0] == "0" and number != "0":
            raise ValueError(f'{name.capitalize()} number must not contain leading zeroes "{number}"')
    words = pre.split(".") if dash else []
    for word in words + (build.split(".") if plus else []):
        if not _WORD.fullmatch(word):
            raise ValueError(f'Invalid character(s) found in prerelease "{word}"' if word else "Prerelease is empty")
    for word in words:
        if word.isdecimal() and word[0] == "0" and word != "0":
            raise ValueError(f'Numeric PreRelease version must not contain leading zeroes "{word}"')
    return tuple(map(int, numbers)), words
