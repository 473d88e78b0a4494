"""Writes values as Go's fmt package does: `%v`, and printf with its verbs; `%#v` and floats in `%x` are left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

_DIRECTIVE = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:(\.)(\*|\d+)?)?(?:\[(\d+)\])?(.?)", re.DOTALL)
_BASES = {"b": "b", "o": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}


class Int(int):
    """A whole number that a template makes: Go calls it int, and those of the data int64."""


def type_name(value: Any) -> str:
    """What Go calls the value's type."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case Int():
            return "int"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
    return "map[string]interface {}"


def plain(value: Any, leaf: Callable[[Any], str] | None = None) -> str:
    """A value as `%v` has it: `map[a:1 b:2]`, `[x y]`; `leaf` writes what is no list and no mapping."""
    write = leaf or _leaf
    match value:
        case dict():
            members = (f"{write(key)}:{plain(value[key], leaf)}" for key in sorted(value))
            return f"map[{' '.join(members)}]"
        case list():
            return f"[{' '.join(plain(each, leaf) for each in value)}]"
    return write(value)


def _leaf(value: Any) -> str:
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case float():
            return _shortest(value)
    return str(value)


def _shortest(value: float) -> str:
    """The fewest digits that tell the number; from a million on, as below 0.0001, with an exponent."""
    digits = next(text for text in (f"{value:.{places}e}" for places in range(18)) if float(text) == value)
    if value and not 1e-4 <= abs(value) < 1e6:
        return digits
    return f"{value:.0f}" if value.is_integer() else repr(value)


def sprint(values: Sequence[Any]) -> str:
    """As Go's Sprint: with spaces between what are no texts."""
    pieces = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            pieces.append(" ")
        pieces.append(plain(value))
    return "".join(pieces)


def sprintf(template: str, values: Sequence[Any]) -> str:
    """As Go's Sprintf; what does not fit is told in the text, as there."""
    rest = list(values)
    reordered = False

    def number(text: str | None) -> int | None:
        if text != "*":
            return int(text) if text else None
        return rest.pop(0) if rest and isinstance(rest[0], int) else None

    def directive(match: re.Match[str]) -> str:
        nonlocal rest, reordered
        flags, point, verb = match[1], match[3], match[6]
        width = number(match[2])
        precision = (number(match[4]) or 0) if point else None
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        if verb == "%":
            return "%"
        if not verb:
            return "%!(NOVERB)"
        if match[5]:
            rest, reordered = list(values[int(match[5]) - 1 :]), True
        if not rest:
            return f"%!{verb}({'BADINDEX' if match[5] else 'MISSING'})"
        return _Verb(verb, flags, width or 0, precision).text(rest.pop(0))

    text = _DIRECTIVE.sub(directive, template)
    if rest and not reordered:
        extra = ", ".join("<nil>" if value is None else f"{type_name(value)}={plain(value)}" for value in rest)
        text += f"%!(EXTRA {extra})"
    return text


class _Verb:
    """One directive of a format."""

    def __init__(self, verb: str, flags: str, width: int, precision: int | None) -> None:
        self.verb, self.width, self.precision = verb, width, precision
        self.flags = flags.replace("+", "") if verb == "v" else flags

    def text(self, value: Any) -> str:
        """The value, as the directive has it."""
        if self.verb == "T":
            return self._padded(type_name(value))
        if value is None:
            return self._padded("<nil>") if self.verb == "v" else f"%!{self.verb}(<nil>)"
        return plain(value, self._leaf)

    def _leaf(self, value: Any) -> str:
        match value:
            case bool() if self.verb in "vt":
                return self._padded(str(value).lower())
            case str() if self.verb in "vsqxX":
                return self._padded(self._string(value[: self.precision]))
            case int() if not isinstance(value, bool) and self.verb in "vdboxXcqU":
                return self._integer(value)
            case float() if self.verb in "vfFeEgG":
                return self._signed(value < 0, self._float(abs(value)))
            case None if self.verb == "v":
                return "<nil>"
        return f"%!{self.verb}(<nil>)" if value is None else f"%!{self.verb}({type_name(value)}={plain(value)})"

    def _string(self, value: str) -> str:
        match self.verb:
            case "q":
                return f"`{value}`" if "#" in self.flags and "`" not in value else quoted(value)
            case "x":
                return value.encode().hex()
            case "X":
                return value.encode().hex().upper()
        return value

    def _integer(self, value: int) -> str:
        match self.verb:
            case "c":
                return self._padded(chr(value))
            case "q":
                return self._padded("'" + quoted(chr(value))[1:-1].replace('\\"', '"').replace("'", "\\'") + "'")
            case "U":
                return self._padded(f"U+{value:04X}")
        digits = format(abs(value), _BASES.get(self.verb, "d"))
        prefix = _PREFIXES.get(self.verb, "") if "#" in self.flags else ""
        return self._signed(value < 0, prefix + digits.rjust(self.precision or 0, "0"))

    def _float(self, value: float) -> str:
        match self.verb:
            case "v" | "g" | "G" if self.precision is None:
                return _shortest(value).replace("e", "E" if self.verb == "G" else "e")
            case "v":
                return f"{value:.{self.precision}g}"
        return f"{value:.{6 if self.precision is None else self.precision}{self.verb}}"

    def _signed(self, negative: bool, digits: str) -> str:
        sign = "-" if negative else "+" if "+" in self.flags else " " if " " in self.flags else ""
        if "0" in self.flags and "-" not in self.flags:
            digits = digits.rjust(self.width - len(sign), "0")
        return self._padded(sign + digits)

    def _padded(self, text: str) -> str:
        if "-" in self.flags:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if "0" in self.flags and not text[:1].isspace() else " ")


def quoted(text: str) -> str:
    """The text in double quotes, as Go writes it."""
    written = json.dumps(text, ensure_ascii=False)
    return re.sub(r"\\u00(1[\da-f]|0[\da-f])|\x7f", lambda match: f"\\x{match[1] or '7f'}", written)
