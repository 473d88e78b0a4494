"""CEL's syntax trees as the library serializes them: the part of them that is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        "ident_expr": (4, ".Ident", False),
        "select_expr": (5, ".Select", False),
        "call_expr": (6, ".Call", False),
        "list_expr": (7, ".List", False),
        "struct_expr": (8, ".Struct", False),
        "comprehension_expr": (9, ".Comprehension", False),
    },
    "Ident": {"name": (1, str, False)},
    "Select": {"operand": (1, _EXPR, False), "field": (2, str, False)},
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
    },
}
"""The part of CEL's syntax tree (cel.expr) that is looked at: fields with their number, type, and whether repeated."""
_SCALARS = {str: _Field.TYPE_STRING, int: _Field.TYPE_INT64}


def of_checked(serialized: bytes) -> Any:
    """The root of a checked expression."""
    return _message("Checked", serialized).expr


def of_parsed(serialized: bytes) -> tuple[Any, dict[int, int]]:
    """The root of an expression that was only parsed, and where in its text the nodes are, by their ids."""
    parsed = _message("Parsed", serialized)
    return parsed.expr, {position.key: position.value for position in parsed.source_info.positions}


def edited(serialized: bytes, *, renamed: Mapping[str, str], wrapped: Mapping[str, str]) -> bytes:
    """A checked expression with other functions: in their place, or (``wrapped``) called with what they answer."""
    packed = any_pb2.Any.FromString(serialized)
    checked = _types()["Checked"].FromString(packed.value)
    every = list(expressions(checked.expr))
    free = max(each.id for each in every)
    for each in every:
        function = each.call_expr.function
        if function in renamed:
            each.call_expr.function = renamed[function]
        elif function in wrapped:
            inner = type(each)()
            inner.CopyFrom(each)
            each.Clear()
            each.id = free = free + 1
            each.call_expr.function = wrapped[function]
            each.call_expr.args.append(inner)
    packed.value = checked.SerializeToString()
    return bytes(packed.SerializeToString())


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
        if name == "Expr":
            message.oneof_decl.add(name="kind")
        for field, (number, kind, repeated) in fields.items():
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            added.type = _SCALARS.get(kind, _Field.TYPE_MESSAGE)
            if added.type == _Field.TYPE_MESSAGE:
                added.type_name = kind
            if name == "Expr" and kind is not int:
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in ("Checked", "Parsed")}
