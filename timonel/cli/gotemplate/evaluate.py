"""Runs templates over values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final

from timonel.cli.gotemplate import nodes
from timonel.cli.gotemplate.errors import FunctionError, TemplateError, line_and_column
from timonel.cli.gotemplate.formatting import Int, plain, type_name
from timonel.cli.gotemplate.functions import FUNCTIONS, sprint_top, truth
from timonel.cli.gotemplate.parse import MAIN, parse

MAX_DEPTH = 100
"""How deep templates may call each other."""


class _Absent:
    """What is not there, unlike a null that is: its members are not there either."""


ABSENT: Final = _Absent()


class _Jump(Exception):  # no error: it leaves a round of a range
    """`break` or `continue`."""


class Template:
    """A template.

    Args:
        text: the template.

    Raises:
        TemplateError: it is malformed.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._templates = parse(text)

    def render(self, data: Any) -> str:
        """What it prints for `data`.

        Raises:
            TemplateError: it does not fit the data.
        """
        run = _Run(self._text, self._templates)
        run.template(MAIN, data, depth=0)
        return "".join(run.out)


class _Run:
    """One run of a template: what it has printed, and its variables."""

    def __init__(self, text: str, templates: dict[str, list[nodes.Node]]) -> None:
        self.out: list[str] = []
        self._text = text
        self._templates = templates
        self._name = MAIN
        self._depth = 0
        self._variables: list[tuple[str, Any]] = []

    # Statements

    def template(self, name: str, dot: Any, depth: int) -> None:
        """Run one of the templates."""
        outer = self._name, self._variables, self._depth
        self._name, self._variables, self._depth = name, [("$", dot)], depth
        self._walk(self._templates[name], dot)
        self._name, self._variables, self._depth = outer

    def _walk(self, body: Sequence[nodes.Node], dot: Any) -> None:
        for node in body:
            match node:
                case nodes.Text(text):
                    self.out.append(text)
                case nodes.Print(pipeline):
                    value = self._pipeline(pipeline, dot)
                    if not pipeline.variables:
                        self.out.append(plain(sprint_top(_value(value))))
                case nodes.Branch("range"):
                    with self._scope():
                        self._range(node, dot)
                case nodes.Branch():
                    with self._scope():
                        value = self._pipeline(node.pipeline, dot)
                        chosen = node.body if truth(_value(value)) else node.otherwise
                        self._walk(chosen, value if node.word == "with" and chosen is node.body else dot)
                case nodes.Jump(word):
                    raise _Jump(word)
                case nodes.Call():
                    self._call_template(node, dot)

    @contextmanager
    def _scope(self) -> Any:
        """What is declared inside is forgotten behind it."""
        known = len(self._variables)
        try:
            yield
        finally:
            del self._variables[known:]

    def _range(self, node: nodes.Branch, dot: Any) -> None:
        value = _value(self._pipeline(node.pipeline, dot))
        empty = True
        for key, item in self._rounds(node, value):
            empty = False
            with self._scope():
                for name, given in zip(reversed(node.pipeline.variables), (item, key), strict=False):
                    self._set(node.pipeline, name, given)
                try:
                    self._walk(node.body, item)
                except _Jump as jump:
                    if str(jump) == "break":
                        break
        if empty:
            self._walk(node.otherwise, dot)

    def _rounds(self, node: nodes.Branch, value: Any) -> Iterable[tuple[Any, Any]]:
        last = node.pipeline.commands[-1].operands[-1]
        match value:
            case None:
                return ()
            case list():
                return ((Int(place), item) for place, item in enumerate(value))
            case dict():
                return sorted(value.items())
            case int() if not isinstance(value, bool):
                if len(node.pipeline.variables) < 2:
                    return ((number, type(value)(number)) for number in range(value))
                raise self._fault(last, f"can't use {value} to iterate over more than one variable")
        raise self._fault(last, f"range can't iterate over {plain(value)}")

    def _call_template(self, node: nodes.Call, dot: Any) -> None:
        if node.name not in self._templates:
            raise self._fault(node, f'template "{node.name}" not defined')
        if self._depth == MAX_DEPTH:
            raise self._fault(node, f"exceeded maximum template depth ({MAX_DEPTH})")
        self.template(node.name, self._pipeline(node.pipeline, dot) if node.pipeline else None, self._depth + 1)

    # Pipelines

    def _pipeline(self, pipeline: nodes.Pipeline, dot: Any) -> Any:
        value: Any = ABSENT
        for number, command in enumerate(pipeline.commands):
            value = self._command(command, dot, [value] if number else [])
            if value is None:
                value = ABSENT
        for name in pipeline.variables:
            if not pipeline.assigns:
                self._variables.append((name, value))
            self._set(pipeline, name, value)
        return value

    def _set(self, node: Any, name: str, value: Any) -> None:
        self._variables[self._place(node, name)] = name, value

    def _place(self, node: Any, name: str) -> int:
        """Where the innermost variable of that name is."""
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                return place
        raise self._fault(node, f"undefined variable: {name}")

    def _command(self, command: nodes.Command, dot: Any, last: list[Any]) -> Any:
        """What a command gives; `last` holds what the one before it gave, as its last argument."""
        first, *rest = command.operands
        if isinstance(first, nodes.Function):
            return self._call(first, command, rest, dot, last)
        if rest or last:
            if isinstance(first, nodes.Field | nodes.Variable | nodes.Chain) and first.names:
                raise self._fault(first, f"{first.names[-1]} is not a method but has arguments")
            raise self._fault(first, f"can't give argument to non-function {first}")
        if isinstance(first, nodes.Constant) and first.value is None:
            raise self._fault(command, "nil is not a command")
        return self._operand(first, dot)

    def _operand(self, operand: nodes.Operand, dot: Any) -> Any:
        match operand:
            case nodes.Dot():
                return dot
            case nodes.Constant():
                return operand.value
            case nodes.Pipeline():
                return self._pipeline(operand, dot)
            case nodes.Function():
                return self._call(operand, operand, [], dot, [])
            case nodes.Field():
                value = dot
            case nodes.Variable():
                _, value = self._variables[self._place(operand, operand.name)]
            case nodes.Chain():
                value = self._pipeline(operand.inner, dot)
        for place, name in enumerate(operand.names):
            value = self._member(operand, value, name, type_name(value) if not place else "interface {}")
        return value

    def _member(self, node: nodes.Operand, value: Any, name: str, known: str) -> Any:
        """A member; errors say the type where it is known, as it is of what is no member itself."""
        if isinstance(value, dict):
            return value.get(name, ABSENT)
        if value is ABSENT:
            return ABSENT
        if value is None:
            raise self._fault(node, f"nil pointer evaluating interface {{}}.{name}")
        raise self._fault(node, f"can't evaluate field {name} in type {known}")

    def _call(
        self, function: nodes.Function, command: nodes.Operand | nodes.Command, rest: Sequence[nodes.Operand], dot: Any,
        last: list[Any],
    ) -> Any:  # fmt: skip
        if function.name in ("and", "or"):
            return self._lazy(function, rest, dot, last)
        builtin = FUNCTIONS[function.name]
        count = len(rest) + len(last)
        if count < builtin.least or (builtin.most is not None and count > builtin.most):
            wanted = f"at least {builtin.least}" if builtin.most is None else str(builtin.least)
            raise self._fault(function, f"wrong number of args for {function.name}: want {wanted} got {count}")
        values = [_value(each) for each in (*(self._operand(each, dot) for each in rest), *last)]
        for place, value in enumerate(values[: builtin.texts]):
            if not isinstance(value, str):
                self._refuse_text((*rest, command)[place], value)
        try:
            return builtin.run(*values)
        except FunctionError as error:
            raise self._fault(command, f"error calling {function.name}: {error}") from None

    def _refuse_text(self, node: Any, value: Any) -> None:
        if value is None:
            raise self._fault(node, "invalid value; expected string")
        if isinstance(node, nodes.Constant):
            raise self._fault(node, f"expected string; found {node}")
        raise self._fault(node, f"wrong type for value; expected string; got {type_name(value)}")

    def _lazy(self, function: nodes.Function, rest: Sequence[nodes.Operand], dot: Any, last: list[Any]) -> Any:
        if not rest and not last:
            raise self._fault(function, f"wrong number of args for {function.name}: want at least 1 got 0")
        waiting: list[Callable[[], Any]] = [lambda each=each: self._operand(each, dot) for each in rest]  # type: ignore[misc]
        waiting += [lambda: last[0]] if last else []
        value: Any = None
        for evaluate in waiting:
            value = _value(evaluate())
            if truth(value) == (function.name == "or"):
                break
        return value

    def _fault(self, node: Any, why: str) -> TemplateError:
        line, column = line_and_column(self._text, node.position)
        return TemplateError(f'template: {MAIN}:{line}:{column}: executing "{self._name}" at <{node}>: {why}')


def _value(value: Any) -> Any:
    """What functions see: nothing is nothing, whether absent or null."""
    return None if value is ABSENT else value
