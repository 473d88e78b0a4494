"""A webhook's matchConditions: expressions that must all hold of a write for the webhook to be asked."""

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from master.registry.cel.failures import CompileError, EvaluationError
from timonel.api.types import admissionregistration_v1 as v1

if TYPE_CHECKING:
    from master.registry.cel.environment import Program

VARIABLES = ("object", "oldObject", "request")
KEPT_PROGRAMS = 1024


class ConditionFailed(Exception):
    """No condition says no, but one has no value."""


def hold(conditions: Iterable[v1.MatchCondition], request: dict[str, Any]) -> bool:
    """Whether all conditions hold of the request of a review. One that says no outweighs one that fails.

    Raises:
        ConditionFailed: a condition does not compile, or has no value.
    """
    variables = {"object": request["object"], "oldObject": request["oldObject"], "request": request}
    failed: ConditionFailed | None = None
    for condition in conditions:
        try:
            if program(condition.expression).run(variables) is not True:
                return False
        except (CompileError, EvaluationError) as error:
            failed = failed or ConditionFailed(f'match condition "{condition.name}": {error}')
    if failed:
        raise failed
    return True


@lru_cache(maxsize=KEPT_PROGRAMS)
def program(expression: str) -> "Program":
    """The compiled expression.

    Raises:
        CompileError: it is none, or speaks of what it may not.
    """
    from master.registry.cel.environment import Environment

    return Environment(dict.fromkeys(VARIABLES)).compile(expression)
