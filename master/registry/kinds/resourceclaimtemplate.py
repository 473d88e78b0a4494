"""ResourceClaimTemplates."""

from collections.abc import Iterator

from master.registry.columns import age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import unchanged
from master.registry.validation.devices import default_claim, validate_claim
from master.registry.validation.meta import validate_annotations, validate_labels
from timonel.api.fields import FieldError, Path
from timonel.api.types import resource_v1 as v1

SPEC = Path("spec")


@kind(v1.ResourceClaimTemplate, plural="resourceclaimtemplates", shows_deleted=True)
class ResourceClaimTemplates(Strategy[v1.ResourceClaimTemplate]):
    """Claims that are made for each pod that asks for them."""

    columns = [age()]

    def default(self, obj: v1.ResourceClaimTemplate, old: v1.ResourceClaimTemplate | None) -> None:
        """See `validation.devices`."""
        default_claim(obj.spec.spec.devices)

    def validate(self, obj: v1.ResourceClaimTemplate, old: v1.ResourceClaimTemplate | None) -> Iterator[FieldError]:
        """See `validation.devices`; the spec stays."""
        yield from validate_labels(obj.spec.metadata.labels, SPEC.child("metadata", "labels"))
        yield from validate_annotations(obj.spec.metadata.annotations, SPEC.child("metadata", "annotations"))
        yield from validate_claim(obj.spec.spec.devices, SPEC.child("spec", "devices"))
        if old:
            yield from unchanged(obj, old, "spec")
