"""How expressions name fields whose names are no identifiers, or are words of the language.

Source: Kubernetes' documentation of escaping in CEL.
"""

from __future__ import annotations

import re

_WORDS = (
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void"
    "|while"
)
_RESERVED = frozenset(_WORDS.split("|"))
_VALUES = ("true", "false", "null", "in")
_ACCESSIBLE = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*")
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))


def is_word(name: str) -> bool:
    """Whether a field is also known by its own name, though it is a word of the language."""
    return name in _RESERVED and name not in _VALUES


def escaped(name: str) -> str | None:
    """The field's name in expressions; None where it cannot be named."""
    if not _ACCESSIBLE.fullmatch(name):
        return None
    if name in _RESERVED:
        return f"__{name}__"
    for text, escape in _ESCAPES:
        name = name.replace(text, escape)
    return name
