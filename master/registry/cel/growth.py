"""Whether an expression may blow up what it is given: texts that are doubled again and again need no loop for that.

The library bounds the rounds of loops, but not what one round makes. What grows is weighed here before it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from master.registry.cel import tree

LIMIT = 100_000
"""What is heavier does not run."""
_VARIABLE = 100
"""What a variable weighs, whatever it holds; a letter that is written down weighs one."""
_RANGE = 100_000


def is_explosive(checked: bytes) -> bool:
    """Whether a checked expression, as the library serializes it, may make what is far larger than what it is given."""
    return _Scales().weigh(tree.of_checked(checked), {}) > LIMIT


class _Scales:
    """Weighs expressions, and remembers the heaviest thing met."""

    def __init__(self) -> None:
        self._heaviest = 1

    def weigh(self, root: Any, names: Mapping[str, int]) -> int:
        """The heaviest thing that is made on the way."""
        self._weight(root, names, 1)
        return self._heaviest

    def _weight(self, expr: Any, names: Mapping[str, int], times: int) -> int:
        weight = max(1, self._own(expr, names, times))
        self._heaviest = max(self._heaviest, weight * times)
        return min(weight, LIMIT + 1)

    def _own(self, expr: Any, names: Mapping[str, int], times: int) -> int:
        match expr.WhichOneof("kind"):
            case "const_expr":
                return tree.length(expr)
            case "ident_expr":
                return names.get(expr.ident_expr.name, _VARIABLE)
            case "select_expr":
                return self._weight(expr.select_expr.operand, names, times)
            case "list_expr":
                return sum(self._weight(each, names, times) for each in expr.list_expr.elements)
            case "struct_expr":
                return sum(self._weight(each.value, names, times) for each in expr.struct_expr.entries)
            case "call_expr":
                return self._called(expr.call_expr, names, times)
            case "comprehension_expr":
                return self._loop(expr.comprehension_expr, names, times)
        return 1

    def _called(self, call: Any, names: Mapping[str, int], times: int) -> int:
        inner = [*([call.target] if call.HasField("target") else []), *call.args]
        weights = [self._weight(each, names, times) for each in inner]
        if call.function == "lists.range":
            return inner[0].const_expr.int64_value or _RANGE
        if call.function in ("_+_", "cel.@mapInsert", "format"):
            return sum(weights)
        return max(weights, default=1)

    def _loop(self, loop: Any, names: Mapping[str, int], times: int) -> int:
        """All items together are as heavy as what is gone through; each adds what the step adds to nothing."""
        over = self._weight(loop.iter_range, names, times)
        rounds = max(1, over // _VARIABLE) if over >= _VARIABLE else over
        item = max(1, over // rounds)
        inner = {**names, loop.iter_var: item, loop.iter_var2: item, loop.accu_var: 0}
        self._weight(loop.loop_condition, inner, times)
        return rounds * self._weight(loop.loop_step, inner, times * rounds)
