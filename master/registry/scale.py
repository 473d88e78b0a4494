"""The scale subresource: a workload's number of replicas as an autoscaling/v1 Scale."""

from collections.abc import Iterator

from master.registry.subresources import Projection
from master.registry.templates import selector_text
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.types import apps_v1, autoscaling_v1, core_v1, meta_v1

Scalable = apps_v1.Deployment | apps_v1.ReplicaSet | apps_v1.StatefulSet | core_v1.ReplicationController


def metadata_of(scaled: meta_v1.ObjectMeta) -> meta_v1.ObjectMeta:
    """What a Scale says of the object that it is of."""
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return meta_v1.ObjectMeta(**{field: getattr(scaled, field) for field in fields})


class Scale(Projection[Scalable, autoscaling_v1.Scale]):
    """Reads and writes ``spec.replicas``."""

    name = "scale"
    struct = autoscaling_v1.Scale
    gvk = autoscaling_v1.Scale.gvk

    def read(self, obj: Scalable) -> autoscaling_v1.Scale:
        """The object's replicas, wanted and there."""
        return autoscaling_v1.Scale(
            metadata=metadata_of(obj.metadata),
            spec=autoscaling_v1.ScaleSpec(replicas=obj.spec.replicas or 0),
            status=autoscaling_v1.ScaleStatus(
                replicas=obj.status.replicas or 0, selector=selector_text(obj.spec.selector)
            ),
        )

    def write(self, view: autoscaling_v1.Scale, obj: Scalable) -> None:
        """Set the wanted replicas."""
        obj.spec.replicas = view.spec.replicas or 0

    def validate(self, view: autoscaling_v1.Scale) -> Iterator[FieldError]:
        """It is a number of things."""
        if (view.spec.replicas or 0) < 0:
            yield invalid(Path("spec.replicas"), view.spec.replicas, "must be greater than or equal to 0")
