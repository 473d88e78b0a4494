"""CEL's syntax trees as the library serializes them: the part of them that is looked at."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_EXPR = ".Expr"
_MESSAGES: dict[str, dict[str, tuple[int, Any, bool]]] = {
    "Checked": {"expr": (4, _EXPR, False)},
    "Parsed": {"expr": (2, _EXPR, False), "source_info": (3, ".Source", False)},
    "Source": {"positions": (4, ".Position", True)},
    "Position": {"key": (1, int, False), "value": (2, int, False)},
    "Expr": {
        "id": (2, int, False),
        "const_expr": (3, ".Constant", False),
        "ident_expr": (4, ".Ident", False),
        "select_expr": (5, ".Select", False),
        "call_expr": (6, ".Call", False),
        "list_expr": (7, ".List", False),
        "struct_expr": (8, ".Struct", False),
        "comprehension_expr": (9, ".Comprehension", False),
    },
    "Constant": {"int64_value": (3, int, False), "string_value": (6, str, False), "bytes_value": (7, bytes, False)},
    "Ident": {"name": (1, str, False)},
    "Select": {"operand": (1, _EXPR, False), "field": (2, str, False), "test_only": (3, bool, False)},
    "Call": {"target": (1, _EXPR, False), "function": (2, str, False), "args": (3, _EXPR, True)},
    "List": {"elements": (1, _EXPR, True)},
    "Struct": {"message_name": (1, str, False), "entries": (2, ".Entry", True)},
    "Entry": {
        "id": (1, int, False),
        "field_key": (2, str, False),
        "map_key": (3, _EXPR, False),
        "value": (4, _EXPR, False),
    },
    "Comprehension": {
        "iter_var": (1, str, False),
        "iter_range": (2, _EXPR, False),
        "accu_var": (3, str, False),
        "accu_init": (4, _EXPR, False),
        "loop_condition": (5, _EXPR, False),
        "loop_step": (6, _EXPR, False),
        "result": (7, _EXPR, False),
        "iter_var2": (8, str, False),
    },
}
"""The part of CEL's syntax tree (cel.expr) that is looked at: fields with their number, type, and whether repeated."""
_CHOICES = ("Expr", "Constant")
"""Messages that have one of their fields."""
_SCALARS = {
    str: _Field.TYPE_STRING,
    bytes: _Field.TYPE_BYTES,
    int: _Field.TYPE_INT64,
    bool: _Field.TYPE_BOOL,
}


def of_checked(serialized: bytes) -> Any:
    """The root of a checked expression."""
    return _message("Checked", serialized).expr


def of_parsed(serialized: bytes) -> tuple[Any, dict[int, int]]:
    """The root of an expression that was only parsed, and where in its text the nodes are, by their ids."""
    parsed = _message("Parsed", serialized)
    return parsed.expr, {position.key: position.value for position in parsed.source_info.positions}


def length(constant: Any) -> int:
    """Of a text; one of anything else."""
    value = constant.const_expr
    return len(value.string_value or value.bytes_value) or 1


@dataclass(frozen=True, slots=True)
class Edits:
    """How a checked expression is to be changed."""

    renamed: Mapping[str, str]
    """Functions that others stand in for."""
    wrapped: Mapping[str, str]
    """Functions whose values are handed to others."""
    most_items: int
    """Of a list that a loop makes."""
    too_many: str
    """The function that is called when there are more."""


def edited(serialized: bytes, edits: Edits) -> bytes:
    """A checked expression, changed."""
    packed = any_pb2.Any.FromString(serialized)
    checked = _types()["Checked"].FromString(packed.value)
    every = list(expressions(checked.expr))
    fresh = itertools.count(max(each.id for each in every) + 1)
    for each in every:
        if each.WhichOneof("kind") == "comprehension_expr":
            _bound(each.comprehension_expr, edits, fresh)
        elif each.call_expr.function in edits.renamed:
            each.call_expr.function = edits.renamed[each.call_expr.function]
        elif each.call_expr.function in edits.wrapped:
            wrapper = edits.wrapped[each.call_expr.function]
            inner = type(each)()
            inner.CopyFrom(each)
            each.Clear()
            each.id = next(fresh)
            each.call_expr.function = wrapper
            each.call_expr.args.append(inner)
    packed.value = checked.SerializeToString()
    return bytes(packed.SerializeToString())


def _bound(loop: Any, edits: Edits, fresh: Iterator[int]) -> None:
    """Let a loop that makes a list go on only while ``size(made) < most || too_many()``."""
    if loop.accu_init.WhichOneof("kind") != "list_expr" or loop.loop_condition.WhichOneof("kind") != "const_expr":
        return
    goes_on = loop.loop_condition
    goes_on.Clear()
    goes_on.call_expr.function = "_||_"
    is_less, fails = goes_on.call_expr.args.add(), goes_on.call_expr.args.add()
    fails.call_expr.function = edits.too_many
    is_less.call_expr.function = "_<_"
    size, most = is_less.call_expr.args.add(), is_less.call_expr.args.add()
    most.const_expr.int64_value = edits.most_items
    size.call_expr.function = "size"
    made = size.call_expr.args.add()
    made.ident_expr.name = loop.accu_var
    for each in (goes_on, is_less, fails, size, most, made):
        each.id = next(fresh)


def expressions(message: Any) -> Iterator[Any]:
    """All expressions in a syntax tree, those inside before those around them."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                yield from expressions(item)
    if message.DESCRIPTOR.name == "Expr":
        yield message


def _message(kind: str, serialized: bytes) -> Any:
    return _types()[kind].FromString(any_pb2.Any.FromString(serialized).value)


@cache
def _types() -> dict[str, type[Any]]:
    """The messages' classes."""
    file = descriptor_pb2.FileDescriptorProto(name="tree.proto", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name in _CHOICES:
            message.oneof_decl.add(name="kind")
        for field, (number, kind, repeated) in fields.items():
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            added.type = _SCALARS.get(kind, _Field.TYPE_MESSAGE)
            if added.type == _Field.TYPE_MESSAGE:
                added.type_name = kind
            if name in _CHOICES and field != "id":
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in ("Checked", "Parsed")}
