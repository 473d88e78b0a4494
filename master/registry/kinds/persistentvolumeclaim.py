"""PersistentVolumeClaims."""

from collections.abc import Iterator

import msgspec

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.volumeclaims import (
    CLASS_ANNOTATION,
    PENDING,
    STORAGE,
    default_claim_spec,
    modes_text,
    validate_claim_spec,
)
from timonel.api import codec
from timonel.api.fields import FieldError, Path, forbidden
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

SPEC = Path("spec")
BOUND = "Bound"
FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"

ORIGINS = {("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")}
"""Groups and kinds of what a claim's `dataSource` may be."""


def _origin(source: core_v1.TypedLocalObjectReference) -> tuple[str, str]:
    return source.apiGroup or "", source.kind


def _phase(claim: core_v1.PersistentVolumeClaim) -> str:
    return "Terminating" if claim.metadata.deletionTimestamp else claim.status.phase


def _capacity(claim: core_v1.PersistentVolumeClaim) -> str:
    return claim.status.capacity.get(STORAGE, Quantity("0")) if claim.spec.volumeName else ""


def _class(claim: core_v1.PersistentVolumeClaim) -> str:
    return claim.metadata.annotations.get(CLASS_ANNOTATION) or claim.spec.storageClassName or ""


@kind(core_v1.PersistentVolumeClaim, plural="persistentvolumeclaims", short=["pvc"], shows_deleted=True)
class PersistentVolumeClaims(Strategy[core_v1.PersistentVolumeClaim]):
    """A wish for a volume, and which one has met it."""

    columns = [
        Column("Status", _phase),
        Column("Volume", lambda claim: claim.spec.volumeName),
        Column("Capacity", _capacity),
        Column("Access Modes", lambda claim: modes_text(claim.status.accessModes) if claim.spec.volumeName else ""),
        Column("StorageClass", _class),
        Column("VolumeAttributesClass", lambda claim: claim.spec.volumeAttributesClassName or "<unset>"),
        age(),
        Column("VolumeMode", lambda claim: claim.spec.volumeMode or "<unset>", priority=1),
    ]
    subresources = [Status()]

    def default(self, obj: core_v1.PersistentVolumeClaim, old: core_v1.PersistentVolumeClaim | None) -> None:
        """See `volumeclaims`; what claims could not be filled from of old is only a `dataSourceRef`."""
        source, before = obj.spec.dataSource, old.spec if old else core_v1.PersistentVolumeClaimSpec()
        if source and not (before.dataSource or before.dataSourceRef) and _origin(source) not in ORIGINS:
            obj.spec.dataSource = None
        default_claim_spec(obj.spec)

    def prepare_create(self, obj: core_v1.PersistentVolumeClaim, call: object) -> None:
        """Begin unbound."""
        obj.status = core_v1.PersistentVolumeClaimStatus(phase=PENDING)

    def validate(
        self, obj: core_v1.PersistentVolumeClaim, old: core_v1.PersistentVolumeClaim | None
    ) -> Iterator[FieldError]:
        """How much of what; once made, little of it changes."""
        if old is None or obj.spec != old.spec:
            yield from validate_claim_spec(obj.spec, SPEC)
        if old and old.spec != obj.spec:
            yield from _change(obj.spec, old)


def _change(spec: core_v1.PersistentVolumeClaimSpec, old: core_v1.PersistentVolumeClaim) -> Iterator[FieldError]:
    """It is bound once, gets a class once, and grows while it is bound."""
    before = old.spec
    allowed = msgspec.structs.replace(spec)
    if not before.volumeName:
        allowed.volumeName = before.volumeName
    if before.storageClassName is None:
        allowed.storageClassName = None
    if old.status.phase == BOUND:
        allowed.volumeAttributesClassName = before.volumeAttributesClassName
        limits, requests = spec.resources.limits, before.resources.requests
        allowed.resources = core_v1.VolumeResourceRequirements(limits=limits, requests=requests)
    if allowed != before:
        yield forbidden(SPEC, f"{FIXED}\n{_difference(allowed, before)}")
    wanted = spec.resources.requests.get(STORAGE)
    had = before.resources.requests.get(STORAGE)
    least = old.status.capacity.get(STORAGE)
    if wanted and had and wanted.compare(had) < 0 and least and wanted.compare(least) < 0:
        yield forbidden(SPEC.child("resources.requests.storage"), "field can not be less than status.capacity")


def _difference(new: core_v1.PersistentVolumeClaimSpec, old: core_v1.PersistentVolumeClaimSpec) -> str:
    changed = [name for name in new.__struct_fields__ if getattr(new, name) != getattr(old, name)]
    sides = (("-", old), ("+", new))
    return "\n".join(
        f"{sign} {name}: {codec.encode(getattr(spec, name)).decode()}" for name in changed for sign, spec in sides
    )
