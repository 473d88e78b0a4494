"""The functions of templates: those of Go's text/template, and kubectl's `exists` and `base64decode`."""

from __future__ import annotations

import base64
import html
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from timonel.cli.gotemplate.errors import FunctionError
from timonel.cli.gotemplate.formatting import Int, plain, sprint, sprintf, type_name

LAZY = ("and", "or")
"""Those that evaluate no more arguments than they need; evaluation knows them."""


def truth(value: Any) -> bool:
    """Whether `{{if}}` takes it for true: what is neither nothing, nor zero, nor empty."""
    return bool(value)


def _sort(value: Any) -> str:
    """The basic sort of a value, as comparisons tell sorts apart; empty for nothing."""
    match value:
        case None:
            return ""
        case bool() | float() | str():
            return type_name(value)
        case int():
            return "int"
    return "other"


def equal(first: Any, *others: Any) -> bool:
    """Whether the first is equal to any of the others."""
    if not others:
        raise FunctionError("missing argument for comparison")
    for other in others:
        if _sort(first) != _sort(other) and first is not None and other is not None:
            raise _incompatible(first, other)
        if _sort(first) == "other":
            raise FunctionError(f"non-comparable type {plain(first)}: {type_name(first)}")
        if _sort(other) == "other":
            raise FunctionError(f"non-comparable type {plain(other)}: {type_name(other)}")
        if _sort(first) == _sort(other) and first == other:
            return True
    return False


def _incompatible(one: Any, other: Any) -> FunctionError:
    return FunctionError(f"incompatible types for comparison: {type_name(one)} and {type_name(other)}")


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def judge(first: Any, second: Any) -> bool:
        if _sort(first) in ("", "other", "bool") or _sort(second) in ("", "other"):
            raise FunctionError("invalid type for comparison")
        if _sort(first) != _sort(second):
            raise _incompatible(first, second)
        return compare(first, second)

    return judge


def index(item: Any, *keys: Any) -> Any:
    """The member or item at these keys, one inside the other; nothing where a mapping has no such key."""
    if item is None:
        raise FunctionError("index of untyped nil")
    for key in keys:
        match item:
            case None:
                raise FunctionError("index of nil pointer")
            case dict():
                if not isinstance(key, str):
                    nothing = key is None
                    raise FunctionError(
                        "value is nil; should be string"
                        if nothing
                        else f"value has type {type_name(key)}; should be string"
                    )
                item = item.get(key)
            case list() | str():
                item = (item if isinstance(item, list) else item.encode())[_place(key, len(item))]
            case _:
                raise FunctionError(f"can't index item of type {type_name(item)}")
    return item


def _place(key: Any, length: int, *, end: bool = False) -> int:
    if not isinstance(key, int) or isinstance(key, bool):
        sort = "nil" if key is None else f"type {type_name(key)}"
        raise FunctionError(f"cannot index slice/array with {sort}")
    if not 0 <= key < length + end:
        raise FunctionError(f"index out of range: {key}")
    return key


def cut(item: Any, *bounds: Any) -> Any:
    """Go's `slice`: a part of a list or of a text."""
    if item is None:
        raise FunctionError("slice of untyped nil")
    if len(bounds) > 3:
        raise FunctionError(f"too many slice indexes: {len(bounds)}")
    if not isinstance(item, list | str):
        raise FunctionError(f"can't slice item of type {type_name(item)}")
    if isinstance(item, str) and len(bounds) == 3:
        raise FunctionError("cannot 3-index slice a string")
    whole = item if isinstance(item, list) else item.encode()
    places = [_place(bound, len(whole), end=True) for bound in bounds]
    start, stop = (*places, *(0, len(whole))[len(places) :])[:2]
    if start > stop:
        raise FunctionError(f"invalid slice index: {start} > {stop}")
    part = whole[start:stop]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def length(item: Any) -> int:
    """How many items, members, or bytes of text there are."""
    match item:
        case None:
            raise FunctionError("len of nil pointer")
        case str():
            return Int(len(item.encode()))
        case list() | dict():
            return Int(len(item))
    raise FunctionError(f"len of type {type_name(item)}")


def exists(item: Any, *keys: Any) -> bool:
    """Whether there is something at these keys."""
    try:
        return index(item, *keys) is not None
    except FunctionError:
        return False


def base64decode(text: str) -> str:
    """The text that is encoded so, as Secrets have it."""
    try:
        return base64.b64decode(text, validate=True).decode(errors="surrogateescape")
    except ValueError as error:
        raise FunctionError(f"base64 decode failed: {error}") from None


def _text(values: tuple[Any, ...]) -> str:
    return sprint([sprint_top(value) for value in values])


def sprint_top(value: Any) -> Any:
    """What is printed for a value at the top: nothing has words of its own."""
    return "<no value>" if value is None else value


def _html(*values: Any) -> str:
    return html.escape(_text(values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;").replace("\0", "\ufffd")


_UNSAFE = re.compile(r"[\\'\"<>&=\x00-\x1f]")
_WRITTEN = {"\\": "\\\\", "'": "\\'", '"': '\\"'}


def _js(*values: Any) -> str:
    return _UNSAFE.sub(lambda match: _WRITTEN.get(match[0], f"\\u{ord(match[0]):04X}"), _text(values))


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function, and what it takes."""

    run: Callable[..., Any]
    least: int
    most: int | None = None
    """None: any number."""
    texts: int = 0
    """How many of its first arguments must be texts."""


FUNCTIONS = {
    "not": Builtin(lambda value: not truth(value), 1, 1),
    "eq": Builtin(equal, 1),
    "ne": Builtin(lambda first, second: not equal(first, second), 2, 2),
    "lt": Builtin(_ordered(operator.lt), 2, 2),
    "le": Builtin(_ordered(operator.le), 2, 2),
    "gt": Builtin(_ordered(operator.gt), 2, 2),
    "ge": Builtin(_ordered(operator.ge), 2, 2),
    "index": Builtin(index, 1),
    "slice": Builtin(cut, 1),
    "len": Builtin(length, 1, 1),
    "print": Builtin(lambda *values: sprint(values), 0),
    "println": Builtin(lambda *values: " ".join(map(plain, values)) + "\n", 0),
    "printf": Builtin(lambda template, *values: sprintf(template, values), 1, texts=1),
    "html": Builtin(_html, 0),
    "js": Builtin(_js, 0),
    "urlquery": Builtin(lambda *values: quote_plus(_text(values), safe="~"), 0),
    "exists": Builtin(exists, 1),
    "base64decode": Builtin(base64decode, 1, 1, texts=1),
}
