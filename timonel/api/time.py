"""Timestamps and durations as Kubernetes writes them. Timestamps are strings in objects, aware datetimes in code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from timonel.api.fields import quoted
from timonel.api.schema import Format

_LEAP = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    r"(?!0000)(?:\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|"
    rf"(?:0[13578]|1[02])-31)|{_LEAP}-02-29)"
)
_SECOND = rf"^{_DATE}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_ZONE = r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)\Z"
_RFC3339 = rf"{_SECOND}(?:\.\d+)?{_ZONE}"
_MICRO = rf"{_SECOND}\.\d{{6}}{_ZONE}"
_PATTERN = re.compile(_RFC3339, re.ASCII)
_UTC = "+00:00"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(rf"(\d+(?:\.\d*)?|\.\d+)({'|'.join(_SECONDS)})", re.ASCII)
_DURATION = re.compile(rf"[-+]?(?:(?:{_PART.pattern})+|0)", re.ASCII)
_LONGEST = 2**63 / 1e9
"""Seconds that Go's durations can count."""

Time = Annotated[str, msgspec.Meta(pattern=_RFC3339), Format("date-time")]
MicroTime = Annotated[str, msgspec.Meta(pattern=_MICRO), Format("micro-time")]


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def now() -> str:
    """The current time, to the second: "2026-01-02T03:04:05Z"."""
    return text(datetime.now(UTC))


def now_micro() -> str:
    """The current time, to the microsecond: "2026-01-02T03:04:05.000006Z"."""
    return micro_text(datetime.now(UTC))


def text(moment: datetime) -> str:
    """An aware datetime as a Time, cut to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix(_UTC) + "Z"


def micro_text(moment: datetime) -> str:
    """An aware datetime as a MicroTime."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix(_UTC) + "Z"


def parse(timestamp: str) -> datetime:
    """The moment that a Time or MicroTime names, finer parts than microseconds cut off.

    Raises ValueError when it is not RFC 3339.
    """
    if not _PATTERN.match(timestamp):
        raise ValueError(f'parsing time "{timestamp}" as "2006-01-02T15:04:05Z07:00": cannot parse')
    return datetime.fromisoformat(timestamp)


def parse_micro(timestamp: str) -> datetime:
    """The moment that a MicroTime names. Raises ValueError when it is none: all six digits must be there."""
    if not re.match(_MICRO, timestamp, re.ASCII):
        form, rest = "2006-01-02T15:04:05.000000Z07:00", timestamp[19:]
        raise ValueError(f'parsing time "{timestamp}" as "{form}": cannot parse "{rest}" as ".000000"')
    return datetime.fromisoformat(timestamp)


def seconds(duration: str) -> float:
    """The seconds of a duration as Go writes it, such as ``1h30m``.

    Raises ValueError, in Go's words, when it is none or longer than Go can count.
    """
    parts = _PART.findall(duration)
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not _DURATION.fullmatch(duration) or total >= _LONGEST:
        raise ValueError(f"time: invalid duration {quoted(duration)}")
    return -total if duration.startswith("-") else total


def human_duration(seconds: float) -> str:
    """A duration in two or three significant figures, as kubectl prints ages: "45s", "3m20s", "5d3h", "2y10d"."""
    total = int(seconds)
    if total < 0:
        return "0s" if total == -1 else "<invalid>"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
