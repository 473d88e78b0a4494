"""Expressions that make objects: ``Object{spec: Object.spec{replicas: 3}}`` and ``[JSONPatch{op: "remove", ...}]``.

The library makes messages of types that were described to it only. What is made here has the fields that the
expression names, so it is written as a map, `{"spec": {"replicas": 3}}`, before it is compiled; that the names of
types fit together is checked beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from master.registry.cel.environment import Environment, Program
from master.registry.cel.failures import CompileError

OBJECT = "Object"
PATCH = "JSONPatch"
PATCHES = f"list({PATCH})"
PATCH_FIELDS = ("op", "path", "from", "value")

_KEY = re.compile(r"\w+\s*$")


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def compiled(environment: Environment, expression: str) -> tuple[Program, str]:
    """The expression, ready to run, and the sort of its value: Object, list(JSONPatch), or what else it is.

    Raises:
        CompileError: it is no expression, or its types do not fit.
    """
    root, positions = environment.parse(expression)
    for entry in _foreign(root):
        at = expression.index("{", positions.get(entry.id, 0))
        raise CompileError(_located(expression, at, f"undeclared reference to '{entry.name}' (in container '')"))
    edits = sorted(_edits(root, positions, expression), key=lambda edit: edit.start)
    text, at = "", 0
    for edit in edits:
        text += expression[at : edit.start] + edit.text
        at = edit.end
    text += expression[at:]
    program = environment.compile(text, written=expression, place=lambda column: _as_written(column, edits))
    return program, _sort(root) or program.sort


@dataclass(frozen=True, slots=True)
class _Made:
    """An object that an expression makes."""

    id: int
    name: str
    entries: Any


def _all_made(message: Any) -> Iterator[_Made]:
    """All objects that a syntax tree makes."""
    if message.DESCRIPTOR.name == "Expr" and message.WhichOneof("kind") == "struct_expr":
        struct = message.struct_expr
        if struct.message_name:
            yield _Made(message.id, struct.message_name, struct.entries)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                yield from _all_made(item)


def _foreign(root: Any) -> Iterator[_Made]:
    """Objects of types that there are not."""
    known = (OBJECT, PATCH)
    return (made for made in _all_made(root) if made.name.partition(".")[0] not in known)


def _edits(root: Any, positions: dict[int, int], text: str) -> Iterator[_Edit]:
    for made in _all_made(root):
        start = positions.get(made.id, 0)
        yield _Edit(start, text.index("{", start), "")
        for entry in made.entries:
            colon = positions.get(entry.id, 0)
            key = _KEY.search(text, 0, colon)
            if key is None:
                raise CompileError(_located(text, colon, "a field's name is expected"))
            if made.name == PATCH and entry.field_key not in PATCH_FIELDS:
                raise CompileError(_located(text, colon, f"undefined field '{entry.field_key}'"))
            yield _Edit(key.start(), colon, f'"{entry.field_key}"')


def _sort(expr: Any) -> str:
    """Object or list(JSONPatch), where an expression makes one of these; else empty."""
    match expr.WhichOneof("kind"):
        case "struct_expr":
            return str(expr.struct_expr.message_name)
        case "list_expr":
            sorts = {_sort(each) for each in expr.list_expr.elements}
            return f"list({sorts.pop()})" if len(sorts) == 1 and sorts != {""} else ""
        case "call_expr":
            return _sort_of_call(expr.call_expr)
        case "comprehension_expr":
            return _sort(expr.comprehension_expr.loop_step) or _sort(expr.comprehension_expr.result)
    return ""


def _sort_of_call(call: Any) -> str:
    """What a choice, or a sum of lists, is of."""
    offered = {"_?_:_": call.args[1:], "_+_": call.args}.get(call.function, ())
    return next((sort for sort in map(_sort, offered) if sort), "")


def _located(text: str, at: int, why: str) -> str:
    return f"ERROR: <input>:1:{at + 1}: {why}\n | {text}\n | {'.' * at}^"


def _as_written(column: int, edits: list[_Edit]) -> int:
    """Where in the expression as its author wrote it a column of the edited text is."""
    gained = 0
    for edit in edits:
        if edit.start + gained >= column - 1:
            break
        gained += len(edit.text) - (edit.end - edit.start)
    return max(1, column - gained)
