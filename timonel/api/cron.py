"""Schedules as CronJobs write them: five fields, or a word such as @daily, read as robfig/cron v3 reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from timonel.api import time
from timonel.api.fields import quoted

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields: which of its values it names, and whether it is a star, which names them all."""

    values: frozenset[int]
    star: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due: at minutes that all fields name, or again and again after ``every``."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field
    """0 is Sunday. Where neither this nor ``day`` is a star, one of the two is enough."""
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: int
    high: int
    words: tuple[str, ...] = ()


_BOUNDS = (_Bounds(0, 59), _Bounds(0, 23), _Bounds(1, 31), _Bounds(1, 12, MONTHS), _Bounds(0, 6, DAYS))


def has_zone(text: str) -> bool:
    """Whether a schedule names its time zone itself, which CronJobs have another field for."""
    return text.startswith(("TZ=", "CRON_TZ="))


def parse(text: str) -> Schedule:
    """The schedule that a text writes, without a time zone.

    Raises:
        ValueError: it is none; the messages are robfig/cron's.
    """
    if not text:
        raise ValueError("empty spec string")
    if text.startswith("@"):
        return _descriptor(text)
    parts = text.split()
    if len(parts) != len(_BOUNDS):
        raise ValueError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    return _schedule([_field(part, bounds) for part, bounds in zip(parts, _BOUNDS, strict=True)])


def _schedule(fields: list[Field], every: timedelta | None = None) -> Schedule:
    minute, hour, day, month, weekday = fields
    return Schedule(minute, hour, day, month, weekday, every)


def _descriptor(text: str) -> Schedule:
    if text in DESCRIPTORS:
        return parse(DESCRIPTORS[text])
    if text.startswith("@every "):
        every = _duration(text.removeprefix("@every "), text)
        return _schedule([_field("*", bounds) for bounds in _BOUNDS], every)
    raise ValueError(f"unrecognized descriptor: {text}")


def _duration(text: str, whole: str) -> timedelta:
    """A duration as Go writes it, in whole seconds and at least one."""
    try:
        return timedelta(seconds=max(1, int(time.seconds(text))))
    except ValueError as error:
        raise ValueError(f"failed to parse duration {whole}: {error}") from None


def _field(text: str, bounds: _Bounds) -> Field:
    """Ranges, separated by commas."""
    values: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        named, is_star = _range(part, bounds)
        values |= named
        star = star or is_star
    return Field(frozenset(values), star)


def _range(text: str, bounds: _Bounds) -> tuple[set[int], bool]:
    """``*``, a number, ``a-b``, each perhaps with ``/step``."""
    span, *steps = text.split("/")
    first, *rest = span.split("-")
    star = first in ("*", "?")
    if star:
        low, high = bounds.low, bounds.high
    else:
        low = high = _number(first, bounds)
        if len(rest) == 1:
            high = _number(rest[0], bounds)
        elif len(rest) > 1:
            raise ValueError(f"too many hyphens: {text}")
    step = 1
    if len(steps) == 1:
        step = _number(steps[0], _Bounds(0, 0))
        if not rest and not star:
            high = bounds.high
        star = star and step <= 1
    elif len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    if low < bounds.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise ValueError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return set(range(low, high + 1, step)), star


def _number(text: str, bounds: _Bounds) -> int:
    word = text.lower()
    if word in bounds.words:
        return bounds.words.index(word) + bounds.low
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(f"failed to parse int from {text}: strconv.Atoi: parsing {quoted(text)}: invalid syntax")
    number = int(text)
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
