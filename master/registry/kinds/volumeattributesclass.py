"""VolumeAttributesClasses."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import immutable, is_qualified
from master.registry.validation.storage import default_mark, validate_parameters
from timonel.api.fields import FieldError, Path, required
from timonel.api.types import storage_v1

DEFAULT_ANNOTATION = "volumeattributesclass.alpha.kubernetes.io/is-default-class"


@kind(
    storage_v1.VolumeAttributesClass,
    plural="volumeattributesclasses",
    short=["vac"],
    namespaced=False,
    shows_deleted=True,
)
class VolumeAttributesClasses(Strategy[storage_v1.VolumeAttributesClass]):
    """What may be changed of a volume while it is in use."""

    columns = [
        Column("Name", lambda vac: default_mark(vac, DEFAULT_ANNOTATION), format="name"),
        Column("DriverName", lambda vac: vac.driverName),
        age(),
    ]

    def validate(
        self, obj: storage_v1.VolumeAttributesClass, old: storage_v1.VolumeAttributesClass | None
    ) -> Iterator[FieldError]:
        """A driver and its parameters, which never change."""
        if old:
            for field in ("driverName", "parameters"):
                yield from immutable(obj, old, field, why=f"updates to {field} are forbidden.")
        if not obj.driverName:
            yield required(Path("driverName"))
        else:
            yield from is_qualified(Path("driverName"), obj.driverName.lower())
        yield from validate_parameters(obj.parameters, Path("parameters"), needed=True)
