"""Compiles expressions and runs them: the only place that knows the library's environments and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from master.registry.cel import authorization, effort, library, tree
from master.registry.cel.declared import Declared
from master.registry.cel.effort import Scope
from master.registry.cel.failures import TOO_MUCH, CompileError, EvaluationError, TooExpensive
from master.registry.cel.functions import declarations
from master.registry.cel.growth import is_explosive

_CODE = re.compile(r"^(?:[A-Z_]+: )|(?: \[[A-Z_]+\])$")
_STRUCT = re.compile(r" not found in struct '[^']*'")
_WORDS = tuple(
    (re.compile(complaint), words)
    for complaint, words in (
        (r'Key not found in map : "(.*)"', r"no such key: \1"),
        (r"Index error: index=(-?\d+).*", r"index out of bounds: \1"),
        (r"No matching overloads found : .*", "no such overload"),
        ("divide by zero", "division by zero"),
        (r"cannot convert string to (\w+)", r"type conversion error from 'string' to '\1'"),
        ("Type conversion error", "type conversion error"),
        ("double out of int64 range", "integer overflow"),
        ("int64 out of uint64 range", "unsigned integer overflow"),
        (r"Integer value .* out of range .*", "integer overflow"),
        (r"<string>\.\w+\(.*\): .* is (?:less|greater) than .*", "index out of range"),
        (r"^(missing \]: .*)", r"Illegal regex: error parsing regexp: \1"),
        (r"^flatten\(\): ", ""),
        (r"^invalid regular expression: missing \]: (.*)", r"error parsing regexp: missing closing ]: `\1`"),
    )
)
"""What the library says of expressions without a value, and the words that Kubernetes' users know."""
_FAULT = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*?)\n \| ", re.DOTALL)
_FAULT_WORDS = tuple(
    (re.compile(complaint), words)
    for complaint, words in (
        (r"\w+\(\) (?:\w+ )?variable name must be a simple identifier", "argument must be a simple name"),
        (r"has\(\) argument must be a field selection", "invalid argument to has() macro"),
        (r"\bnull_type\b", "null"),
        ("cannot be the range of", "cannot be range of"),
        (f"'{library.INDEX_OF}'", "'indexOf'"),
        (f"'{library.LAST_INDEX_OF}'", "'lastIndexOf'"),
    )
)
_MISAPPLIED = re.compile(r"found no matching overload for '(?P<name>\w+)' applied to '\((?P<types>.*)\)'")
_TOO_DEEP = re.compile("max recursion depth|recursion limit exceeded")
DEEPEST = 250
"""How deep expressions may be nested."""
_COMPOSED = "variables"
_FOLLOWS = "*error*"
"""In what is said of an expression because of a fault that was told before."""
_UNKNOWN = re.compile(r"undeclared reference to '(\w+)(\.\w+)((?:\.\w+)*)' \(in container ''\)")
_BUDGET = "Iteration budget exceeded"
_STANDARD = """
stdlib:
  exclude_functions: [{name: string}, {name: _<_}, {name: _<=_}, {name: _>_}, {name: _>=_}]
extensions:
- {name: optional}
- {name: strings, version: 2}
- {name: lists}
- {name: sets}
"""
"""The language, but for functions that Kubernetes has more forms of (`library.standard`)."""
_MACROS = "- {name: two-var-comprehensions}\n"
"""For checking only: where expressions run, `library` has what the loops call."""
_BINDINGS = "- {name: bindings}\n"
_OTHER_NAMES = (
    ("'exists_one'", re.compile(r"\bexists_one\((?=\s*\w+\s*,\s*\w+\s*,)"), "existsOne ("),
    ("'indexOf' applied to '(list(", re.compile(r"\bindexOf\b"), library.INDEX_OF),
    ("'lastIndexOf' applied to '(list(", re.compile(r"\blastIndexOf\b"), library.LAST_INDEX_OF),
)
"""Forms of functions that have other names in the library: the complaint that tells, the name, and the other name."""
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

    def __init__(self, text: str, checked: cel.Expression, running: cel.Env) -> None:
        self.text = text
        self._checked = checked
        serialized = checked.serialize()
        self._explodes = is_explosive(serialized)
        self._expression = running.deserialize(library.runnable(text, serialized))
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

    def cost(self, schemas: Scope) -> float:
        """What it costs at worst, where the variables are of these schemas."""
        return effort.cost(self._checked.serialize(), schemas)

    def run(self, variables: Mapping[str, Any]) -> Any:
        """The value for these variables, as Python has it.

        Raises:
            EvaluationError: it has none; `TooExpensive` where it would take too long.
        """
        if self._explodes:
            raise TooExpensive(TOO_MUCH)
        try:
            value = self._expression.eval(data=variables)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise _evaluation_error(str(error)) from None
        if value.type() == cel.Type.ERROR:
            raise _evaluation_error(_told_by(value))
        return value.plain_value()


def _told_by(error: Any) -> str:
    """The text of an error; one that cuts a character in two cannot be read, which the library tells by TypeError."""
    try:
        return str(error.value())
    except TypeError:
        return "the expression failed, and the reason is no valid text"


class Environment:
    """What expressions may speak of: variables with their types.

    Args:
        types: the declared types of variables; those that have a pool have the same.
        optional: the variable of these that may be without a value: expressions see an optional.
    """

    def __init__(self, types: Mapping[str, Declared | None], optional: str = "") -> None:
        self._optional = optional
        self._composed = any(name.startswith(f"{_COMPOSED}.") for name in types)
        variables = {self._own(name): declared.type if declared else cel.Type.DYN for name, declared in types.items()}
        pool = next((declared.pool for declared in types.values() if declared and declared.pool), None)
        if optional:
            variables[f"has_{optional}_"] = cel.Type.BOOL
        config = _config(_STANDARD + _MACROS + (_BINDINGS if optional else "") + library.OPTIONALS)
        self._typed = cel.NewEnv(pool, config, variables=variables, functions=_functions(typed=True))
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
            return Program(written or expression, self._typed.compile(text), self._running)
        except RuntimeError as error:
            renamed = _renamed(expression, str(error))
            if renamed != expression:
                return self.compile(renamed, written=written or expression, place=place)
            at = _before(len(prefix), place)
            raise CompileError(_complaint(str(error), written or expression, at, composed=self._composed)) from None

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
    every = [*library.standard(typed=typed), *library.functions(), *authorization.functions()]
    return declarations(every, typed=typed)


@cache
def _config(text: str) -> cel.EnvConfig:
    return cel.NewEnvConfigFromYaml(text)


@lru_cache(maxsize=KEPT)
def _running(variables: tuple[str, ...]) -> cel.Env:
    """Where expressions run, their types known to fit: values come as they are."""
    return cel.NewEnv(
        config=_config(_STANDARD), variables=dict.fromkeys(variables, cel.Type.DYN), functions=_functions(typed=False)
    )


def _before(prefix: int, place: Callable[[int], int]) -> Callable[[int], int]:
    """Where a column is when what stands before the expression is not counted."""
    return lambda column: place(max(1, column - prefix))


def _renamed(expression: str, complaint: str) -> str:
    """The expression with the library's names where it complains of Kubernetes'; all names are as long as before."""
    for told, name, other in _OTHER_NAMES:
        if told in complaint:
            expression = name.sub(other, expression)
    return expression


def _complaint(message: str, expression: str, place: Callable[[int], int], *, composed: bool = False) -> str:
    """A compiler's message in the words that Kubernetes' users know, with the expression as its author wrote it.

    Args:
        place: where in the author's line a column of the compiled text's line is.
        composed: whether there are variables of a policy.
    """
    if _TOO_DEEP.search(message):
        return f"ERROR: <input>:-1:0: expression recursion limit exceeded: {DEEPEST}"
    lines, told = expression.split("\n"), []
    faults = _FAULT.findall(_CODE.sub("", message).replace("\\u003F", "?"))
    for line, column, why in sorted(faults, key=lambda fault: (int(fault[0]), int(fault[1]))):
        if _FOLLOWS in why:
            continue
        at = place(int(column))
        why = _told(_STRUCT.sub("", why), lines[min(int(line), len(lines)) - 1], at)
        unknown = _UNKNOWN.fullmatch(why)
        if unknown:
            at, why = _root_unknown(at, *unknown.groups(), composed=composed)
        text = lines[min(int(line), len(lines)) - 1]
        told.append(f"ERROR: <input>:{line}:{at}: {why}\n | {text}\n | {'.' * (at - 1)}^")
    return "\n".join(told) or message


def _told(why: str, line: str, at: int) -> str:
    """A fault in Kubernetes' words; a function that is called on a value is told with that value's type before it."""
    for complaint, words in _FAULT_WORDS:
        why = complaint.sub(words, why)
    call = _MISAPPLIED.fullmatch(why)
    if call is None or not line[: at - 1].endswith(f".{call['name']}"):
        return why
    target, rest = _first_of(call["types"])
    return f"found no matching overload for '{call['name']}' applied to '{target}.({rest})'"


def _first_of(types: str) -> tuple[str, str]:
    """The first of types, which are set apart by commas, and the others."""
    depth = 0
    for index, letter in enumerate(types):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            return types[:index], types[index + 2 :]
    return types, ""


def _root_unknown(at: int, root: str, step: str, rest: str, *, composed: bool) -> tuple[int, str]:
    """Of a path of names that is not known, the library tells the last dot's place: what is unknown is its root."""
    start = at - len(root + step + rest[: rest.rfind(".")] if rest else root)
    if composed and root == _COMPOSED:
        return start + len(root), f"undefined field '{step[1:]}'"
    return start, f"undeclared reference to '{root}' (in container '')"


def _evaluation_error(text: str) -> EvaluationError:
    """In the words that Kubernetes' users know."""
    if _BUDGET in text or TOO_MUCH in text:
        return TooExpensive(TOO_MUCH)
    text = _CODE.sub("", text)
    for complaint, words in _WORDS:
        text = complaint.sub(words, text)
    return EvaluationError(text)
