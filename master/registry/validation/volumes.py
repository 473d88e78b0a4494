"""The rules of volumes and their mounts."""

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from master.registry.poddefaults import VOLUME_SOURCES
from master.registry.validation.common import is_label, is_subdomain, one_of
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_found, not_supported, required
from timonel.api.types import core_v1

HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
FILE_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.annotations", "metadata.labels")
FILE_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
MODE_RULE = "must be a number between 0 and 0777 (octal), both inclusive"
SHORTEST_TOKEN = 600
LONGEST_TOKEN = 1 << 32


def validate_volumes(volumes: Sequence[core_v1.Volume], path: Path) -> Iterator[FieldError]:
    """Every volume has one source and a name of its own."""
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        at = path.index(index)
        if not volume.name:
            yield required(at.child("name"))
        else:
            yield from is_label(at.child("name"), volume.name)
        if volume.name in seen:
            yield duplicate(at.child("name"), volume.name)
        seen.add(volume.name)
        given = [name for name in VOLUME_SOURCES if getattr(volume, name) is not None]
        if not given:
            yield required(at, "must specify a volume type")
        for extra in given[1:]:
            yield forbidden(at.child(extra), "may not specify more than 1 volume type")
        if given:
            yield from validate_source(given[0], getattr(volume, given[0]), at.child(given[0]))


def validate_source(name: str, source: Any, path: Path) -> Iterator[FieldError]:
    """A volume source, by the name of its field; of a pod's volume or of a PersistentVolume."""
    if name in _RULES:
        yield from _RULES[name](source, path)


def _empty_dir(source: core_v1.EmptyDirVolumeSource, path: Path) -> Iterator[FieldError]:
    if source.sizeLimit is not None and source.sizeLimit.amount.nanos < 0:
        yield forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity")


def _host_path(source: core_v1.HostPathVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.path:
        yield required(path.child("path"))
    yield from _no_backsteps(source.path, path.child("path"))
    if source.type and source.type not in HOST_PATH_TYPES:
        yield not_supported(path.child("type"), source.type, HOST_PATH_TYPES)


def _secret(source: core_v1.SecretVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.secretName:
        yield required(path.child("secretName"))
    yield from _mode(source.defaultMode, path.child("defaultMode"))
    yield from _items(source.items, path.child("items"))


def _config_map(source: core_v1.ConfigMapVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.child("name"))
    yield from _mode(source.defaultMode, path.child("defaultMode"))
    yield from _items(source.items, path.child("items"))


def _items(items: Sequence[core_v1.KeyToPath], path: Path) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        at = path.index(index)
        if not item.key:
            yield required(at.child("key"))
        yield from _relative(item.path, at.child("path"))
        yield from _mode(item.mode, at.child("mode"))


def _downward(source: core_v1.DownwardAPIVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from _mode(source.defaultMode, path.child("defaultMode"))
    for item in source.items:
        yield from _downward_file(item, path)


def _downward_file(item: core_v1.DownwardAPIVolumeFile, path: Path) -> Iterator[FieldError]:
    yield from _relative(item.path, path.child("path"))
    yield from _mode(item.mode, path.child("mode"))
    if item.fieldRef and item.resourceFieldRef:
        yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.fieldRef:
        yield from _field_ref(item.fieldRef, path.child("fieldRef"))
    elif item.resourceFieldRef:
        at = path.child("resourceFieldRef")
        if not item.resourceFieldRef.containerName:
            yield required(at.child("containerName"))
        name = item.resourceFieldRef.resource
        if name not in FILE_RESOURCES and ".hugepages-" not in name:
            yield not_supported(at.child("resource"), name, FILE_RESOURCES)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")


def _field_ref(reference: core_v1.ObjectFieldSelector, path: Path) -> Iterator[FieldError]:
    name, _, key = reference.fieldPath.partition("[")
    if not reference.fieldPath:
        yield required(path.child("fieldPath"))
    elif key and name not in ("metadata.annotations", "metadata.labels"):
        yield invalid(path.child("fieldPath"), reference.fieldPath, "does not support subscript")
    elif name not in FILE_FIELDS:
        yield not_supported(path.child("fieldPath"), reference.fieldPath, FILE_FIELDS)


def _projected(source: core_v1.ProjectedVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from _mode(source.defaultMode, path.child("defaultMode"))
    paths: set[str] = set()
    for index, projection in enumerate(source.sources):
        at = path.child("sources").index(index)
        yield from _projection(projection, at)
        for written in _written(projection):
            if written in paths:
                yield invalid(path, written, "conflicting duplicate paths")
            paths.add(written)


def _projection(projection: core_v1.VolumeProjection, path: Path) -> Iterator[FieldError]:
    given = [name for name in projection.__struct_fields__ if getattr(projection, name) is not None]
    if not given:
        yield required(path, "must specify a volume type")
    for extra in given[1:]:
        yield forbidden(path.child(extra), "may not specify more than 1 volume type per source")
    if projection.secret:
        if not projection.secret.name:
            yield required(path.child("secret").child("name"))
        yield from _items(projection.secret.items, path.child("secret").child("items"))
    if projection.configMap:
        if not projection.configMap.name:
            yield required(path.child("configMap").child("name"))
        yield from _items(projection.configMap.items, path.child("configMap").child("items"))
    if projection.downwardAPI:
        for item in projection.downwardAPI.items:
            yield from _downward_file(item, path.child("downwardAPI"))
    if projection.serviceAccountToken:
        yield from _token(projection.serviceAccountToken, path.child("serviceAccountToken"))


def _token(source: core_v1.ServiceAccountTokenProjection, path: Path) -> Iterator[FieldError]:
    seconds = source.expirationSeconds
    if seconds is not None and seconds < SHORTEST_TOKEN:
        yield invalid(path.child("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes")
    if seconds is not None and seconds > LONGEST_TOKEN:
        yield invalid(path.child("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds")
    yield from _relative(source.path, path.child("path"))


def _written(projection: core_v1.VolumeProjection) -> Iterator[str]:
    """The files that a source is known to write."""
    for source in (projection.secret, projection.configMap):
        yield from (item.path for item in (source.items if source else ()))
    yield from (item.path for item in (projection.downwardAPI.items if projection.downwardAPI else ()))
    if projection.serviceAccountToken:
        yield projection.serviceAccountToken.path


def _claim(source: core_v1.PersistentVolumeClaimVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.claimName:
        yield required(path.child("claimName"))


def _nfs(source: core_v1.NFSVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.server:
        yield required(path.child("server"))
    if not source.path:
        yield required(path.child("path"))
    elif not source.path.startswith("/"):
        yield invalid(path.child("path"), source.path, "must be an absolute path")


def _csi(source: core_v1.CSIVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.driver:
        yield required(path.child("driver"))
    else:
        yield from is_subdomain(path.child("driver"), source.driver)


_RULES: Mapping[str, Callable[[Any, Path], Iterator[FieldError]]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
    "nfs": _nfs,
    "csi": _csi,
}


def validate_mounts(
    mounts: Sequence[core_v1.VolumeMount], volumes: Collection[str], path: Path, *, privileged: bool
) -> Iterator[FieldError]:
    """Mounts name volumes of the pod, each at a place of its own."""
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        at = path.index(index)
        if not mount.name:
            yield required(at.child("name"))
        elif mount.name not in volumes:
            yield not_found(at.child("name"), mount.name)
        if not mount.mountPath:
            yield required(at.child("mountPath"))
        if mount.mountPath in places:
            yield invalid(at.child("mountPath"), mount.mountPath, "must be unique")
        places.add(mount.mountPath)
        if mount.subPath and mount.subPathExpr:
            yield invalid(at.child("subPathExpr"), mount.subPathExpr, "subPathExpr and subPath are mutually exclusive")
        yield from _inside(mount.subPath or "", path.child("subPath"))
        yield from _inside(mount.subPathExpr or "", path.child("subPathExpr"))
        if mount.mountPropagation:
            modes = ("Bidirectional", "HostToContainer", "None")
            yield from one_of(at.child("mountPropagation"), mount.mountPropagation, modes)
            if mount.mountPropagation == "Bidirectional" and not privileged:
                why = "Bidirectional mount propagation is available only to privileged containers"
                yield forbidden(at.child("mountPropagation"), why)


def _mode(mode: int | None, path: Path) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, MODE_RULE)


def _relative(text: str, path: Path) -> Iterator[FieldError]:
    if not text:
        yield required(path)
        return
    yield from _inside(text, path)
    if text.startswith("..") and not text.startswith("../"):
        yield invalid(path, text, "must not start with '..'")


def _inside(text: str, path: Path) -> Iterator[FieldError]:
    if posixpath.isabs(text):
        yield invalid(path, text, "must be a relative path")
    yield from _no_backsteps(text, path)


def _no_backsteps(text: str, path: Path) -> Iterator[FieldError]:
    if ".." in text.split("/"):
        yield invalid(path, text, "must not contain '..'")
