"""What quoted texts, characters and numbers in templates stand for."""

from __future__ import annotations

import re

from timonel.cli.gotemplate.formatting import Int
from timonel.cli.gotemplate.tokens import Token

_ESCAPE = re.compile(r"\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def literal(token: Token) -> str | int | float:
    """The value of a token: a character is its number, as in Go.

    Raises:
        ValueError: it is no number.
    """
    match token.kind:
        case "text" if token.text.startswith("`"):
            return token.text[1:-1]
        case "text":
            return _unescaped(token.text[1:-1])
        case "char":
            return Int(ord(_unescaped(token.text[1:-1])))
    try:
        return Int(token.text, 0)
    except ValueError:
        return float(token.text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_letter, text)


def _letter(match: re.Match[str]) -> str:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if match[group]:
            return chr(int(match[group], base))
    return _LETTERS.get(match[5], match[5])
