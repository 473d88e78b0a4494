"""``$(VAR)`` in commands, arguments and values. Pure, by Kubernetes' rules (third_party/forked/golang/expansion)."""

import re
from collections.abc import Iterator, Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))", re.DOTALL)


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$(NAME)`` becomes its value, or stays when there is none; ``$$`` becomes ``$``; any other ``$`` stays."""

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return values.get(name, match.group(0))

    return _REFERENCE.sub(replaced, text)


def references(text: str) -> Iterator[str]:
    """The names that `expand` would look up."""
    return (match[1] for match in _REFERENCE.finditer(text) if match[1] is not None)
