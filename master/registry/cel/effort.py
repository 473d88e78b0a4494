"""How many steps an expression may take at worst, judged by the largest values that its schema allows.

Counted are the rounds of loops only, so the estimate is never above Kubernetes' own, which prices each operation too:
what is refused here is refused there. Source: Kubernetes' documentation of resource constraints of validation rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from master.registry.cel import tree
from master.registry.cel.names import escaped
from master.registry.custom.schema import MISSING, Structural

REQUEST_BYTES = 3 * 1024 * 1024
"""No object is larger; where a schema names no bound, this is what bounds its lists and maps."""
LIMIT = 10_000_000
"""Rounds that one rule may take."""

Scope = Mapping[str, Structural | None]


def rounds(checked: bytes, variables: Scope) -> int:
    """The rounds of all loops of a checked expression, as the library serializes it."""
    return _rounds(tree.of_checked(checked), variables)


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
