"""How many steps an expression may take at worst, judged by the largest values that its schema allows.

Counted are the rounds of loops only, so the estimate is never above Kubernetes' own, which prices each operation too:
what is refused here is refused there. Source: Kubernetes' documentation of resource constraints of validation rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from master.registry.cel.names import escaped
from master.registry.custom.schema import MISSING, Structural

REQUEST_BYTES = 3 * 1024 * 1024
"""No object is larger; where a schema names no bound, this is what bounds its lists and maps."""
LIMIT = 10_000_000
"""Rounds that one rule may take."""

Scope = Mapping[str, Structural | None]

_Field = descriptor_pb2.FieldDescriptorProto
_EXPR = ".Expr"
_MESSAGES: dict[str, dict[str, tuple[int, Any, bool]]] = {
    "Checked": {"expr": (4, _EXPR, False)},
    "Expr": {
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
    "Struct": {"entries": (2, ".Entry", True)},
    "Entry": {"map_key": (3, _EXPR, False), "value": (4, _EXPR, False)},
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


def rounds(checked: bytes, variables: Scope) -> int:
    """The rounds of all loops of a checked expression, as the library serializes it."""
    packed = any_pb2.Any.FromString(checked)
    message = _tree_type().FromString(packed.value)
    return _rounds(message.expr, variables)


def most_items(node: Structural) -> int:
    """The most items that a list or map of this schema can have."""
    given = node.raw.get("maxItems" if node.type == "array" else "maxProperties")
    inner = node.items if node.type == "array" else node.additional
    key = 0 if node.type == "array" else 4
    possible = REQUEST_BYTES // ((_least_bytes(inner) if inner else 1) + key + 1)
    return possible if given is None else min(given, possible)


def _least_bytes(node: Structural) -> int:
    """The size of the smallest value, as JSON."""
    if node.type == "object":
        wanted = [name for name in node.raw.get("required") or () if name in node.properties]
        needed = [name for name in wanted if node.properties[name].default is MISSING]
        return 2 + sum(len(name) + 4 + _least_bytes(node.properties[name]) for name in needed)
    return {"string": 2, "boolean": 4, "array": 2}.get(node.type, 1)


def _rounds(expr: Any, scope: Scope) -> int:
    match expr.WhichOneof("kind"):
        case "select_expr":
            return _rounds(expr.select_expr.operand, scope)
        case "call_expr":
            call = expr.call_expr
            target = _rounds(call.target, scope) if call.HasField("target") else 0
            return target + sum(_rounds(each, scope) for each in call.args)
        case "list_expr":
            return sum(_rounds(each, scope) for each in expr.list_expr.elements)
        case "struct_expr":
            return sum(_rounds(each.value, scope) for each in expr.struct_expr.entries)
        case "comprehension_expr":
            return _rounds_of_loop(expr.comprehension_expr, scope)
    return 0


def _rounds_of_loop(loop: Any, scope: Scope) -> int:
    over = _schema_of(loop.iter_range, scope)
    if loop.iter_range.WhichOneof("kind") == "list_expr":
        count = len(loop.iter_range.list_expr.elements)
    else:
        count = most_items(over) if over and over.type in ("array", "object") else 1
    inner = {**scope, loop.iter_var: over.items if over else None, loop.accu_var: _schema_of(loop.accu_init, scope)}
    each = _rounds(loop.loop_condition, inner) + _rounds(loop.loop_step, inner)
    return _rounds(loop.iter_range, scope) + count * max(1, each) + _rounds(loop.result, inner)


def _schema_of(expr: Any, scope: Scope) -> Structural | None:
    """The schema that bounds a value; None where nothing is known of it."""
    match expr.WhichOneof("kind"):
        case "ident_expr":
            return scope.get(expr.ident_expr.name)
        case "select_expr":
            holder = _schema_of(expr.select_expr.operand, scope)
            return _member(holder, expr.select_expr.field) if holder else None
        case "call_expr" if expr.call_expr.function == "_[_]":
            holder = _schema_of(expr.call_expr.args[0], scope)
            return (holder.items or holder.additional) if holder else None
        case "comprehension_expr":
            return _schema_of(expr.comprehension_expr.iter_range, scope)
    return None


def _member(node: Structural, field: str) -> Structural | None:
    named = (inner for name, inner in node.properties.items() if escaped(name) == field)
    return next(named, node.additional)


@cache
def _tree_type() -> type[Any]:
    """The class of syntax trees."""
    file = descriptor_pb2.FileDescriptorProto(name="tree.proto", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "Expr":
            message.oneof_decl.add(name="kind")
        for field, (number, kind, repeated) in fields.items():
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            added.type = _Field.TYPE_STRING if kind is str else _Field.TYPE_MESSAGE
            if kind is not str:
                added.type_name = kind
            if name == "Expr":
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName("Checked"))
    return found
