"""CSIStorageCapacities."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import is_subdomain, unchanged
from master.registry.validation.placement import validate_selector
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.types import storage_v1


@kind(storage_v1.CSIStorageCapacity, plural="csistoragecapacities")
class CSIStorageCapacities(Strategy[storage_v1.CSIStorageCapacity]):
    """How much room a driver has for a class of storage, from some nodes."""

    unconditional_update = False
    columns = [
        Column("StorageClassName", lambda capacity: capacity.storageClassName),
        Column("Capacity", lambda capacity: capacity.capacity or ""),
    ]

    def validate(
        self, obj: storage_v1.CSIStorageCapacity, old: storage_v1.CSIStorageCapacity | None
    ) -> Iterator[FieldError]:
        """Amounts are amounts; of which class and from where stays."""
        yield from is_subdomain(Path("storageClassName"), obj.storageClassName)
        for field in ("capacity", "maximumVolumeSize"):
            amount = getattr(obj, field)
            if amount is not None and amount.amount.nanos < 0:
                yield invalid(Path(field), amount, "must be greater than or equal to 0")
        if obj.nodeTopology:
            yield from validate_selector(obj.nodeTopology, Path("nodeTopology"))
        if old:
            yield from unchanged(obj, old, "nodeTopology", "storageClassName")
