"""``$(VAR)`` in commands, arguments and values. Pure, by Kubernetes' rules (third_party/forked/golang/expansion)."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))", re.DOTALL)


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$(NAME)`` becomes its value, or stays when there is none; ``$$`` becomes ``$``; any other ``$`` stays."""

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return values.get(name, match.group(0))

    return _REFERENCE.sub(replaced, text)
