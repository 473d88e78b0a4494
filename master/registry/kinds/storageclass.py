"""StorageClasses."""

from collections.abc import Iterator, Sequence

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import immutable, is_qualified, obeys, one_of, unchanged
from master.registry.validation.storage import default_mark, validate_parameters
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, not_supported, required
from timonel.api.types import core_v1, storage_v1

DELETE = "Delete"
IMMEDIATE = "Immediate"
WAIT = "WaitForFirstConsumer"
DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"


@kind(storage_v1.StorageClass, plural="storageclasses", short=["sc"], namespaced=False, shows_deleted=True)
class StorageClasses(Strategy[storage_v1.StorageClass]):
    """A way to get volumes made."""

    columns = [
        Column("Name", lambda sc: default_mark(sc, DEFAULT_ANNOTATION), format="name"),
        Column("Provisioner", lambda sc: sc.provisioner),
        Column("ReclaimPolicy", lambda sc: sc.reclaimPolicy or DELETE),
        Column("VolumeBindingMode", lambda sc: sc.volumeBindingMode or IMMEDIATE),
        Column("AllowVolumeExpansion", lambda sc: bool(sc.allowVolumeExpansion), "boolean"),
        age(),
    ]

    def default(self, obj: storage_v1.StorageClass, old: storage_v1.StorageClass | None) -> None:
        """Volumes are made at once and go with their claims."""
        obj.reclaimPolicy = obj.reclaimPolicy or DELETE
        if obj.volumeBindingMode is None:
            obj.volumeBindingMode = IMMEDIATE

    def validate(self, obj: storage_v1.StorageClass, old: storage_v1.StorageClass | None) -> Iterator[FieldError]:
        """Who makes the volumes and how; that never changes."""
        if not obj.provisioner:
            yield required(Path("provisioner"))
        else:
            yield from is_qualified(Path("provisioner"), obj.provisioner.lower())
        yield from validate_parameters(obj.parameters, Path("parameters"))
        yield from one_of(Path("reclaimPolicy"), obj.reclaimPolicy, (DELETE, "Retain"))
        if obj.volumeBindingMode not in (IMMEDIATE, WAIT):
            yield not_supported(Path("volumeBindingMode"), obj.volumeBindingMode, (IMMEDIATE, WAIT))
        yield from _topologies(obj.allowedTopologies, Path("allowedTopologies"))
        if old:
            for field in ("parameters", "provisioner", "reclaimPolicy"):
                yield from immutable(obj, old, field, why=f"updates to {field} are forbidden.")
            yield from unchanged(obj, old, "volumeBindingMode")


def _topologies(terms: Sequence[core_v1.TopologySelectorTerm], path: Path) -> Iterator[FieldError]:
    for index, term in enumerate(terms):
        seen: set[str] = set()
        for number, need in enumerate(term.matchLabelExpressions):
            at = path.index(index).child("matchLabelExpressions").index(number)
            yield from obeys(at.child("key"), need.key, names.qualified)
            if need.key in seen:
                yield duplicate(at.child("key"), need.key)
            seen.add(need.key)
            if not need.values:
                yield required(at.child("values"))
            for place, value in enumerate(need.values):
                if value in need.values[:place]:
                    yield duplicate(at.child("values").index(place), value)
