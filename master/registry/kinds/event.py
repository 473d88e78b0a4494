"""Events."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import is_qualified
from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, required
from timonel.api.types import core_v1, events_v1

LONGEST = 128
LONGEST_MESSAGE = 1024


def _subject(event: core_v1.Event) -> str:
    about = event.involvedObject
    return f"{(about.kind or '').lower()}/{about.name}"


def _last_seen(event: core_v1.Event) -> str:
    series = event.series.lastObservedTime if event.series else None
    return series or event.lastTimestamp or event.firstTimestamp or event.eventTime or ""


def _first_seen(event: core_v1.Event) -> str:
    return event.firstTimestamp or event.eventTime or ""


def _source(event: core_v1.Event) -> str:
    source = event.source
    parts = (source.component or event.reportingComponent, source.host or event.reportingInstance)
    return ", ".join(part for part in parts if part)


def _count(event: core_v1.Event) -> int:
    return (event.series.count if event.series else None) or event.count or 1


@kind(core_v1.Event, plural="events", short=["ev"])
class Events(Strategy[core_v1.Event]):
    """What happened to an object; they are news, not state."""

    create_on_update = True
    columns = [
        Column("Last Seen", _last_seen, "age"),
        Column("Type", lambda event: event.type),
        Column("Reason", lambda event: event.reason),
        Column("Object", _subject),
        Column("Subobject", lambda event: event.involvedObject.fieldPath, priority=1),
        Column("Source", _source, priority=1),
        Column("Message", lambda event: event.message.strip()),
        Column("First Seen", _first_seen, "age", priority=1),
        Column("Count", _count, "integer", priority=1),
        Column("Name", lambda event: event.metadata.name, priority=1),
    ]
    selectable = {
        "involvedObject.kind": lambda event: event.involvedObject.kind or "",
        "involvedObject.namespace": lambda event: event.involvedObject.namespace or "",
        "involvedObject.name": lambda event: event.involvedObject.name or "",
        "involvedObject.uid": lambda event: event.involvedObject.uid or "",
        "involvedObject.apiVersion": lambda event: event.involvedObject.apiVersion,
        "involvedObject.resourceVersion": lambda event: event.involvedObject.resourceVersion or "",
        "involvedObject.fieldPath": lambda event: event.involvedObject.fieldPath,
        "reason": lambda event: event.reason or "",
        "reportingComponent": lambda event: event.reportingComponent,
        "source": lambda event: event.source.component or event.reportingComponent,
        "type": lambda event: event.type or "",
    }
    validate_name = staticmethod(names.path_segment)

    def validate(self, obj: core_v1.Event, old: core_v1.Event | None) -> Iterator[FieldError]:
        """An event with a time says who saw it; one of old reporters, which has none, lives beside its subject."""
        yield from _place(obj)
        if obj.eventTime:
            yield from reported(obj, obj.reportingComponent, Path("reportingComponent"))


def _place(event: core_v1.Event) -> Iterator[FieldError]:
    """Where an event may be: what has no namespace has its events in ``default``, or also in ``kube-system``."""
    namespace, subject = event.metadata.namespace, event.involvedObject.namespace or ""
    if event.eventTime:
        fits = subject or namespace in ("default", "kube-system")
    else:
        fits = namespace == (subject or "default")
    if not fits:
        yield invalid(Path("involvedObject.namespace"), subject, "does not match event.namespace")


def reported(event: core_v1.Event | events_v1.Event, reporter: str | None, path: Path) -> Iterator[FieldError]:
    """The faults of an event with a time, in either group: who reports, what was done and why, in few words."""
    if not reporter:
        yield required(path)
    yield from is_qualified(path, reporter or "")
    for field in ("reportingInstance", "action", "reason"):
        value = getattr(event, field)
        if not value:
            yield required(Path(field))
        elif len(value) > LONGEST:
            yield invalid(Path(field), "", f"can have at most {LONGEST} characters")
    message = event.message if isinstance(event, core_v1.Event) else event.note
    if len(message or "") > LONGEST_MESSAGE:
        yield invalid(Path("message"), "", f"can have at most {LONGEST_MESSAGE} characters")
