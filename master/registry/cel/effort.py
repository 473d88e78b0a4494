"""What an expression costs at worst, judged by the largest values that its schema allows.

Each operation has a price; a loop pays for each of its rounds, a look at a whole text for each ten bytes. Source: CEL's
and Kubernetes' documentation of resource constraints of validation rules; the prices are what Kubernetes refuses by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from master.registry.cel import tree
from master.registry.cel.names import escaped, is_word
from master.registry.custom.schema import MISSING, Structural

REQUEST_BYTES = 3 * 1024 * 1024
"""No object is larger; where a schema names no bound, this is what bounds its texts, lists and maps."""
LIMIT = 10_000_000
"""What one rule may cost."""
LIMIT_TOGETHER = 100_000_000
"""What all rules of a schema may cost."""
UNBOUNDED = float(2**64 - 1)
"""The size of what nothing is known of."""
_BYTES_OF_LETTER = 4
_LOOK, _REGEX = 0.1, 0.25
_LIST, _MAP = 10, 30
_CHECK = 350_000
_LONGEST_FORMAT_REGEX = 128
_TIMES = ("date", "date-time", "duration")

_FREE = frozenset({"_&&_", "_||_"})
_COMPARED = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_SEEN_WHOLE = frozenset({"lowerAscii", "upperAscii", "trim", "substring", "url", "quantity", "isQuantity"})
_SEEN_TWICE = frozenset({"replace", "split"})
_MATCHED = frozenset({"matches", "find", "findAll"})
_GONE_THROUGH = frozenset({"sum", "min", "max", "reverse"})
_COMPARES_ITEMS = frozenset({"isSorted", "indexof", "lastIndexof"})
_KEEPS_SIZE = frozenset({"lowerAscii", "upperAscii", "trim", "substring", "replace", "find", "dyn"})
_MAKES_LISTS = frozenset({"split", "findAll", "getQuery"})
_PAIRED = frozenset({"sort", "distinct", "sets.contains", "sets.intersects", "sets.equivalent"})

Scope = Mapping[str, Structural | None]


@dataclass(frozen=True, slots=True)
class Worth:
    """What an expression costs at most, and how large its value is then: letters of a text, items of a list."""

    cost: float
    size: float = 1
    schema: Structural | None = None
    """Of the value, where it is known."""
    item: Worth | None = field(default=None, repr=False)
    """Of a list or map that the expression makes: one of its items."""

    @property
    def is_list(self) -> bool:
        """As far as is known."""
        return self.item is not None or (self.schema is not None and self.schema.type == "array")


def cost(checked: bytes, variables: Scope) -> float:
    """The most that a checked expression, as the library serializes it, may cost."""
    return _worth(tree.of_checked(checked), {name: _of_schema(0, node) for name, node in variables.items()}).cost


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


def _size(node: Structural) -> float:
    if node.int_or_string:
        return REQUEST_BYTES - 2
    match node.type:
        case "string":
            longest = node.raw.get("maxLength")
            if longest is not None:
                return float(longest * _BYTES_OF_LETTER)
            if node.raw.get("enum"):
                return max(len(str(each)) for each in node.raw["enum"])
            return 1 if node.raw.get("format") in _TIMES else REQUEST_BYTES - 2
        case "array":
            return most_items(node)
        case "object" if node.additional:
            return most_items(node)
    return 1


def _of_schema(cost: float, node: Structural | None) -> Worth:
    return Worth(cost, UNBOUNDED if node is None else _size(node), node)


def _item(holder: Worth) -> Worth:
    """One of the things that a list or map holds."""
    node = holder.schema and (holder.schema.items or holder.schema.additional)
    return holder.item or _of_schema(0, node)


def _worth(expr: Any, scope: Mapping[str, Worth]) -> Worth:
    match expr.WhichOneof("kind"):
        case "const_expr":
            return Worth(0, tree.length(expr))
        case "ident_expr":
            return replace(scope.get(expr.ident_expr.name, Worth(1)), cost=1)
        case "select_expr":
            holder = _worth(expr.select_expr.operand, scope)
            if expr.select_expr.test_only:
                return Worth(holder.cost)
            return _of_schema(holder.cost + 1, _member(holder.schema, expr.select_expr.field))
        case "call_expr":
            call = expr.call_expr
            inner = [*([call.target] if call.HasField("target") else []), *call.args]
            return _called(call.function, [_worth(each, scope) for each in inner])
        case "list_expr":
            items = [_worth(each, scope) for each in expr.list_expr.elements]
            return Worth(_LIST + _sum(items), len(items), item=_largest(expr.list_expr.elements, items))
        case "struct_expr":
            keys = [_worth(entry.map_key, scope) for entry in expr.struct_expr.entries]
            values = [entry.value for entry in expr.struct_expr.entries]
            items = [_worth(each, scope) for each in values]
            return Worth(_MAP + _sum(keys) + _sum(items), len(items), item=_largest(values, items))
        case "comprehension_expr":
            return _loop(expr.comprehension_expr, scope)
    return Worth(0)


def _largest(written: Sequence[Any], items: Sequence[Worth]) -> Worth:
    """What stands for each of the items that are written down; Kubernetes does not look at how long such texts are."""
    if any(each.const_expr.string_value or each.const_expr.bytes_value for each in written):
        return Worth(0, UNBOUNDED)
    return replace(max(items, key=lambda each: each.size, default=Worth(0)), cost=0)


def _sum(worths: Sequence[Worth]) -> float:
    return sum(each.cost for each in worths)


def _member(node: Structural | None, name: str) -> Structural | None:
    if node is None:
        return None
    named = (inner for own, inner in node.properties.items() if escaped(own) == name or (is_word(own) and own == name))
    return next(named, node.additional)


def _loop(loop: Any, scope: Mapping[str, Worth]) -> Worth:
    """Keys, and items of what is no part of the object, are not looked at for their length."""
    over, start = _worth(loop.iter_range, scope), _worth(loop.accu_init, scope)
    item = _item(over) if over.schema else Worth(0, 0)
    inner = {**scope, loop.accu_var: start, loop.iter_var: item, loop.iter_var2: item}
    if loop.iter_var2 or (over.schema and over.schema.type == "object"):
        inner[loop.iter_var] = Worth(0, 0)
    step = _worth(loop.loop_step, inner)
    rounds = over.size * (_worth(loop.loop_condition, inner).cost + step.cost)
    result = _worth(loop.result, {**inner, loop.accu_var: Worth(0)})
    size, made = (over.size, step.item) if start.item else (1, None)
    return Worth(over.cost + start.cost + rounds + result.cost, size, item=made)


def _seen(size: float) -> int:
    """The price of a look at a whole text."""
    return math.ceil(size * _LOOK)


def _called(function: str, inner: Sequence[Worth]) -> Worth:
    """What a call costs with its operands, and what it gives."""
    paid = _sum(inner)
    if function in _FREE:
        return Worth(paid)
    first, second = (*inner, Worth(0), Worth(0))[:2]
    match function:
        case "_?_:_":
            larger = max(inner[1:], key=lambda each: each.cost)
            size = max(each.size for each in inner[1:])
            return Worth(inner[0].cost + larger.cost, size, larger.schema, larger.item)
        case "_[_]":
            item = _item(first)
            return Worth(paid + 1, item.size, item.schema, item.item)
        case "_+_" if first.is_list or second.is_list:
            return Worth(paid + 1, first.size + second.size, item=second.item or first.item)
        case "_+_":
            return Worth(paid + max(1, _seen(first.size + second.size)), first.size + second.size)
        case "optional.none" | "type":
            return Worth(paid + 1, UNBOUNDED)
    return Worth(paid + _price(function, first, second), *_given(function, first))


def _price(function: str, first: Worth, second: Worth) -> float:
    """What a call costs beside its operands."""
    if function in _COMPARED:
        return _seen(min(first.size, second.size))
    if function in _MATCHED:
        return _seen(first.size + 1) * math.ceil(second.size * _REGEX)
    if function in _SEEN_WHOLE or function in _SEEN_TWICE:
        return _seen(first.size) * (2 if function in _SEEN_TWICE else 1)
    if function in _GONE_THROUGH:
        return first.size
    if function in _COMPARES_ITEMS:
        item = _item(first).size
        return first.size * (1 if item == 1 else 1 + _seen(item)) if first.is_list else _seen(first.size)
    if function in _PAIRED:
        return first.size * (second.size if "." in function else first.size) * (1 + (function == "sets.equivalent"))
    match function:
        case "contains" | "indexOf" | "lastIndexOf":
            return _seen(first.size) * _seen(second.size)
        case "startsWith" | "endsWith":
            return _seen(second.size)
        case "@in":
            return second.size
        case "join":
            return _seen(first.size * (_item(first).size + second.size))
        case "validate":
            return _seen(second.size) * math.ceil(_LONGEST_FORMAT_REGEX * _REGEX)
        case "check":
            return _CHECK
    return 1


def _given(function: str, first: Worth) -> tuple[float, Structural | None, Worth | None]:
    """The size of what a call gives, its schema, and its items."""
    if function in _MAKES_LISTS:
        return UNBOUNDED, None, Worth(0)
    if function == "sort":
        return first.size, first.schema, first.item
    return first.size if function in _KEEPS_SIZE else 1, None, None
