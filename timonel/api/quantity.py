"""Resource quantities ("500m", "1Gi"), exact, in the canonical form of Kubernetes' resource.Quantity."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

NANOS = 10**9
"""A quantity's resolution: amounts are whole numbers of 1/NANOS, finer ones are rounded away from zero."""

Format = Literal["decimal", "binary", "exponent"]

_PARTS = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*)([+-]?\d*)", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = {exponent // 10: suffix for suffix, exponent in _BINARY.items()} | {0: ""}
_LARGEST_BINARY = (2**63 - 1) * NANOS
_DIGITS = 1000
"""No quantity of more digits, given or implied, is computed with."""


class Amount(NamedTuple):
    """A quantity's value in nanos and the format that it was written in."""

    nanos: int
    format: Format


class Quantity(str):
    """A resource amount: a string in canonical form, made from any form that Kubernetes takes.

    Equality and hash are the string's; `compare` compares amounts ("1024Mi" and "1Gi" are the same string anyway, "1Gi"
    and "1073741824" only the same amount). Raises ValueError with Kubernetes' message when the text is no quantity.
    """

    __slots__ = ()

    def __new__(cls, value: str | int | float = "0") -> Quantity:
        if isinstance(value, Quantity):
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(_FORMAT_WRONG)
        return str.__new__(cls, _canonical_text(str(value).strip()))

    @classmethod
    def of(cls, nanos: int, format: Format = "decimal") -> Quantity:  # noqa: A002  # Kubernetes' word
        """The quantity of so many nanos, written in `format` where that keeps it exact."""
        return cls(_text(Amount(nanos, format)))

    @classmethod
    def milli(cls, value: int, format: Format = "decimal") -> Quantity:  # noqa: A002
        """The quantity of so many thousandths."""
        return cls.of(value * (NANOS // 1000), format)

    @property
    def amount(self) -> Amount:
        """The exact value."""
        return _parse(self)

    def to_int(self) -> int:
        """The value as a whole number, rounded away from zero."""
        return _round_out(self.amount.nanos, NANOS)

    def to_milli(self) -> int:
        """The value in thousandths, rounded away from zero."""
        return _round_out(self.amount.nanos, NANOS // 1000)

    def compare(self, other: Quantity) -> int:
        """-1, 0 or 1 as this amount is less than, equal to or greater than the other."""
        mine, theirs = self.amount.nanos, other.amount.nanos
        return (mine > theirs) - (mine < theirs)

    def plus(self, other: Quantity) -> Quantity:
        """The sum, in this quantity's format (in the other's when this is zero)."""
        mine, theirs = self.amount, other.amount
        return Quantity.of(mine.nanos + theirs.nanos, mine.format if mine.nanos else theirs.format)

    def minus(self, other: Quantity) -> Quantity:
        """The difference, in this quantity's format (in the other's when this is zero)."""
        mine, theirs = self.amount, other.amount
        return Quantity.of(mine.nanos - theirs.nanos, mine.format if mine.nanos else theirs.format)


_FORMAT_WRONG = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"  # Kubernetes' words
)
_SUFFIX_WRONG = "unable to parse quantity's suffix"
_NUMBER_WRONG = "unable to parse numeric part of quantity"


def _round_out(value: int, unit: int) -> int:
    """value / unit, rounded away from zero."""
    return -(-value // unit) if value > 0 else value // unit


@lru_cache(maxsize=4096)
def _parse(text: str) -> Amount:
    match = _PARTS.fullmatch(text)
    if not text or not match:
        raise ValueError(_FORMAT_WRONG)
    sign, whole, fraction, letters, exponent_digits = match.groups()
    fraction = fraction or ""
    base, exponent, format_ = _suffix(letters, exponent_digits)
    if not whole and not fraction:
        raise ValueError(_FORMAT_WRONG)
    if len(whole) + len(fraction) > _DIGITS:
        raise ValueError(_NUMBER_WRONG)
    digits = int(whole + fraction)
    if not digits:
        return Amount(0, format_)
    if len(whole) + len(fraction) + abs(exponent) > _DIGITS:
        raise ValueError(_NUMBER_WRONG)
    if base == 2:
        nanos = _scaled(digits * 2**exponent, 9 - len(fraction))
        nanos = min(nanos, _LARGEST_BINARY)
        format_ = "decimal" if nanos < NANOS else format_
    else:
        nanos = _scaled(digits, 9 + exponent - len(fraction))
    return Amount(-nanos if sign == "-" else nanos, format_)


def _scaled(value: int, power: int) -> int:
    """value * 10**power, rounded up."""
    factor: int = 10 ** abs(power)
    return value * factor if power >= 0 else -(-value // factor)


def _suffix(letters: str, digits: str) -> tuple[int, int, Format]:
    """The base, exponent and format that a suffix stands for."""
    if not digits:
        if letters in _DECIMAL:
            return 10, _DECIMAL[letters], "decimal"
        if letters in _BINARY:
            return 2, _BINARY[letters], "binary"
    elif letters in ("e", "E") and digits not in ("+", "-") and len(digits) < _DIGITS:
        return 10, int(digits), "exponent"
    raise ValueError(_SUFFIX_WRONG)


def _text(amount: Amount) -> str:
    """The canonical form: no fraction, the largest suffix that keeps it exact."""
    nanos, format_ = amount
    if nanos == 0:
        return "0"
    if format_ == "binary" and abs(nanos) >= 1024 * NANOS and nanos % NANOS == 0:
        number, power = _without_factors(nanos // NANOS, 1024, max(_BINARY_SUFFIX))
        return f"{number}{_BINARY_SUFFIX[power]}"
    number, power = _without_factors(nanos, 1000, None if format_ == "exponent" else 9)
    exponent = 3 * power - 9
    if format_ == "exponent":
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL_SUFFIX[exponent]}"


def _without_factors(number: int, factor: int, most: int | None) -> tuple[int, int]:
    """`number` divided by `factor` as often as it goes, at most `most` times, and how often."""
    times = 0
    while number % factor == 0 and (most is None or times < most):
        number //= factor
        times += 1
    return number, times


@lru_cache(maxsize=4096)
def _canonical_text(text: str) -> str:
    return _text(_parse(text))
