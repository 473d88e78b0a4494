"""ReplicationControllers: what ReplicaSets were before."""

from collections.abc import Iterator, Sequence

from master.registry.columns import Column, age
from master.registry.poddefaults import default_spec
from master.registry.scale import Scale
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.templates import (
    container_names,
    images,
    not_selected,
    selector_text,
    validate_lasting_template,
)
from master.registry.validation.common import not_negative
from timonel.api import names, selectors
from timonel.api.fields import FieldError, Path, invalid, required
from timonel.api.types import core_v1

SPEC = Path("spec")
NO_TEMPLATE = core_v1.PodTemplateSpec()
COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def _template(rc: core_v1.ReplicationController) -> core_v1.PodTemplateSpec:
    return rc.spec.template or NO_TEMPLATE


@kind(core_v1.ReplicationController, plural="replicationcontrollers", short=["rc"], categories=["all"])
class ReplicationControllers(Strategy[core_v1.ReplicationController]):
    """So many pods of a kind, selected by plain labels."""

    has_generation = True
    names_hosts = "Pod names and hostnames"
    columns = [
        Column("Desired", lambda rc: rc.spec.replicas, "integer"),
        Column("Current", lambda rc: rc.status.replicas, "integer"),
        Column("Ready", lambda rc: rc.status.readyReplicas, "integer"),
        age(),
        Column("Containers", lambda rc: container_names(_template(rc)), priority=1),
        Column("Images", lambda rc: images(_template(rc)), priority=1),
        Column("Selector", lambda rc: selector_text(rc.spec.selector), priority=1),
    ]
    selectable = {"status.replicas": lambda rc: str(rc.status.replicas)}
    subresources = [Status(), Scale()]

    def default(self, obj: core_v1.ReplicationController, old: core_v1.ReplicationController | None) -> None:
        """One replica; selector and labels are the template's labels."""
        if obj.spec.replicas is None:
            obj.spec.replicas = 1
        template = obj.spec.template
        if template is None:
            return
        obj.spec.selector = obj.spec.selector or dict(template.metadata.labels)
        obj.metadata.labels = obj.metadata.labels or dict(template.metadata.labels)
        default_spec(template.spec)

    def prepare_create(self, obj: core_v1.ReplicationController, call: object) -> None:
        """Nothing is known yet."""
        obj.status = core_v1.ReplicationControllerStatus()

    def propagation_of(self, obj: core_v1.ReplicationController) -> str | None:
        """Its pods stay unless told otherwise, as of old."""
        return "Orphan"

    def validate_name(self, name: str) -> Sequence[str]:
        """As everybody's, in other words."""
        return names.subdomain(name, "bytes")

    def validate(
        self, obj: core_v1.ReplicationController, old: core_v1.ReplicationController | None
    ) -> Iterator[FieldError]:
        """A selector, and a template whose pods it selects."""
        spec = obj.spec
        yield from not_negative(SPEC.child("minReadySeconds"), spec.minReadySeconds)
        if not spec.selector:
            yield required(SPEC.child("selector"))
        yield from not_negative(SPEC.child("replicas"), spec.replicas)
        if spec.template is None:
            yield required(SPEC.child("template"))
            return
        if not selectors.from_map(spec.selector).matches(spec.template.metadata.labels):
            yield not_selected(spec.template, SPEC)
        if old is None or old.spec.template != spec.template:
            yield from validate_lasting_template(spec.template, SPEC.child("template"), "ReplicationController")

    def validate_status(
        self, new: core_v1.ReplicationController, old: core_v1.ReplicationController
    ) -> Iterator[FieldError]:
        """Counts are counts, and parts are not more than the whole."""
        status, path = new.status, Path("status")
        for field in ("replicas", *COUNTS, "observedGeneration"):
            yield from not_negative(path.child(field), getattr(status, field))
        for field in COUNTS:
            value = getattr(status, field) or 0
            if value > status.replicas:
                yield invalid(path.child(field), value, "cannot be greater than status.replicas")
