"""ResourceSlices."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import unchanged
from master.registry.validation.devices import validate_slice
from timonel.api.fields import FieldError, Path
from timonel.api.types import resource_v1 as v1

SPEC = Path("spec")


@kind(v1.ResourceSlice, plural="resourceslices", namespaced=False, shows_deleted=True)
class ResourceSlices(Strategy[v1.ResourceSlice]):
    """Devices that a driver offers."""

    has_generation = True
    columns = [
        Column("Node", lambda part: part.spec.nodeName or "<unset>"),
        Column("Driver", lambda part: part.spec.driver),
        Column("Pool", lambda part: part.spec.pool.name),
        age(),
    ]
    selectable = {
        "spec.nodeName": lambda part: part.spec.nodeName or "",
        "spec.driver": lambda part: part.spec.driver,
    }

    def validate(self, obj: v1.ResourceSlice, old: v1.ResourceSlice | None) -> Iterator[FieldError]:
        """See `validation.devices`; where it belongs stays."""
        yield from validate_slice(obj.spec, SPEC)
        if old:
            yield from unchanged(obj.spec, old.spec, "nodeName", "driver", path=SPEC)
            yield from unchanged(obj.spec.pool, old.spec.pool, "name", path=SPEC.child("pool"))
