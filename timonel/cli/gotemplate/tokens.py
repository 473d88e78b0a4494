"""Cuts a template into texts and actions, and actions into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from timonel.cli.gotemplate.errors import TemplateError, line_and_column

_SPACE = " \t\r\n"
_OPENING = re.compile(r"\{\{(-(?=[ \t\r\n]))?")
_COMMENT = re.compile(r"[ \t\r\n]*/\*.*?\*/(?:[ \t\r\n]+(-))?\}\}", re.DOTALL)
_CLOSING = re.compile(r"[ \t\r\n]+(-)\}\}|[ \t\r\n]*\}\}")
_TOKEN = re.compile(
    r"""
    (?P<sign>:=|=|\||,|\(|\))
  | (?P<text>"(?:\\.|[^"\\\n])*"|`[^`]*`)
  | (?P<char>'(?:\\.[^'\\\n]*|[^'\\\n])')
  | (?P<number>[+-]?(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))
  | (?P<variable>\$\w*)
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<word>[^\W\d]\w*)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an action. `kind` is that of the pattern above, or "end" behind the last one."""

    kind: str
    text: str
    position: int
    spaced: bool
    """Whether space stands before it."""


@dataclass(frozen=True, slots=True)
class Action:
    """What stands between braces."""

    position: int
    tokens: list[Token]


def split(template: str) -> Iterator[str | Action]:
    """The template's texts, trimmed where actions ask for it, and its actions; comments are left out.

    Raises:
        TemplateError: an action does not end, or holds what is no token.
    """
    position, trim = 0, False
    while opening := _OPENING.search(template, position):
        text = template[position : opening.start()]
        text = text.lstrip(_SPACE) if trim else text
        yield text.rstrip(_SPACE) if opening[1] else text
        if comment := _COMMENT.match(template, opening.end()):
            closing = comment
        else:
            tokens, closing = _tokens(template, opening.end())
            yield Action(opening.end(), tokens)
        position, trim = closing.end(), bool(closing[1])
    rest = template[position:]
    yield rest.lstrip(_SPACE) if trim else rest


def _tokens(template: str, position: int) -> tuple[list[Token], re.Match[str]]:
    """The tokens of an action and its end."""
    tokens: list[Token] = []
    while not (closing := _CLOSING.match(template, position)):
        start = position
        while template[position : position + 1] in _SPACE and position < len(template):
            position += 1
        match = _TOKEN.match(template, position)
        if not match:
            raise fault(template, position, _complaint(template[position:], inside=bool(tokens) and position == start))
        tokens.append(Token(str(match.lastgroup), match[0], position, position > start))
        position = match.end()
    return [*tokens, Token("end", "", position, True)], closing


def _complaint(rest: str, *, inside: bool) -> str:
    if not rest:
        return "unclosed action"
    if rest.startswith("/*"):
        return "unclosed comment" if "*/" not in rest else "comment ends before closing delimiter"
    quotes = {'"': "unterminated quoted string", "`": "unterminated raw quoted string", "'": "bad character constant"}
    bad = "bad character" if inside else "unrecognized character in action:"
    return quotes.get(rest[0], f"{bad} U+{ord(rest[0]):04X} '{rest[0]}'")


def fault(template: str, position: int, why: str) -> TemplateError:
    """What is wrong at a place of the template's text."""
    return TemplateError(f"template: output:{line_and_column(template, position)[0]}: {why}")
