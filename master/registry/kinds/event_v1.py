"""Events as events.k8s.io has them: the same objects as the core group's."""

from collections.abc import Iterator

from master.registry.faces import Face, seen_columns
from master.registry.kinds.event import Events, reported
from master.registry.strategy import kind
from master.registry.validation.common import IMMUTABLE
from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, required
from timonel.api.types import core_v1, events_v1

NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedSource": "source",
}
"""What this group calls the core group's fields."""
THEIRS = {ours: theirs for theirs, ours in NAMES.items()}
REPORTER = Path("reportingController")
SAME = ("metadata", "action", "eventTime", "reason", "related", "reportingInstance", "type")
FIXED = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reportingController",
    "reportingInstance",
    "action",
    "type",
    "eventTime",
    "related",
)
"""Fields of an event that do not change, as messages name them."""


@kind(events_v1.Event, plural="events", short=["ev"])
class NewEvents(Face[events_v1.Event, core_v1.Event]):
    """Events with a known reporter and a series instead of a count."""

    stored = core_v1.Event
    create_on_update = True
    field_names = {
        f"regarding.{field}": f"involvedObject.{field}"
        for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    } | {"reportingController": "reportingComponent"}

    def __init__(self) -> None:
        self.columns = seen_columns(Events.columns, self.put)

    def show(self, obj: core_v1.Event) -> events_v1.Event:
        """Every field has another name or the same."""
        event = events_v1.Event(**{field: getattr(obj, field) for field in SAME})
        for theirs, ours in NAMES.items():
            setattr(event, theirs, getattr(obj, ours))
        if obj.series:
            count, last = obj.series.count, obj.series.lastObservedTime
            event.series = events_v1.EventSeries(count=count or 0, lastObservedTime=last)
        return event

    def put(self, view: events_v1.Event) -> core_v1.Event:
        """The core group's event."""
        event = core_v1.Event(**{field: getattr(view, field) for field in SAME})
        for theirs, ours in NAMES.items():
            setattr(event, ours, getattr(view, theirs))
        event.involvedObject = view.regarding
        if view.series:
            count, last = view.series.count, view.series.lastObservedTime
            event.series = core_v1.EventSeries(count=count, lastObservedTime=last)
        return event

    def validate(self, obj: events_v1.Event, old: events_v1.Event | None) -> Iterator[FieldError]:
        """Stricter than the core group's events, so that new reporters make whole ones."""
        if obj.eventTime:
            yield from reported(obj, obj.reportingController, REPORTER)
        if old is None:
            yield from _new(obj)
        yield from _series(obj)
        if old is not None:
            yield from _fixed(obj, old)


def _series(event: events_v1.Event) -> Iterator[FieldError]:
    if event.series is None:
        return
    path = Path("series")
    if event.series.count < 2:
        yield invalid(path.child("count"), "", "should be at least 2")
    if not event.series.lastObservedTime:
        yield required(path.child("lastObservedTime"))


def _fixed(event: events_v1.Event, old: events_v1.Event) -> Iterator[FieldError]:
    for field in FIXED:
        ours = THEIRS.get(field, field)
        value = getattr(event, ours) or None
        if value != (getattr(old, ours) or None):
            empty = None if field in ("eventTime", "related") else ""
            yield invalid(Path(field), value or empty, IMMUTABLE)


def _new(event: events_v1.Event) -> Iterator[FieldError]:
    for fault in names.subdomain(event.metadata.name) if event.metadata.name else ():
        yield invalid(Path("metadata.name"), event.metadata.name, fault)
    if not event.eventTime:
        yield required(Path("eventTime"))
    if event.type not in ("Normal", "Warning"):
        yield invalid(Path("type"), "", f"has invalid value: {event.type or ''}")
    for field in ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"):
        if getattr(event, field):
            yield invalid(Path(NAMES[field]), "", "needs to be unset")
    source = event.deprecatedSource
    if source.component or source.host:
        yield invalid(Path("source"), "", "needs to be unset")
