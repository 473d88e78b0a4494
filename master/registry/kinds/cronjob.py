"""CronJobs."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from master.registry.columns import Column, age, ago
from master.registry.poddefaults import default_spec
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.templates import container_names, images, selector_text
from master.registry.validation.common import not_negative
from master.registry.validation.job import validate_job_spec
from timonel.api import cron
from timonel.api.fields import FieldError, Path, invalid, not_supported, required
from timonel.api.types import batch_v1

SPEC = Path("spec")
ALLOW = "Allow"
SUCCESSES = 3
FAILURES = 1
LONGEST_NAME = 52
"""A Job's name is this one and eleven characters."""


@kind(batch_v1.CronJob, plural="cronjobs", short=["cj"], categories=["all"])
class CronJobs(Strategy[batch_v1.CronJob]):
    """A Job every so often."""

    has_generation = True
    names_hosts = "Pod names and hostnames"
    columns = [
        Column("Schedule", lambda cj: cj.spec.schedule),
        Column("Timezone", lambda cj: cj.spec.timeZone or "<none>"),
        Column("Suspend", lambda cj: str(bool(cj.spec.suspend)), "boolean"),
        Column("Active", lambda cj: len(cj.status.active), "integer"),
        Column("Last Schedule", lambda cj: ago(cj.status.lastScheduleTime)),
        age(),
        Column("Containers", lambda cj: container_names(cj.spec.jobTemplate.spec.template), priority=1),
        Column("Images", lambda cj: images(cj.spec.jobTemplate.spec.template), priority=1),
        Column("Selector", lambda cj: selector_text(cj.spec.jobTemplate.spec.selector), priority=1),
    ]
    subresources = [Status()]

    def default(self, obj: batch_v1.CronJob, old: batch_v1.CronJob | None) -> None:
        """Not held back; runs may overlap; the last three good ones and the last bad one are kept."""
        spec = obj.spec
        spec.concurrencyPolicy = spec.concurrencyPolicy or ALLOW
        spec.suspend = bool(spec.suspend)
        if spec.successfulJobsHistoryLimit is None:
            spec.successfulJobsHistoryLimit = SUCCESSES
        if spec.failedJobsHistoryLimit is None:
            spec.failedJobsHistoryLimit = FAILURES
        default_spec(spec.jobTemplate.spec.template.spec)

    def prepare_create(self, obj: batch_v1.CronJob, call: object) -> None:
        """It has not run yet."""
        obj.status = batch_v1.CronJobStatus()

    def validate(self, obj: batch_v1.CronJob, old: batch_v1.CronJob | None) -> Iterator[FieldError]:
        """When, where the clock is, and a Job that may be made of it."""
        spec, name = obj.spec, obj.metadata.name or ""
        yield from _schedule(spec.schedule, old.spec.schedule if old else None)
        if spec.timeZone is not None and (old is None or old.spec.timeZone != spec.timeZone):
            yield from _zone(spec.timeZone)
        for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            yield from not_negative(SPEC.child(field), getattr(spec, field))
        if spec.concurrencyPolicy not in (ALLOW, "Forbid", "Replace"):
            yield not_supported(SPEC.child("concurrencyPolicy"), spec.concurrencyPolicy, (ALLOW, "Forbid", "Replace"))
        if old is None or old.spec.jobTemplate != spec.jobTemplate:
            yield from _template(spec.jobTemplate.spec, SPEC.child("jobTemplate", "spec"))
        if old is None and len(name) > LONGEST_NAME:
            yield invalid(Path("metadata.name"), name, f"must be no more than {LONGEST_NAME} characters")


def _schedule(text: str, old: str | None) -> Iterator[FieldError]:
    path = SPEC.child("schedule")
    if not text:
        yield required(path)
        return
    if text == old:
        return
    if cron.has_zone(text):
        yield invalid(path, text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
        return
    try:
        cron.parse(text)
    except ValueError as error:
        yield invalid(path, text, str(error))


def _zone(name: str) -> Iterator[FieldError]:
    path = SPEC.child("timeZone")
    if not name:
        yield invalid(path, name, "timeZone must be nil or non-empty string")
    elif name.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, name, why)
    else:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield invalid(path, name, f"unknown time zone {name}")


def _template(spec: batch_v1.JobSpec, path: Path) -> Iterator[FieldError]:
    yield from validate_job_spec(spec, path)
    if spec.selector is not None:
        yield invalid(path.child("selector"), spec.selector, "`selector` will be auto-generated")
    if spec.manualSelector:
        yield not_supported(path.child("manualSelector"), spec.manualSelector, ["nil", "false"])
