"""What PersistentVolumes and claims to them have in common: defaults, words of the tables, rules."""

from collections.abc import Iterator, Sequence

from timonel.api.fields import FieldError, Path, forbidden, not_supported, required
from timonel.api.types import core_v1

PENDING = "Pending"
FILESYSTEM = "Filesystem"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
"""The access modes and how the tables shorten them."""


def default_claim_spec(spec: core_v1.PersistentVolumeClaimSpec) -> None:
    """A file system; what the data comes from stands in both of its fields."""
    spec.volumeMode = spec.volumeMode or FILESYSTEM
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
