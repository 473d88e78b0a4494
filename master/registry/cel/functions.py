"""Functions of CEL as the library wants them declared.

What functions hand on to each other, such as a quantity, has a type of its own where an expression is checked, and is a
map where it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

OPAQUE = {
    "Quantity": "kubernetes.Quantity",
    "URL": "kubernetes.URL",
    "IP": "net.IP",
    "CIDR": "net.CIDR",
    "Semver": "kubernetes.Semver",
    "Format": "kubernetes.NamedFormat",
    "Authorizer": "kubernetes.authorization.Authorizer",
    "PathCheck": "kubernetes.authorization.PathCheck",
    "GroupCheck": "kubernetes.authorization.GroupCheck",
    "ResourceCheck": "kubernetes.authorization.ResourceCheck",
    "Decision": "kubernetes.authorization.Decision",
}
_SCALARS = {
    "bool": cel.Type.BOOL,
    "bytes": cel.Type.BYTES,
    "double": cel.Type.DOUBLE,
    "duration": cel.Type.DURATION,
    "dyn": cel.Type.DYN,
    "int": cel.Type.INT,
    "string": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
    "null": cel.Type.NULL,
    "uint": cel.Type.UINT,
}
SCALARS = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")


@dataclass(frozen=True, slots=True)
class Function:
    """A function and its forms, ``result(parameter, ...)`` each; of a member the first parameter is what it is called
    on."""

    name: str
    forms: tuple[tuple[str, tuple[str, ...]], ...]
    run: Callable[..., Any]
    member: bool = True


def global_function(name: str, result: str, *parameters: str, run: Callable[..., Any]) -> Function:
    """A function of one form."""
    return Function(name, ((result, parameters),), run, member=False)


def member(name: str, result: str, *parameters: str, run: Callable[..., Any]) -> Function:
    """A function of one form that is called on its first parameter."""
    return Function(name, ((result, parameters),), run)


def declarations(functions: Iterable[Function], *, typed: bool) -> list[cel.FunctionDecl]:
    """The functions as an expression is checked, or (not ``typed``) as it runs, told apart by the sorts of values."""
    by_name: dict[str, list[cel.Overload]] = {}
    seen: set[tuple[Any, ...]] = set()
    for number, function in enumerate(functions):
        for index, (result, parameters) in enumerate(function.forms):
            if not typed:
                sort = (function.name, function.member, *map(_sort, parameters))
                if sort in seen:
                    continue
                seen.add(sort)
            overload = cel.Overload(
                f"{function.name}_{number}_{index}",
                return_type=type_of(result, typed) if typed else cel.Type.DYN,
                parameters=[type_of(each, typed) for each in parameters],
                is_member=function.member,
                impl=function.run,
            )
            by_name.setdefault(function.name, []).append(overload)
    return [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()]


def type_of(name: str, typed: bool = True) -> cel.Type:
    """The type of this name."""
    if name.startswith("map("):
        return cel.Type.Map(cel.Type.STRING, type_of(name[4:-1], typed)) if typed else _MAP
    if name.startswith("list("):
        return cel.Type.List(type_of(name[5:-1], typed) if typed else cel.Type.DYN)
    if name in OPAQUE:
        return cel.Type.AbstractType(OPAQUE[name]) if typed else _MAP
    if name == "map":
        return _MAP
    return _SCALARS[name]


_MAP = cel.Type.Map(cel.Type.DYN, cel.Type.DYN)


def _sort(name: str) -> str:
    return "list" if name.startswith("list(") else "map" if name in OPAQUE else name


def is_readable(read: Callable[[Any], object]) -> Callable[[Any], bool]:
    """Whether ``read`` makes something of a value."""

    def run(value: Any) -> bool:
        try:
            read(value)
        except ValueError:
            return False
        return True

    return run


def compared(one: Any, other: Any) -> int:
    """Which comes first, as ``compareTo`` says it."""
    return int(one > other) - int(one < other)
