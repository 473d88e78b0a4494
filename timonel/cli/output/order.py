"""How `--sort-by` orders values: numbers by size, quantities by amount, texts with their numbers by size."""

from __future__ import annotations

import re
from typing import Any

from timonel.api.quantity import Quantity

_PARTS = re.compile(r"\d+|\D+", re.ASCII)


def natural(one: Any, other: Any) -> int:
    """Below, at or above 0, as `one` stands before, with or behind `other`; what is missing stands first."""
    left, right = _key(one), _key(other)
    return (left > right) - (left < right)


def _key(value: Any) -> tuple[Any, ...]:
    match value:
        case None:
            return (0,)
        case bool() | int() | float():
            return (1, value)
    amount = _amount(str(value))
    return (1, amount) if amount is not None else (2, _parts(str(value)))


def _amount(text: str) -> Any:
    try:
        return Quantity(text).amount.nanos
    except ValueError:
        return None


def _parts(text: str) -> list[tuple[int, int, str]]:
    """Pieces that compare digits as numbers and the rest as text."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _PARTS.findall(text)]
