"""The rules of volumes, their mounts and their devices."""

from collections.abc import Iterator, Mapping, Sequence

from master.registry.poddefaults import VOLUME_SOURCES
from master.registry.validation.common import is_label
from master.registry.validation.paths import is_inside, no_backsteps
from master.registry.validation.volumesources import validate_initiator_length, validate_source
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_found, not_supported, required
from timonel.api.types import core_v1

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE = ("Disabled", "Enabled", "IfPossible")

AnyContainer = core_v1.Container | core_v1.EphemeralContainer


def validate_volumes(
    volumes: Sequence[core_v1.Volume], path: Path, sound: dict[str, core_v1.Volume]
) -> Iterator[FieldError]:
    """Every volume has one source and a name of its own; those without faults are put into ``sound``."""
    for index, volume in enumerate(volumes):
        faults = list(_volume(volume, path.index(index)))
        yield from faults
        if not volume.name:
            yield required(path.index(index).child("name"))
            continue
        named = list(is_label(path.index(index).child("name"), volume.name))
        yield from named
        if volume.name in sound:
            yield duplicate(path.index(index).child("name"), volume.name)
        elif not faults and not named:
            sound[volume.name] = volume


def _volume(volume: core_v1.Volume, path: Path) -> Iterator[FieldError]:
    given = [name for name in VOLUME_SOURCES if getattr(volume, name) is not None]
    if not given:
        yield required(path, "must specify a volume type")
    for extra in given[1:]:
        yield forbidden(path.child(extra), "may not specify more than 1 volume type")
    if volume.iscsi and volume.iscsi.initiatorName is not None:
        yield from validate_initiator_length(volume.name, volume.iscsi.targetPortal, path.child("name"))
    if given:
        yield from validate_source(given[0], getattr(volume, given[0]), path)


def validate_mounts(
    container: AnyContainer, volumes: Mapping[str, core_v1.Volume], path: Path, *, privileged: bool
) -> Iterator[FieldError]:
    """Mounts name volumes of the pod, each at a place of its own."""
    places: set[str] = set()
    devices = {device.name for device in container.volumeDevices}
    taken = {device.devicePath for device in container.volumeDevices}
    for index, mount in enumerate(container.volumeMounts):
        at = path.index(index)
        if not mount.name:
            yield required(at.child("name"))
        if mount.name not in volumes:
            yield not_found(at.child("name"), mount.name)
        if not mount.mountPath:
            yield required(at.child("mountPath"))
        if mount.mountPath in places:
            yield invalid(at.child("mountPath"), mount.mountPath, "must be unique")
        places.add(mount.mountPath)
        if mount.name in devices:
            yield invalid(at.child("name"), mount.name, "must not already exist in volumeDevices")
        if mount.mountPath in taken:
            why = "must not already exist as a path in volumeDevices"
            yield invalid(at.child("mountPath"), mount.mountPath, why)
        if mount.subPath and mount.subPathExpr:
            yield invalid(at.child("subPathExpr"), mount.subPathExpr, "subPathExpr and subPath are mutually exclusive")
        yield from is_inside(mount.subPath, path.child("subPath"))
        yield from is_inside(mount.subPathExpr, path.child("subPathExpr"))
        yield from _propagation(mount, path, privileged=privileged)
        yield from _recursion(mount, path.child("recursiveReadOnly"))


def _propagation(mount: core_v1.VolumeMount, path: Path, *, privileged: bool) -> Iterator[FieldError]:
    at = path.child("mountPropagation")
    if mount.mountPropagation is not None and mount.mountPropagation not in PROPAGATIONS:
        yield not_supported(at, mount.mountPropagation, PROPAGATIONS)
    if mount.mountPropagation == "Bidirectional" and not privileged:
        yield forbidden(at, "Bidirectional mount propagation is available only to privileged containers")


def _recursion(mount: core_v1.VolumeMount, path: Path) -> Iterator[FieldError]:
    if mount.recursiveReadOnly is None or mount.recursiveReadOnly == "Disabled":
        return
    if mount.recursiveReadOnly not in RECURSIVE:
        yield not_supported(path, mount.recursiveReadOnly, RECURSIVE)
        return
    if not mount.readOnly:
        yield forbidden(path, "may only be specified when readOnly is true")
    if mount.mountPropagation not in (None, "None"):
        yield forbidden(path, "may only be specified when mountPropagation is None or not specified")


def validate_devices(
    container: AnyContainer, volumes: Mapping[str, core_v1.Volume], path: Path
) -> Iterator[FieldError]:
    """Block devices are claims, each once."""
    names: set[str] = set()
    places: set[str] = set()
    mounted = {mount.name for mount in container.volumeMounts}
    for index, device in enumerate(container.volumeDevices):
        name, place = path.index(index).child("name"), path.index(index).child("devicePath")
        if not device.name:
            yield required(name)
        if device.name in names:
            yield invalid(name, device.name, "must be unique")
        volume = volumes.get(device.name)
        if volume and not volume.persistentVolumeClaim and not volume.ephemeral:
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield invalid(name, device.name, why)
        elif not volume:
            yield not_found(name, device.name)
        if not device.devicePath:
            yield required(place)
        if device.devicePath in places:
            yield invalid(place, device.devicePath, "must be unique")
        yield from no_backsteps(device.devicePath, place, "can not contain backsteps ('..')")
        if device.name in mounted:
            yield invalid(name, device.name, "must not already exist in volumeMounts")
        names.add(device.name)
        places.add(device.devicePath)
