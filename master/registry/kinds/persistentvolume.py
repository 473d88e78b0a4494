"""PersistentVolumes."""

from collections.abc import Iterator, Mapping

from master.registry.columns import Column, age
from master.registry.objects import Call
from master.registry.poddefaults import default_sources
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.validation.common import is_given, is_subdomain, one_of, unchanged
from master.registry.validation.placement import validate_node_selector
from master.registry.validation.volumesources import validate_initiator_length, validate_source
from master.registry.volumeclaims import (
    CLASS_ANNOTATION,
    FILESYSTEM,
    PENDING,
    modes_text,
    validate_modes,
    validate_volume_mode,
)
from timonel.api import names
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

SPEC = Path("spec")
STORAGE = "storage"
RETAIN = "Retain"
NO_SOURCE = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)
SOURCES = tuple(field for field in core_v1.PersistentVolumeSpec.__struct_fields__ if field not in NO_SOURCE)


def _claim(volume: core_v1.PersistentVolume) -> str:
    claim = volume.spec.claimRef
    return f"{claim.namespace or ''}/{claim.name or ''}" if claim else ""


def _class(volume: core_v1.PersistentVolume) -> str:
    return volume.metadata.annotations.get(CLASS_ANNOTATION) or volume.spec.storageClassName or ""


def _phase(volume: core_v1.PersistentVolume) -> str:
    return "Terminating" if volume.metadata.deletionTimestamp else volume.status.phase


@kind(core_v1.PersistentVolume, plural="persistentvolumes", short=["pv"], namespaced=False, shows_deleted=True)
class PersistentVolumes(Strategy[core_v1.PersistentVolume]):
    """A volume that outlives pods, and whose it is."""

    columns = [
        Column("Capacity", lambda volume: volume.spec.capacity.get(STORAGE, Quantity("0"))),
        Column("Access Modes", lambda volume: modes_text(volume.spec.accessModes)),
        Column("Reclaim Policy", lambda volume: volume.spec.persistentVolumeReclaimPolicy),
        Column("Status", _phase),
        Column("Claim", _claim),
        Column("StorageClass", _class),
        Column("VolumeAttributesClass", lambda volume: volume.spec.volumeAttributesClassName or "<unset>"),
        Column("Reason", lambda volume: volume.status.reason or ""),
        age(),
        Column("VolumeMode", lambda volume: volume.spec.volumeMode or "<unset>", priority=1),
    ]
    subresources = [Status()]

    def default(self, obj: core_v1.PersistentVolume, old: core_v1.PersistentVolume | None) -> None:
        """A file system, kept when its claim goes."""
        spec = obj.spec
        spec.persistentVolumeReclaimPolicy = spec.persistentVolumeReclaimPolicy or RETAIN
        spec.volumeMode = FILESYSTEM if spec.volumeMode is None else spec.volumeMode
        default_sources(spec)

    def prepare_create(self, obj: core_v1.PersistentVolume, call: Call) -> None:
        """Begin pending."""
        obj.status = core_v1.PersistentVolumeStatus(phase=PENDING, lastPhaseTransitionTime=call.now)

    def prepare_status(self, new: core_v1.PersistentVolume, old: core_v1.PersistentVolume, call: Call) -> None:
        """A change of phase has a time."""
        if new.status.phase != old.status.phase and new.status.lastPhaseTransitionTime in (
            None,
            old.status.lastPhaseTransitionTime,
        ):
            new.status.lastPhaseTransitionTime = call.now

    def validate(self, obj: core_v1.PersistentVolume, old: core_v1.PersistentVolume | None) -> Iterator[FieldError]:
        """How much of what, in one place, which stays."""
        spec = obj.spec
        yield from validate_modes(spec.accessModes, SPEC.child("accessModes"))
        yield from _capacity(spec.capacity, SPEC.child("capacity"))
        policy = SPEC.child("persistentVolumeReclaimPolicy")
        yield from one_of(policy, spec.persistentVolumeReclaimPolicy, ("Delete", "Recycle", RETAIN))
        yield from _one_source(spec)
        if spec.iscsi and spec.iscsi.initiatorName is not None:
            portal, at = spec.iscsi.targetPortal, SPEC.child("iscsi", "targetportal")
            yield from validate_initiator_length(obj.metadata.name or "", portal, at)
        if spec.hostPath and spec.hostPath.path == "/" and spec.persistentVolumeReclaimPolicy == "Recycle":
            yield forbidden(policy, "may not be 'recycle' for a hostPath mount of '/'")
        if spec.storageClassName:
            yield from is_subdomain(SPEC.child("storageClassName"), spec.storageClassName)
        yield from validate_volume_mode(spec.volumeMode, SPEC.child("volumeMode"))
        yield from _affinity(spec)
        yield from _attributes(spec, SPEC.child("volumeAttributesClassName"))
        if old:
            yield from _change(spec, old.spec)


def _capacity(capacity: Mapping[str, Quantity], path: Path) -> Iterator[FieldError]:
    if not capacity:
        yield required(path)
    if set(capacity) != {STORAGE}:
        yield not_supported(path, capacity or None, [STORAGE])
    for name, amount in capacity.items():
        if amount.amount.nanos <= 0:
            yield invalid(path.key(name), amount, "must be greater than zero")


def _one_source(spec: core_v1.PersistentVolumeSpec) -> Iterator[FieldError]:
    given = [field for field in SOURCES if getattr(spec, field) is not None]
    if not given:
        yield required(SPEC, "must specify a volume type")
        return
    for extra in given[1:]:
        yield forbidden(SPEC.child(extra), "may not specify more than 1 volume type")
    yield from validate_source(given[0], getattr(spec, given[0]), SPEC)


def _attributes(spec: core_v1.PersistentVolumeSpec, path: Path) -> Iterator[FieldError]:
    name = spec.volumeAttributesClassName
    if name is None:
        return
    yield from is_given(path, name, names.subdomain, "an empty string is disallowed")
    if not spec.csi:
        yield required(SPEC.child("csi"), "has to be specified when using volumeAttributesClassName")


def _affinity(spec: core_v1.PersistentVolumeSpec) -> Iterator[FieldError]:
    path = SPEC.child("nodeAffinity")
    if spec.nodeAffinity is None:
        if spec.local:
            yield required(path, "Local volume requires node affinity")
    elif spec.nodeAffinity.required is None:
        yield required(path.child("required"), "must specify required node constraints")
    else:
        yield from validate_node_selector(spec.nodeAffinity.required, path.child("required"))


def _change(new: core_v1.PersistentVolumeSpec, old: core_v1.PersistentVolumeSpec) -> Iterator[FieldError]:
    if any(getattr(new, field) != getattr(old, field) for field in SOURCES):
        yield forbidden(SPEC.child("persistentvolumesource"), "spec.persistentvolumesource is immutable after creation")
    yield from unchanged(new, old, "volumeMode", path=SPEC)
    if old.nodeAffinity:
        yield from unchanged(new, old, "nodeAffinity", path=SPEC)
