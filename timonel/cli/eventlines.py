"""Events as people read them: what happened last, how often, to what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from timonel.api import time

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """An Event, whichever of its old and new fields its reporter has set."""

    namespace: str
    last: str
    first: str
    count: int
    type: str
    reason: str
    object: str
    message: str
    source: str

    def seen(self, now: datetime) -> str:
        """When it happened: `5m`, or for what happened more than once `5m (x3 over 1h)`."""
        last = _age(self.last, now)
        return f"{last} (x{self.count} over {_age(self.first, now)})" if self.count > 1 else last


def happening(event: Object) -> Happening:
    """The readable form of an Event of the core group."""
    series = event.get("series") or {}
    involved = event.get("involvedObject") or {}
    created = event["metadata"].get("creationTimestamp") or ""
    first = event.get("firstTimestamp") or event.get("eventTime") or created
    source = (event.get("source") or {}).get("component") or event.get("reportingComponent")
    return Happening(
        namespace=event["metadata"].get("namespace", ""),
        last=series.get("lastObservedTime") or event.get("lastTimestamp") or first,
        first=first,
        count=int(series.get("count") or event.get("count") or 1),
        type=event.get("type", ""),
        reason=event.get("reason", ""),
        object=f"{involved.get('kind', '')}/{involved.get('name', '')}",
        message=(event.get("message") or "").strip(),
        source=source or "",
    )


def in_order(events: Iterable[Object]) -> list[Happening]:
    """The events as they last happened, the newest at the end."""
    return sorted(map(happening, events), key=lambda each: _moment(each.last))


def _moment(timestamp: str) -> datetime:
    return time.parse(timestamp) if timestamp else datetime.min.replace(tzinfo=UTC)


def _age(timestamp: str, now: datetime) -> str:
    return time.human_duration((now - time.parse(timestamp)).total_seconds()) if timestamp else "<unknown>"
