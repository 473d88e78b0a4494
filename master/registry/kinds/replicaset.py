"""ReplicaSets."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.poddefaults import default_spec
from master.registry.scale import Scale
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.templates import container_names, images, selector_text, validate_workload
from master.registry.validation.common import not_negative, unchanged
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.types import apps_v1

SPEC = Path("spec")


@kind(apps_v1.ReplicaSet, plural="replicasets", short=["rs"], categories=["all"])
class ReplicaSets(Strategy[apps_v1.ReplicaSet]):
    """So many pods of a kind."""

    has_generation = True
    names_hosts = "Pod names and hostnames"
    columns = [
        Column("Desired", lambda rs: rs.spec.replicas, "integer"),
        Column("Current", lambda rs: rs.status.replicas, "integer"),
        Column("Ready", lambda rs: rs.status.readyReplicas, "integer"),
        age(),
        Column("Containers", lambda rs: container_names(rs.spec.template), priority=1),
        Column("Images", lambda rs: images(rs.spec.template), priority=1),
        Column("Selector", lambda rs: selector_text(rs.spec.selector), priority=1),
    ]
    subresources = [Status(), Scale()]

    def default(self, obj: apps_v1.ReplicaSet, old: apps_v1.ReplicaSet | None) -> None:
        """One replica."""
        if obj.spec.replicas is None:
            obj.spec.replicas = 1
        default_spec(obj.spec.template.spec)

    def prepare_create(self, obj: apps_v1.ReplicaSet, call: object) -> None:
        """Nothing is known yet."""
        obj.status = apps_v1.ReplicaSetStatus()

    def validate(self, obj: apps_v1.ReplicaSet, old: apps_v1.ReplicaSet | None) -> Iterator[FieldError]:
        """A workload whose selector never changes."""
        yield from not_negative(SPEC.child("replicas"), obj.spec.replicas)
        yield from not_negative(SPEC.child("minReadySeconds"), obj.spec.minReadySeconds)
        yield from validate_workload(obj.spec.selector, obj.spec.template, old.spec.template if old else None, SPEC)
        if old:
            yield from unchanged(obj.spec, old.spec, "selector", path=SPEC)

    def validate_status(self, new: apps_v1.ReplicaSet, old: apps_v1.ReplicaSet) -> Iterator[FieldError]:
        """Counts are counts, and parts are not more than the whole."""
        status = new.status
        path = Path("status")
        for field in ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"):
            yield from not_negative(path.child(field), getattr(status, field))
        for field in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
            value = getattr(status, field) or 0
            if value > status.replicas:
                yield invalid(path.child(field), value, "cannot be greater than status.replicas")
