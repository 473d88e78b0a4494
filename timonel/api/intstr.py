"""IntOrString: a number, or a string such as a percentage or a port's name."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

IntOrString = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | str

_PERCENT = re.compile(r"[0-9]+%")


def is_percent(value: IntOrString) -> bool:
    """Whether `value` is a string of digits followed by a percent sign."""
    return isinstance(value, str) and _PERCENT.fullmatch(value) is not None


def scaled(value: IntOrString, total: int, *, round_up: bool) -> int:
    """`value` itself when it is a number, else that percentage of `total`, rounded to a whole number.

    Raises ValueError when `value` is a string but not a percentage.
    """
    if isinstance(value, int):
        return value
    if not is_percent(value):
        raise ValueError(f'invalid value "{value}": a percentage such as "25%" or an integer is required')
    product = int(value[:-1]) * total
    return -(-product // 100) if round_up else product // 100
