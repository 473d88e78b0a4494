"""What PersistentVolumes and claims to them have in common: defaults, words of the tables, rules."""

from collections.abc import Iterator, Sequence

from master.registry.validation.common import is_subdomain
from master.registry.validation.placement import validate_selector
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import core_v1

STORAGE = "storage"
PENDING = "Pending"
FILESYSTEM = "Filesystem"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
"""The access modes and how the tables shorten them."""


def default_claim_spec(spec: core_v1.PersistentVolumeClaimSpec) -> None:
    """A file system; what the data comes from stands in both of its fields."""
    spec.volumeMode = FILESYSTEM if spec.volumeMode is None else spec.volumeMode
    source, reference = spec.dataSource, spec.dataSourceRef
    if source and not reference:
        spec.dataSourceRef = core_v1.TypedObjectReference(apiGroup=source.apiGroup, kind=source.kind, name=source.name)
    elif reference and not source and not reference.namespace:
        spec.dataSource = core_v1.TypedLocalObjectReference(
            apiGroup=reference.apiGroup, kind=reference.kind, name=reference.name
        )


def modes_text(modes: Sequence[str]) -> str:
    """For the table."""
    return ",".join(word for mode, word in MODES.items() if mode in modes)


def validate_modes(modes: Sequence[str], path: Path, why: str = "") -> Iterator[FieldError]:
    """At least one, all known, and one pod's mode alone."""
    if not modes:
        yield required(path, why)
    for mode in modes:
        if mode not in MODES:
            yield not_supported(path, mode, sorted(MODES))
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def validate_volume_mode(mode: str | None, path: Path) -> Iterator[FieldError]:
    """A file system or a block device."""
    if mode not in ("Block", FILESYSTEM):
        yield not_supported(path, mode, ("Block", FILESYSTEM))


def validate_claim_spec(spec: core_v1.PersistentVolumeClaimSpec, path: Path) -> Iterator[FieldError]:
    """A claim's spec, or a template's for claims, by itself."""
    yield from validate_modes(spec.accessModes, path.child("accessModes"), "at least 1 access mode is required")
    if spec.selector:
        yield from validate_selector(spec.selector, path.child("selector"))
    amount = spec.resources.requests.get(STORAGE)
    at = path.child("resources").key(STORAGE)
    if amount is None:
        yield required(at)
    elif amount.amount.nanos <= 0:
        yield invalid(at, amount, "must be greater than zero")
    for field in ("storageClassName", "volumeAttributesClassName"):
        if name := getattr(spec, field):
            yield from is_subdomain(path.child(field), name)
    yield from validate_volume_mode(spec.volumeMode, path.child("volumeMode"))
    for field in ("dataSource", "dataSourceRef"):
        source: core_v1.TypedLocalObjectReference | core_v1.TypedObjectReference | None = getattr(spec, field)
        if source:
            yield from _source(source, path.child(field))
    if spec.dataSource and spec.dataSourceRef and _named(spec.dataSource) != _named(spec.dataSourceRef):
        yield invalid(path, "spec.dataSource", "must match dataSourceRef")


def _named(source: core_v1.TypedLocalObjectReference | core_v1.TypedObjectReference) -> tuple[str, str, str]:
    return source.apiGroup or "", source.kind, source.name


def _source(
    source: core_v1.TypedLocalObjectReference | core_v1.TypedObjectReference, path: Path
) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.child("name"))
    if not source.kind:
        yield required(path.child("kind"))
    if not source.apiGroup and source.kind != "PersistentVolumeClaim":
        why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        yield invalid(path, source.kind, why)
    if source.apiGroup:
        yield from is_subdomain(path.child("apiGroup"), source.apiGroup)
