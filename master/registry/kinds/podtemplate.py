"""PodTemplates."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.poddefaults import default_spec
from master.registry.strategy import Strategy, kind
from master.registry.templates import container_names, images, labels_text
from master.registry.validation.podspec import validate_template
from timonel.api.fields import FieldError, Path
from timonel.api.types import core_v1


@kind(core_v1.PodTemplate, plural="podtemplates", shows_deleted=True)
class PodTemplates(Strategy[core_v1.PodTemplate]):
    """A template kept apart, for whoever makes pods of it."""

    has_generation = True
    columns = [
        Column("Containers", lambda pt: container_names(pt.template)),
        Column("Images", lambda pt: images(pt.template)),
        Column("Pod Labels", lambda pt: labels_text(pt.template.metadata.labels)),
    ]

    def counted(self, obj: core_v1.PodTemplate) -> object:
        """The template."""
        return obj.template

    def default(self, obj: core_v1.PodTemplate, old: core_v1.PodTemplate | None) -> None:
        """As of any template."""
        default_spec(obj.template.spec)

    def validate(self, obj: core_v1.PodTemplate, old: core_v1.PodTemplate | None) -> Iterator[FieldError]:
        """As of any template."""
        yield from validate_template(obj.template, Path("template"))
