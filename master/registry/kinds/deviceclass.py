"""DeviceClasses."""

from collections.abc import Iterator

from master.registry.columns import age
from master.registry.strategy import Strategy, kind
from master.registry.validation.devices import validate_class
from timonel.api.fields import FieldError, Path
from timonel.api.types import resource_v1 as v1


@kind(v1.DeviceClass, plural="deviceclasses", namespaced=False, shows_deleted=True)
class DeviceClasses(Strategy[v1.DeviceClass]):
    """A name for devices of a sort."""

    has_generation = True
    columns = [age()]

    def validate(self, obj: v1.DeviceClass, old: v1.DeviceClass | None) -> Iterator[FieldError]:
        """See `validation.devices`."""
        yield from validate_class(obj.spec, Path("spec"))
