"""CSINodes."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import is_qualified, not_negative, repeats
from master.registry.validation.storage import is_driver
from timonel.api.fields import FieldError, Path, duplicate, invalid, required
from timonel.api.types import storage_v1

DRIVERS = Path("spec.drivers")
LONGEST_ID = 256


@kind(storage_v1.CSINode, plural="csinodes", namespaced=False, shows_deleted=True)
class CSINodes(Strategy[storage_v1.CSINode]):
    """Which CSI drivers a node has; the node's name is the object's."""

    unconditional_update = False
    columns = [Column("Drivers", lambda node: len(node.spec.drivers), "integer"), age()]

    def validate(self, obj: storage_v1.CSINode, old: storage_v1.CSINode | None) -> Iterator[FieldError]:
        """Each driver once; what is said of one stays while it is there."""
        seen: set[str] = set()
        for index, driver in enumerate(obj.spec.drivers):
            at = DRIVERS.index(index)
            yield from is_driver(at.child("name"), driver.name)
            if driver.name in seen:
                yield duplicate(at.child("name"), driver.name)
            seen.add(driver.name)
            yield from _driver(driver, at)
        if old:
            before = {driver.name: driver for driver in old.spec.drivers}
            for index, driver in enumerate(obj.spec.drivers):
                known = before.get(driver.name)
                if known and not _may_follow(driver, known):
                    yield invalid(DRIVERS.index(index), driver.name, "field is immutable")


def _driver(driver: storage_v1.CSINodeDriver, path: Path) -> Iterator[FieldError]:
    if not driver.nodeID:
        yield required(path.child("nodeID"))
    elif len(driver.nodeID) > LONGEST_ID:
        yield invalid(path.child("nodeID"), driver.nodeID, f"must be {LONGEST_ID} characters or less")
    if driver.allocatable:
        yield from not_negative(path.child("allocatable", "count"), driver.allocatable.count)
    again = repeats(driver.topologyKeys)
    for index, key in enumerate(driver.topologyKeys):
        if not key:
            yield required(path)
        yield from is_qualified(path, key)
        if again[index]:
            yield duplicate(path, key)


def _may_follow(new: storage_v1.CSINodeDriver, old: storage_v1.CSINodeDriver) -> bool:
    """How many volumes fit may be counted anew; all else stays."""
    return (new.nodeID, sorted(new.topologyKeys)) == (old.nodeID, sorted(old.topologyKeys))
