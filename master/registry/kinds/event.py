"""Events."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.types import core_v1


def _subject(event: core_v1.Event) -> str:
    about = event.involvedObject
    return f"{(about.kind or '').lower()}/{about.name}"


def _last_seen(event: core_v1.Event) -> str:
    series = event.series.lastObservedTime if event.series else None
    return series or event.lastTimestamp or event.firstTimestamp or event.eventTime or ""


def _first_seen(event: core_v1.Event) -> str:
    return event.firstTimestamp or event.eventTime or ""


def _source(event: core_v1.Event) -> str:
    source = event.source or core_v1.EventSource()
    parts = (source.component or event.reportingComponent, source.host or event.reportingInstance)
    return ", ".join(part for part in parts if part)


def _count(event: core_v1.Event) -> int:
    return (event.series.count if event.series else None) or event.count or 1


@kind(core_v1.Event, plural="events", short=["ev"])
class Events(Strategy[core_v1.Event]):
    """What happened to an object; they are news, not state."""

    create_on_update = True
    columns = [
        Column("Last Seen", _last_seen, "date"),
        Column("Type", lambda event: event.type),
        Column("Reason", lambda event: event.reason),
        Column("Object", _subject),
        Column("Subobject", lambda event: event.involvedObject.fieldPath, priority=1),
        Column("Source", _source, priority=1),
        Column("Message", lambda event: (event.message or "").strip()),
        Column("First Seen", _first_seen, "date", priority=1),
        Column("Count", _count, "integer", priority=1),
        Column("Name", lambda event: event.metadata.name, priority=1),
    ]
    selectable = {
        "involvedObject.kind": lambda event: event.involvedObject.kind or "",
        "involvedObject.namespace": lambda event: event.involvedObject.namespace or "",
        "involvedObject.name": lambda event: event.involvedObject.name or "",
        "involvedObject.uid": lambda event: event.involvedObject.uid or "",
        "involvedObject.apiVersion": lambda event: event.involvedObject.apiVersion or "",
        "involvedObject.resourceVersion": lambda event: event.involvedObject.resourceVersion or "",
        "involvedObject.fieldPath": lambda event: event.involvedObject.fieldPath or "",
        "reason": lambda event: event.reason or "",
        "reportingComponent": lambda event: event.reportingComponent or "",
        "source": lambda event: (event.source.component if event.source else None) or event.reportingComponent or "",
        "type": lambda event: event.type or "",
    }

    def default(self, obj: core_v1.Event, old: core_v1.Event | None) -> None:
        """Its reporter is there, if nameless: clients' types have no other way to say that there is none."""
        obj.source = obj.source or core_v1.EventSource()
        obj.reportingComponent, obj.reportingInstance = obj.reportingComponent or "", obj.reportingInstance or ""

    def validate(self, obj: core_v1.Event, old: core_v1.Event | None) -> Iterator[FieldError]:
        """An event lives beside its subject, or in ``default`` where that has no namespace."""
        namespace, subject = obj.metadata.namespace, obj.involvedObject.namespace
        if subject and subject != namespace:
            why = "does not match event.namespace"
            yield invalid(Path("involvedObject.namespace"), subject, why)
        if not subject and namespace not in ("default", "kube-system"):
            yield invalid(Path("involvedObject.namespace"), "", "does not match event.namespace")
