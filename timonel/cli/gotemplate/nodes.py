"""What templates are made of. `str` of a node is how it is written, as errors cite it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Operands


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: the value that is looked at."""

    position: int

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, a truth value or nil, with how it is written."""

    position: int
    value: Any
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    position: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b`: members of the value that is looked at."""

    position: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return _members(self.names)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.a.b`: a variable, or members of its value."""

    position: int
    name: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name + _members(self.names)


@dataclass(frozen=True, slots=True)
class Chain:
    """`(...).a.b`: members of what a pipeline gives."""

    position: int
    inner: Pipeline
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"({self.inner}){_members(self.names)}"


@dataclass(frozen=True, slots=True)
class Command:
    """`a b c`: a function with its arguments, or one operand."""

    position: int
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        return " ".join(f"({each})" if isinstance(each, Pipeline) else str(each) for each in self.operands)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`$x := a | b`: commands, each of which takes what the one before gives; and where the result is kept."""

    position: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False
    """Whether the variables are there already: `=`, not `:=`."""

    def __str__(self) -> str:
        kept = f"{', '.join(self.variables)} {'=' if self.assigns else ':='} " if self.variables else ""
        return kept + " | ".join(map(str, self.commands))


Operand = Dot | Constant | Function | Field | Variable | Chain | Pipeline


def _members(names: tuple[str, ...]) -> str:
    return "".join(f".{name}" for name in names)


# Statements


@dataclass(frozen=True, slots=True)
class Text:
    """Text that stands for itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Print:
    """`{{pipeline}}`."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`{{if}}`, `{{with}}` or `{{range}}` with what stands in it and behind its `{{else}}`."""

    word: str
    pipeline: Pipeline
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Jump:
    """`{{break}}` or `{{continue}}`."""

    word: str


@dataclass(frozen=True, slots=True)
class Call:
    """`{{template "name" pipeline}}`."""

    position: int
    name: str
    pipeline: Pipeline | None

    def __str__(self) -> str:
        given = f" {self.pipeline}" if self.pipeline else ""
        return f'{{{{template "{self.name}"{given}}}}}'


Node = Text | Print | Branch | Jump | Call
