"""Deployments."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.poddefaults import default_spec
from master.registry.scale import Scale
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.templates import container_names, images, selector_text, validate_workload
from master.registry.validation.common import not_negative, unchanged
from master.registry.validation.rollout import is_zero, share
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import apps_v1

SPEC = Path("spec")
ROLLING = "RollingUpdate"
QUARTER = "25%"
PROGRESS_SECONDS = 600
HISTORY = 10


def _ready(deployment: apps_v1.Deployment) -> str:
    return f"{deployment.status.readyReplicas}/{deployment.spec.replicas}"


@kind(apps_v1.Deployment, plural="deployments", short=["deploy"], categories=["all"])
class Deployments(Strategy[apps_v1.Deployment]):
    """Pods of a kind, and how to go from one kind to the next."""

    has_generation = True
    names_hosts = "Pod names and hostnames"
    columns = [
        Column("Ready", _ready),
        Column("Up-to-date", lambda d: d.status.updatedReplicas),
        Column("Available", lambda d: d.status.availableReplicas),
        age(),
        Column("Containers", lambda d: container_names(d.spec.template), priority=1),
        Column("Images", lambda d: images(d.spec.template), priority=1),
        Column("Selector", lambda d: selector_text(d.spec.selector), priority=1),
    ]
    subresources = [Status(), Scale()]

    def default(self, obj: apps_v1.Deployment, old: apps_v1.Deployment | None) -> None:
        """One replica, rolled a quarter at a time, with ten revisions kept."""
        spec = obj.spec
        if spec.replicas is None:
            spec.replicas = 1
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = HISTORY
        if spec.progressDeadlineSeconds is None:
            spec.progressDeadlineSeconds = PROGRESS_SECONDS
        strategy = spec.strategy
        strategy.type = strategy.type or ROLLING
        if strategy.type == ROLLING:
            strategy.rollingUpdate = rolling = strategy.rollingUpdate or apps_v1.RollingUpdateDeployment()
            rolling.maxSurge = QUARTER if rolling.maxSurge is None else rolling.maxSurge
            rolling.maxUnavailable = QUARTER if rolling.maxUnavailable is None else rolling.maxUnavailable
        default_spec(spec.template.spec)

    def prepare_create(self, obj: apps_v1.Deployment, call: object) -> None:
        """Nothing is known yet."""
        obj.status = apps_v1.DeploymentStatus()

    def prepare_status(self, new: apps_v1.Deployment, old: apps_v1.Deployment, call: object) -> None:
        """Labels stay, of all workloads only here."""
        new.metadata.labels = old.metadata.labels

    def validate(self, obj: apps_v1.Deployment, old: apps_v1.Deployment | None) -> Iterator[FieldError]:
        """A workload whose selector never changes, with a rollout that can move."""
        spec = obj.spec
        for field in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
            yield from not_negative(SPEC.child(field), getattr(spec, field))
        deadline = spec.progressDeadlineSeconds
        if deadline is not None and deadline <= spec.minReadySeconds:
            yield invalid(SPEC.child("progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds")
        yield from validate_workload(spec.selector, spec.template, old.spec.template if old else None, SPEC)
        yield from _strategy(spec.strategy, SPEC.child("strategy"))
        if old:
            yield from unchanged(spec, old.spec, "selector", path=SPEC)

    def validate_status(self, new: apps_v1.Deployment, old: apps_v1.Deployment) -> Iterator[FieldError]:
        """Counts are counts, and parts are not more than the whole."""
        status = new.status
        path = Path("status")
        for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"):
            yield from not_negative(path.child(field), getattr(status, field))
        total = status.replicas or 0
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas"):
            value = getattr(status, field) or 0
            if value > total:
                yield invalid(path.child(field), value, "cannot be greater than status.replicas")


def _strategy(strategy: apps_v1.DeploymentStrategy, path: Path) -> Iterator[FieldError]:
    if strategy.type not in ("Recreate", ROLLING):
        yield not_supported(path, strategy, ("Recreate", ROLLING))
    at = path.child("rollingUpdate")
    if strategy.type == "Recreate" and strategy.rollingUpdate:
        yield forbidden(at, "may not be specified when strategy `type` is 'Recreate'")
    if strategy.type != ROLLING:
        return
    rolling = strategy.rollingUpdate
    if rolling is None:
        yield required(at, "this should be defaulted and never be nil")
        return
    surge, unavailable = rolling.maxSurge or 0, rolling.maxUnavailable or 0
    yield from share(unavailable, at.child("maxUnavailable"), capped=True)
    yield from share(surge, at.child("maxSurge"), capped=False)
    if is_zero(surge) and is_zero(unavailable):
        yield invalid(at.child("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0")
