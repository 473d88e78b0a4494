"""DaemonSets."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.poddefaults import default_spec
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.templates import container_names, images, labels_text, selector_text, validate_workload
from master.registry.validation.common import not_negative, unchanged
from master.registry.validation.rollout import is_zero, share
from timonel.api.fields import FieldError, Path, invalid, not_supported, required
from timonel.api.types import apps_v1

SPEC = Path("spec")
ROLLING = "RollingUpdate"
HISTORY = 10
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


@kind(apps_v1.DaemonSet, plural="daemonsets", short=["ds"], categories=["all"])
class DaemonSets(Strategy[apps_v1.DaemonSet]):
    """A pod on every node that suits it."""

    has_generation = True
    columns = [
        Column("Desired", lambda ds: ds.status.desiredNumberScheduled, "integer"),
        Column("Current", lambda ds: ds.status.currentNumberScheduled, "integer"),
        Column("Ready", lambda ds: ds.status.numberReady, "integer"),
        Column("Up-to-date", lambda ds: ds.status.updatedNumberScheduled, "integer"),
        Column("Available", lambda ds: ds.status.numberAvailable, "integer"),
        Column("Node Selector", lambda ds: labels_text(ds.spec.template.spec.nodeSelector)),
        age(),
        Column("Containers", lambda ds: container_names(ds.spec.template), priority=1),
        Column("Images", lambda ds: images(ds.spec.template), priority=1),
        Column("Selector", lambda ds: selector_text(ds.spec.selector), priority=1),
    ]
    subresources = [Status()]

    def default(self, obj: apps_v1.DaemonSet, old: apps_v1.DaemonSet | None) -> None:
        """Rolled one node at a time, with ten revisions kept."""
        spec = obj.spec
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = HISTORY
        strategy = spec.updateStrategy
        strategy.type = strategy.type or ROLLING
        if strategy.type == ROLLING:
            strategy.rollingUpdate = rolling = strategy.rollingUpdate or apps_v1.RollingUpdateDaemonSet()
            rolling.maxUnavailable = 1 if rolling.maxUnavailable is None else rolling.maxUnavailable
            rolling.maxSurge = 0 if rolling.maxSurge is None else rolling.maxSurge
        default_spec(spec.template.spec)

    def prepare_create(self, obj: apps_v1.DaemonSet, call: object) -> None:
        """Nothing is known yet."""
        obj.status = apps_v1.DaemonSetStatus()
        obj.metadata.annotations[TEMPLATE_GENERATION] = "1"

    def prepare_update(self, new: apps_v1.DaemonSet, old: apps_v1.DaemonSet, call: object) -> None:
        """Count the templates, as of old."""
        known = old.metadata.annotations.get(TEMPLATE_GENERATION, "")
        count = int(known) if known.isdecimal() else 1
        new.metadata.annotations[TEMPLATE_GENERATION] = str(count + (new.spec.template != old.spec.template))

    def validate(self, obj: apps_v1.DaemonSet, old: apps_v1.DaemonSet | None) -> Iterator[FieldError]:
        """A workload whose selector never changes, with a rollout that can move."""
        spec = obj.spec
        if old:
            yield from unchanged(spec, old.spec, "selector", path=SPEC)
        for field in ("minReadySeconds", "revisionHistoryLimit"):
            yield from not_negative(SPEC.child(field), getattr(spec, field))
        template = old.spec.template if old else None
        yield from validate_workload(spec.selector, spec.template, template, SPEC, "DaemonSet")
        yield from _strategy(spec.updateStrategy, SPEC.child("updateStrategy"))

    def validate_status(self, new: apps_v1.DaemonSet, old: apps_v1.DaemonSet) -> Iterator[FieldError]:
        """Counts are counts."""
        for field in (
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ):
            yield from not_negative(Path("status").child(field), getattr(new.status, field))


def _strategy(strategy: apps_v1.DaemonSetUpdateStrategy, path: Path) -> Iterator[FieldError]:
    if strategy.type == "OnDelete":
        return
    if strategy.type != ROLLING:
        yield not_supported(path, strategy, [ROLLING, "OnDelete"])
        return
    rolling, at = strategy.rollingUpdate or apps_v1.RollingUpdateDaemonSet(), path.child("rollingUpdate")
    unavailable, surge = rolling.maxUnavailable or 0, rolling.maxSurge or 0
    yield from share(unavailable, at.child("maxUnavailable"), capped=True)
    yield from share(surge, at.child("maxSurge"), capped=True)
    if not is_zero(unavailable) and not is_zero(surge):
        yield invalid(at.child("maxSurge"), surge, "may not be set when maxUnavailable is non-zero")
    if is_zero(unavailable) and is_zero(surge):
        yield required(at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0")
