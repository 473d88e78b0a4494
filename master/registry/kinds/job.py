"""Jobs."""

from collections.abc import Iterator
from datetime import UTC, datetime

from master.registry.columns import Column, age
from master.registry.poddefaults import default_spec
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.templates import container_names, images, selector_text
from master.registry.validation.common import not_negative
from master.registry.validation.job import FAILED, INDEXED, NON_INDEXED, validate_job, validate_job_change
from timonel.api import names, time
from timonel.api.fields import FieldError, Path, forbidden, invalid, required
from timonel.api.types import batch_v1, meta_v1

SPEC = Path("spec")
BACKOFF = 6
MOST = 2**31 - 1
UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
OLD_UID_LABEL = "controller-uid"
OLD_NAME_LABEL = "job-name"
ENDS = ("Complete", FAILED)
WORDS = ("Complete", FAILED, "Suspended", "FailureTarget", "SuccessCriteriaMet")
"""The conditions that the table tells of, the most telling first."""


def _has(job: batch_v1.Job, type_: str) -> bool:
    return any(condition.type == type_ and condition.status == "True" for condition in job.status.conditions)


def _status(job: batch_v1.Job) -> str:
    ended = next((word for word in ENDS if _has(job, word)), None)
    if ended:
        return ended
    if job.metadata.deletionTimestamp:
        return "Terminating"
    return next((word for word in WORDS if _has(job, word)), "Running")


def _completions(job: batch_v1.Job) -> str:
    done = job.status.succeeded or 0
    if job.spec.completions is not None:
        return f"{done}/{job.spec.completions}"
    at_once = job.spec.parallelism or 0
    return f"{done}/1 of {at_once}" if at_once > 1 else f"{done}/1"


def _duration(job: batch_v1.Job) -> str:
    if not job.status.startTime:
        return ""
    end = time.parse(job.status.completionTime) if job.status.completionTime else datetime.now(UTC)
    return time.human_duration((end - time.parse(job.status.startTime)).total_seconds())


@kind(batch_v1.Job, plural="jobs", categories=["all"])
class Jobs(Strategy[batch_v1.Job]):
    """Pods that are to end well, so many times."""

    has_generation = True
    names_hosts = "Pod names and hostnames"
    columns = [
        Column("Status", _status),
        Column("Completions", _completions),
        Column("Duration", _duration),
        age(),
        Column("Containers", lambda job: container_names(job.spec.template), priority=1),
        Column("Images", lambda job: images(job.spec.template), priority=1),
        Column("Selector", lambda job: selector_text(job.spec.selector), priority=1),
    ]
    selectable = {"status.successful": lambda job: str(job.status.succeeded or 0)}
    subresources = [Status()]

    def default(self, obj: batch_v1.Job, old: batch_v1.Job | None) -> None:
        """Once, one pod at a time, with six further tries."""
        default_job(obj.spec)

    def prepare_create(self, obj: batch_v1.Job, call: object) -> None:
        """Label the pods to be as this Job's, unless the caller cares for that; the Job gets their labels."""
        obj.status = batch_v1.JobStatus()
        if not obj.spec.manualSelector:
            _select_own(obj)
        obj.metadata.labels = obj.metadata.labels or dict(obj.spec.template.metadata.labels)

    def propagation_of(self, obj: batch_v1.Job) -> str | None:
        """Its pods stay unless told otherwise, as of old."""
        return "Orphan"

    def validate(self, obj: batch_v1.Job, old: batch_v1.Job | None) -> Iterator[FieldError]:
        """See `validation.job`."""
        if old is None or obj.spec != old.spec:
            yield from validate_job(obj.spec, SPEC)
        if old is None and not obj.spec.manualSelector:
            yield from _own_selector(obj)
        if old is None and obj.spec.completionMode == INDEXED and obj.spec.completions is not None:
            yield from _host_names(obj.metadata.name or "", obj.spec.completions)
        if old:
            yield from validate_job_change(obj, old)

    def validate_status(self, new: batch_v1.Job, old: batch_v1.Job) -> Iterator[FieldError]:
        """Counts are counts; a Job ends once, in one way, and says when."""
        status, path = new.status, Path("status")
        for field in ("active", "succeeded", "failed", "ready", "terminating"):
            yield from not_negative(path.child(field), getattr(status, field))
        complete, failed = _has(new, "Complete"), _has(new, FAILED)
        if complete and failed:
            why = "cannot set Complete=True and Failed=true conditions"
            yield invalid(path.child("conditions"), status.conditions, why)
        if complete and not status.completionTime:
            yield required(path.child("completionTime"), "completionTime is required for Complete jobs")
        if status.completionTime and not complete:
            yield invalid(
                path.child("completionTime"),
                status.completionTime,
                "completionTime cannot be set when there is no Complete=True condition",
            )
        for ended in ENDS:
            if _has(old, ended) and not _has(new, ended):
                word = ended.lower()
                yield invalid(
                    path.child("conditions"), status.conditions, f"cannot disable the terminal {word} condition"
                )
        if old.status.startTime and not status.startTime and not old.spec.suspend:
            yield forbidden(path.child("startTime"), "startTime cannot be removed for unsuspended job")


def default_job(spec: batch_v1.JobSpec) -> None:
    """Fill in a Job's spec."""
    if spec.completions is None and spec.parallelism is None:
        spec.completions = 1
    spec.parallelism = 1 if spec.parallelism is None else spec.parallelism
    if spec.backoffLimit is None:
        spec.backoffLimit = MOST if spec.backoffLimitPerIndex is not None else BACKOFF
    spec.completionMode = NON_INDEXED if spec.completionMode is None else spec.completionMode
    spec.suspend = bool(spec.suspend)
    spec.manualSelector = bool(spec.manualSelector)
    if spec.podReplacementPolicy is None:
        spec.podReplacementPolicy = FAILED if spec.podFailurePolicy else "TerminatingOrFailed"
    for rule in spec.podFailurePolicy.rules if spec.podFailurePolicy else ():
        for pattern in rule.onPodConditions:
            pattern.status = pattern.status or "True"
    default_spec(spec.template.spec)


def _select_own(job: batch_v1.Job) -> None:
    uid, name = job.metadata.uid or "", job.metadata.name or ""
    labels = job.spec.template.metadata.labels
    for label, value in ((UID_LABEL, uid), (OLD_UID_LABEL, uid), (NAME_LABEL, name), (OLD_NAME_LABEL, name)):
        labels.setdefault(label, value)
    if job.spec.selector is None:
        job.spec.selector = meta_v1.LabelSelector()
    job.spec.selector.matchLabels.setdefault(UID_LABEL, uid)


def _host_names(name: str, completions: int) -> Iterator[FieldError]:
    """The pod of each index is called after the Job."""
    last = f"{name}-{completions - 1}"
    if names.label(last):
        yield invalid(Path("metadata.name"), name, f"will not able to create pod with invalid DNS label: {last}")


def _own_selector(job: batch_v1.Job) -> Iterator[FieldError]:
    """The selector was not the caller's: nobody else's pods may be taken for this Job's."""
    selector = job.spec.selector or meta_v1.LabelSelector()
    if selector.matchLabels != {UID_LABEL: job.metadata.uid} or selector.matchExpressions:
        yield invalid(SPEC.child("selector"), selector, "`selector` not auto-generated")
