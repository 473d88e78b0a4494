"""Conditions in a status: one of each type, beside those that others put there."""

from datetime import datetime
from typing import Any, Protocol, TypeVar

from timonel.api import time as api_time


class Condition(Protocol):
    """What conditions of all kinds have."""

    type: str
    status: str
    reason: str
    message: str
    lastTransitionTime: str | None


C = TypeVar("C", bound=Condition)


def put(conditions: list[C], told: C, now: datetime) -> None:
    """Put ``told`` in the place of its type's condition; its time is that of the last change of its status."""
    at = next((index for index, each in enumerate(conditions) if each.type == told.type), None)
    known = None if at is None else conditions[at]
    told.lastTransitionTime = known.lastTransitionTime if known and known.status == told.status else api_time.text(now)
    if at is None:
        conditions.append(told)
    else:
        conditions[at] = told


def drop(conditions: list[Any], kind: str) -> None:
    """Take the condition of that type away, if it is there."""
    conditions[:] = [each for each in conditions if each.type != kind]
