"""Regular expressions as Go has them (RE2): users write them, and none can make the server think for long."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


class BadPattern(ValueError):
    """The text is no regular expression; the message says why."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The compiled expression.

    Raises:
        BadPattern: it is none.
    """
    import re2  # with the first pattern: few clusters have any

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise BadPattern(_text(error)) from None


def found(pattern: str, text: str) -> bool:
    """Whether the expression matches somewhere in ``text``.

    Raises:
        BadPattern: it is no expression.
    """
    return compiled(pattern).search(text) is not None


def _text(error: Exception) -> str:
    why = error.args[0] if error.args else error
    return why.decode(errors="replace") if isinstance(why, bytes) else str(why)
