"""Compiles expressions and runs them: the only place that knows the library's environments and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext.ext_bindings import ExtBindings
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings

from master.registry.cel import authorization, effort, library, tree
from master.registry.cel.declared import Declared
from master.registry.cel.effort import Scope
from master.registry.cel.failures import CompileError, EvaluationError, TooExpensive
from master.registry.cel.functions import declarations

_CODE = re.compile(r"^(?:[A-Z_]+: )|(?: \[[A-Z_]+\])$")
_STRUCT = re.compile(r" not found in struct '[^']*'")
_NO_KEY = re.compile(r'Key not found in map : "(.*)"')
_NO_INDEX = re.compile(r"Index error: index=(\d+).*")
_NO_OVERLOAD = re.compile(r"No matching overloads found : .*")
_FAULT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*?)\n \| ", re.DOTALL)
_FOLLOWS = "*error*"
"""In what is said of an expression because of a fault that was told before."""
_UNKNOWN = re.compile(r"undeclared reference to '(\w+)(\.\w+)((?:\.\w+)*)' \(in container ''\)")
_BUDGET = "Iteration budget exceeded"
KEPT = 256
"""How many sets of variables are kept ready for running."""

_TYPE_NAME = re.compile(r"[A-Z][A-Z_]+|[<>]")
_TYPE_NAMES = {"NULL": "null_type", "TIMESTAMP": "timestamp", "DURATION": "duration", "<": "(", ">": ")"}
for _name in ("BOOL", "BYTES", "DOUBLE", "DYN", "INT", "LIST", "MAP", "STRING", "UINT"):
    _TYPE_NAMES[_name] = _name.lower()

_OPTIONAL = "cel.bind({name}, has_{name}_ ? optional.of({name}_) : optional.none(), "
"""Stands before an expression with an optional variable: the library makes optionals in expressions only."""


class Program:
    """A compiled expression; may be run any number of times."""

    def __init__(self, text: str, expression: cel.Expression, checked: cel.Expression) -> None:
        self.text = text
        self._expression = expression
        self._checked = checked
        result = checked.return_type()
        self.is_bool = result in (cel.Type.BOOL, cel.Type.DYN)
        self.is_string = result in (cel.Type.STRING, cel.Type.DYN)
        self.declared = Declared(result)
        """The type of its value, for a variable that stands for it."""

    @property
    def sort(self) -> str:
        """The type of its value as messages name it, for instance ``list(string)``."""
        name = self._checked.return_type().name()
        return _TYPE_NAME.sub(lambda found: _TYPE_NAMES.get(found[0], found[0]), name)

    def rounds(self, schemas: Scope) -> int:
        """The rounds that its loops take at worst, where the variables are of these schemas."""
        return effort.rounds(self._checked.serialize(), schemas)

    def run(self, variables: Mapping[str, Any]) -> Any:
        """The value for these variables, as Python has it.

        Raises:
            EvaluationError: it has none; `TooExpensive` where it would take too long.
        """
        try:
            value = self._expression.eval(data=variables)
        except RuntimeError as error:
            raise _evaluation_error(str(error)) from None
        if value.type() == cel.Type.ERROR:
            raise _evaluation_error(str(value.value()))
        return value.plain_value()


class Environment:
    """What expressions may speak of: variables with their types.

    Args:
        types: the declared types of variables; those that have a pool have the same.
        optional: the variable of these that may be without a value: expressions see an optional.
    """

    def __init__(self, types: Mapping[str, Declared | None], optional: str = "") -> None:
        self._optional = optional
        variables = {self._own(name): declared.type if declared else cel.Type.DYN for name, declared in types.items()}
        pool = next((declared.pool for declared in types.values() if declared and declared.pool), None)
        if optional:
            variables[f"has_{optional}_"] = cel.Type.BOOL
        extensions = _extensions()
        self._typed = cel.NewEnv(pool, variables=variables, functions=_functions(typed=True), extensions=extensions)
        self._running = _running(tuple(variables))

    def compile(
        self, expression: str, *, written: str = "", place: Callable[[int], int] = lambda column: column
    ) -> Program:
        """Check an expression and make it ready to run.

        Args:
            written: the expression as its author wrote it, where that is another.
            place: where in that line a column of the expression's line is.

        Raises:
            CompileError: with the place and the fault.
        """
        prefix = _OPTIONAL.format(name=self._optional) if self._optional else ""
        text = f"{prefix}{expression})" if prefix else expression
        try:
            checked = self._typed.compile(text)
            return Program(written or expression, self._running.compile(text), checked)
        except RuntimeError as error:
            why = _complaint(str(error), written or expression, lambda column: place(max(1, column - len(prefix))))
            raise CompileError(why) from None

    def parse(self, expression: str) -> tuple[Any, dict[int, int]]:
        """The root of an expression's syntax tree, unchecked, and where in the text its nodes are, by their ids.

        Raises:
            CompileError: it is no expression.
        """
        try:
            return tree.of_parsed(self._typed.compile(expression, disable_check=True).serialize())
        except RuntimeError as error:
            raise CompileError(_complaint(str(error), expression, lambda column: column)) from None

    def _own(self, name: str) -> str:
        return f"{name}_" if name == self._optional else name


@cache
def _functions(*, typed: bool) -> list[cel.FunctionDecl]:
    return declarations([*library.functions(), *authorization.functions()], typed=typed)


@cache
def _extensions() -> list[cel.CelExtensionBase]:
    return [ExtOptional(), ExtStrings(), ExtBindings()]


@lru_cache(maxsize=KEPT)
def _running(variables: tuple[str, ...]) -> cel.Env:
    """Where expressions run, their types known to fit: values come as they are."""
    return cel.NewEnv(
        variables=dict.fromkeys(variables, cel.Type.DYN),
        functions=_functions(typed=False),
        extensions=_extensions(),
    )


def _complaint(message: str, expression: str, place: Callable[[int], int]) -> str:
    """A compiler's message in the words that Kubernetes' users know, with the expression as its author wrote it.

    Args:
        place: where in the author's line a column of the compiled text's line is.
    """
    lines, told = expression.split("\n"), []
    for line, column, why in _FAULT.findall(_CODE.sub("", message).replace("\\u003F", "?")):
        if _FOLLOWS in why:
            continue
        at = place(int(column))
        why = _STRUCT.sub("", why)
        unknown = _UNKNOWN.fullmatch(why)
        if unknown:
            at, why = _root_unknown(at, *unknown.groups())
        text = lines[min(int(line), len(lines)) - 1]
        told.append(f"ERROR: <input>:{line}:{at}: {why}\n | {text}\n | {'.' * (at - 1)}^")
    return "\n".join(told) or message


def _root_unknown(at: int, root: str, step: str, rest: str) -> tuple[int, str]:
    """Of a path of names that is not known, the library tells the last dot's place: what is unknown is its root."""
    start = at - len(root + step + rest[: rest.rfind(".")] if rest else root)
    if root == "variables":
        return start + len(root), f"undefined field '{step[1:]}'"
    return start, f"undeclared reference to '{root}' (in container '')"


def _evaluation_error(text: str) -> EvaluationError:
    """In the words that Kubernetes' users know."""
    if _BUDGET in text:
        return TooExpensive("call cost exceeds limit")
    text = _CODE.sub("", text)
    text = _NO_KEY.sub(r"no such key: \1", text)
    text = _NO_INDEX.sub(r"index out of bounds: \1", text)
    text = _NO_OVERLOAD.sub("no such overload", text)
    return EvaluationError(text.replace("divide by zero", "division by zero"))
