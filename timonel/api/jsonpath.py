r"""kubectl's dialect of JSONPath: templates such as `{range .items[*]}{.metadata.name}{"\n"}{end}`.

Own, because the libraries there are read the IETF's or Goessner's dialect, which have neither templates nor ranges.
Facts are those of k8s.io/client-go/util/jsonpath; tests compare with kubectl itself.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

MAX_DEPTH = 50
"""Of brackets in each other."""
MAX_VALUES = 100_000
"""That a path may lead to."""


class JsonPathError(ValueError):
    """A template is malformed, or does not fit the object; the text says where or why."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text that stands for itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A member of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """All members or items."""


@dataclass(frozen=True, slots=True)
class Descend:
    """The value and all that is in it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Items of a list; `single` asks for the one at `start`, which must be there."""

    start: int | None
    stop: int | None = None
    step: int = 1
    single: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """The items for which the comparison holds; without an operator, those that have `left`."""

    left: Path
    compare: str = ""
    right: Path | None = None


@dataclass(frozen=True, slots=True)
class Union:
    """The results of each."""

    parts: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a truth value or a text inside a filter."""

    value: Any


Step = Field | Wildcard | Descend | Slice | Filter | Union | Constant
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A path whose values are printed."""

    path: Path


@dataclass(frozen=True, slots=True)
class Range:
    """A template repeated for each value of a path."""

    path: Path
    body: list[Node] = field(default_factory=list)


Node = Text | Expression | Range

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


# Reading templates


def parse(template: str) -> list[Node]:
    """The nodes of a template, whose end closes what ranges are open. Raises JsonPathError when it is malformed."""
    root: list[Node] = []
    stack = [root]
    for is_action, text in _split(template):
        if not is_action:
            stack[-1].append(Text(text))
            continue
        word = text.strip()
        if word == "end":
            if len(stack) == 1:
                raise JsonPathError("not in range, nothing to end")
            stack.pop()
        elif word == "range" or word.startswith("range "):
            loop = Range(_Reader(word[5:]).path())
            stack[-1].append(loop)
            stack.append(loop.body)
        elif word[:1] in ("'", '"'):
            stack[-1].append(Text(_unquote(word)))
        else:
            stack[-1].append(Expression(_Reader(text).path()))
    return root


def relaxed(expression: str) -> Path:
    """The path that `.a.b`, `a.b` or `{.a.b}` writes. Raises JsonPathError when it is malformed."""
    text = expression.strip()
    if text.startswith("{") != text.endswith("}"):
        raise JsonPathError(f"unexpected path string {expression!r}: expected a.b, .a.b or {{.a.b}}")
    inner = text[1:-1] if text.startswith("{") else text
    return _Reader(inner if inner[:1] in (".", "[", "$", "@") else f".{inner}").path()


def _split(template: str) -> Iterator[tuple[bool, str]]:
    """The template's pieces: whether each is an action, and its text without the braces."""
    position = 0
    while position < len(template):
        opening = template.find("{", position)
        if opening < 0:
            yield False, template[position:]
            return
        if opening > position:
            yield False, template[position:opening]
        closing = _closing(template, opening + 1)
        yield True, template[opening + 1 : closing]
        position = closing + 1


def _closing(template: str, position: int) -> int:
    """Where the action ends that begins before `position`; braces in quotes do not count."""
    quote = ""
    while position < len(template):
        letter = template[position]
        if letter == "\\":
            position += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "}":
            return position
        position += 1
    raise JsonPathError("unclosed action: } is missing")


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)


def _unquote(text: str) -> str:
    if not _QUOTED.fullmatch(text):
        raise JsonPathError(f"unterminated quoted string, or more than a string: {text}")
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text[1:-1], flags=re.DOTALL)


_NAME = re.compile(r"((?:\\.|[^\\ .\[\]{}])+)", re.DOTALL)
_SLICE = re.compile(r"(-?\d{1,18}|)(?:(:)(-?\d{1,18}|))?(?:(:)(-?\d{1,18}|))?", re.ASCII)
_FILTER = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d+)?", re.ASCII)


class _Reader:
    """Reads one path."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def path(self) -> Path:
        steps: list[Step] = []
        while self.position < len(self.text):
            letter = self.text[self.position]
            if letter in " @$":
                self.position += 1
            elif self.text.startswith("..", self.position):
                self.position += 2
                steps.append(Descend())
                steps.extend(self.name())
            elif letter == ".":
                self.position += 1
                steps.extend(self.name())
            elif letter == "[":
                steps.append(self.brackets())
            else:
                steps.append(self.constant())
        return tuple(steps)

    def name(self) -> Iterator[Step]:
        match = _NAME.match(self.text, self.position)
        if match:
            self.position = match.end()
            yield Wildcard() if match[1] == "*" else Field(re.sub(r"\\(.)", r"\1", match[1]))

    def brackets(self) -> Step:
        inner, self.position = _inside(self.text, self.position + 1)
        return _subscript(inner.strip())

    def constant(self) -> Step:
        rest = self.text[self.position :].strip()
        if rest[:1] in ("'", '"'):
            self.position = len(self.text)
            return Constant(_unquote(rest))
        word = re.split(r"[\s.\[]", rest, maxsplit=1)[0]
        if _NUMBER.fullmatch(rest):
            self.position = len(self.text)
            return Constant(float(rest) if "." in rest else int(rest))
        if word in ("true", "false"):
            self.position += len(word)
            return Constant(word == "true")
        raise JsonPathError(
            f"unrecognized identifier {word}" if word[:1].isalpha() else f"unrecognized character {rest[:1]!r}"
        )


def _inside(text: str, position: int) -> tuple[str, int]:
    """What is between brackets, the first of them before `position`, and where to read on."""
    start, depth, quote = position, 1, ""
    while position < len(text):
        letter = text[position]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter == "[") - (letter == "]")
            if depth == 0:
                return text[start:position], position + 1
            if depth > MAX_DEPTH:
                raise JsonPathError(f"brackets nest deeper than {MAX_DEPTH} levels")
        position += 1
    raise JsonPathError("unterminated array: ] is missing")


def _subscript(text: str) -> Step:
    if text == "*":
        return Wildcard()
    if text.startswith("?(") and text.endswith(")"):
        return _filter(text[2:-1])
    parts = _split_commas(text)
    if len(parts) > 1:
        return Union(tuple((_subscript(part.strip()),) for part in parts))
    if len(text) > 1 and text[0] == text[-1] == "'":
        return Field(text[1:-1].replace("\\", ""))
    match = _SLICE.fullmatch(text)
    if not match or not text:
        raise JsonPathError(f"invalid array index {text}")
    start, colon, stop, _, step = match.groups()
    if step and int(step) == 0:
        raise JsonPathError(f"the step of {text} must not be zero")
    if not colon:
        return Slice(int(start), single=True)
    return Slice(int(start) if start else None, int(stop) if stop else None, int(step) if step else 1)


def _split_commas(text: str) -> list[str]:
    return re.findall(r"(?:'[^']*'|[^,'])+", text)


def _filter(text: str) -> Filter:
    match = _FILTER.fullmatch(text)
    if not match:
        return Filter(_Reader(text).path())
    left, sign, right = (part.strip() for part in match.groups())
    if sign not in _COMPARE:
        raise JsonPathError(f"unrecognized filter operator {sign}")
    return Filter(_Reader(left).path(), sign, _Reader(right).path())


# Evaluating


def render(nodes: list[Node], data: Any) -> str:
    """What a template prints for `data`; fields that are not there print nothing.

    Raises JsonPathError when an index is out of range or a filter compares what cannot be compared.
    """
    return "".join(" ".join(map(text_of, values)) for values in results(nodes, data))


def results(nodes: list[Node], data: Any) -> list[list[Any]]:
    """The values that each part of a template gives, for those who print them themselves; raises as `render` does."""
    found: list[list[Any]] = []
    for node in nodes:
        match node:
            case Text(text):
                found.append([text])
            case Expression(path):
                found.append(find(path, data))
            case Range(path, body):
                for value in find(path, data):
                    found.extend(results(body, value))
    return found


def find(path: Path, data: Any) -> list[Any]:
    """The values that a path leads to. Raises JsonPathError when they are too many: each `..` multiplies them."""
    values = [data]
    for step in path:
        values = list(islice((found for value in values for found in _take(step, value)), MAX_VALUES + 1))
        if len(values) > MAX_VALUES:
            raise JsonPathError(f"the path leads to more than {MAX_VALUES} values")
    return values


def text_of(value: Any) -> str:
    """A value as templates print it: objects and lists as JSON."""
    match value:
        case str():
            return value
        case float():
            return f"{value:g}"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _take(step: Step, value: Any) -> Iterator[Any]:
    match step:
        case Field(name):
            if isinstance(value, dict) and name in value:
                yield value[name]
        case Wildcard():
            yield from _children(value)
        case Descend():
            yield from _descendants(value)
        case Slice():
            yield from _items(step, value)
        case Filter():
            if not isinstance(value, list):
                raise JsonPathError(f"{_sort_of(value)} is no list and cannot be filtered")
            yield from (item for item in value if _holds(step, item))
        case Union(parts):
            for part in parts:
                yield from find(part, value)
        case Constant(constant):
            yield constant


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descendants(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descendants(child)


def _items(step: Slice, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise JsonPathError(f"{_sort_of(value)} is no list and has no items")
    if not step.single:
        return value[step.start : step.stop : step.step]
    index = step.start or 0
    if not -len(value) <= index < len(value):
        raise JsonPathError(f"array index out of bounds: index {index}, length {len(value)}")
    return [value[index]]


def _holds(condition: Filter, item: Any) -> bool:
    left = find(condition.left, item)
    if condition.right is None:
        return bool(left)
    right = find(condition.right, item)
    if not left or not right:
        return False
    if len(left) > 1 or len(right) > 1:
        raise JsonPathError("can only compare one element at a time")
    try:
        return _COMPARE[condition.compare](left[0], right[0])
    except TypeError:
        raise JsonPathError(f"cannot compare {text_of(left[0])} with {text_of(right[0])}") from None


def _sort_of(value: Any) -> str:
    return "an object" if isinstance(value, dict) else repr(value)
