"""Whether the expressions of webhooks, policies and device selectors compile, and to what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from master.registry.cel.failures import CompileError
from timonel.api.fields import FieldError, Path, invalid

if TYPE_CHECKING:
    from master.registry.cel.admission import Vocabulary

MUTATIONS = {"ApplyConfiguration": "Object", "JSONPatch": "list(JSONPatch)"}


class Expressions:
    """The expressions of one webhook or policy, which are shown to this in their order."""

    def __init__(self, *, params: bool = False, namespace: bool = True) -> None:
        self._params = params
        self._namespace = namespace
        self._vocabulary: Vocabulary | None = None

    def faults(self, expression: str, path: Path, *sorts: str, authorizer: bool = True) -> Iterator[FieldError]:
        """What is wrong with an expression that is to be of one of these sorts."""
        try:
            found = self._words().compile(expression, authorizer=authorizer).sort
        except CompileError as error:
            yield invalid(path, expression, f"compilation failed: {error}")
            return
        yield from _sort_faults(found, expression, path, sorts)

    def variable_faults(self, variable: Any, path: Path) -> Iterator[FieldError]:
        """What is wrong with a variable's expression; later expressions may use the variable."""
        try:
            self._words().define(variable.name, variable.expression)
        except CompileError as error:
            yield invalid(path, variable.expression, f"compilation failed: {error}")

    def mutation_faults(self, expression: str, kind: str, path: Path) -> Iterator[FieldError]:
        """What is wrong with the expression of a mutation."""
        from master.registry.cel.mutation import compiled

        try:
            _, found = compiled(self._words().environment(), expression)
        except CompileError as error:
            yield invalid(path, expression, f"compilation failed: {error}")
            return
        yield from _sort_faults(found, expression, path, (MUTATIONS[kind],))

    def _words(self) -> Vocabulary:
        """The library behind it is loaded with the first expression."""
        from master.registry.cel.admission import Vocabulary

        if self._vocabulary is None:
            self._vocabulary = Vocabulary(params=self._params, namespace=self._namespace)
        return self._vocabulary


def device_expression_faults(expression: str, path: Path) -> Iterator[FieldError]:
    """What is wrong with an expression that chooses devices; what a device has is known when one is there."""
    from master.registry.cel.environment import Environment

    try:
        Environment({"device": None}).compile(expression)
    except CompileError as error:
        yield invalid(path, expression, f"compilation failed: {error}")


def _sort_faults(found: str, expression: str, path: Path, sorts: tuple[str, ...]) -> Iterator[FieldError]:
    if found not in sorts:
        wanted = sorts[0] if len(sorts) == 1 else f"one of [{' '.join(sorts)}]"
        yield invalid(path, expression, f"must evaluate to {wanted} but got {found}")
