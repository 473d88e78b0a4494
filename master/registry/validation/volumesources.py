"""The rules of what volumes are made of: sources of pods' volumes and of PersistentVolumes."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from master.registry.validation.common import is_label, is_subdomain, one_of
from master.registry.validation.meta import validate_annotations, validate_labels
from master.registry.validation.paths import is_relative, no_backsteps
from master.registry.validation.references import (
    FIELDS_OF_FILES,
    validate_field_reference,
    validate_resource_reference,
)
from master.registry.validation.storage import is_driver
from master.registry.volumeclaims import validate_claim_spec
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import core_v1

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "configMap": ("name",),
    "ephemeral": ("volumeClaimTemplate",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "gitRepo": ("repository",),
    "glusterfs": ("endpoints", "path"),
    "hostPath": ("path",),
    "image": ("reference",),
    "iscsi": ("targetPortal", "iqn"),
    "local": ("path",),
    "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "secret": ("secretName",),
    "storageos": ("volumeName",),
    "vsphereVolume": ("volumePath",),
}
"""The fields that each source must have."""
SHOWN = {"gcePersistentDisk": "persistentDisk"}
"""Sources that paths of faults name otherwise."""
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
MODE_RULE = "must be a number between 0 and 0777 (octal), both inclusive"
SHORTEST_TOKEN = 600
LONGEST_TOKEN = 1 << 32
INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)"),
    "eui": re.compile(r"eui\.[A-Za-z0-9]{16}"),
    "naa": re.compile(r"naa\.[A-Za-z0-9]{32}"),
}
PUBLISHING = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
)
AZURE_MANAGED = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
AZURE_BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"

SecretName = core_v1.LocalObjectReference | core_v1.SecretReference


def validate_source(name: str, source: Any, above: Path) -> Iterator[FieldError]:
    """A volume source, by the name of its field; of a pod's volume or of a PersistentVolume."""
    path = above.child(SHOWN.get(name, name))
    for field in REQUIRED.get(name, ()):
        if not getattr(source, field):
            yield required(path.child(field))
    if name in _RULES:
        yield from _RULES[name](source, path)


def _empty_dir(source: core_v1.EmptyDirVolumeSource, path: Path) -> Iterator[FieldError]:
    if source.sizeLimit is not None and source.sizeLimit.amount.nanos < 0:
        yield forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity")


def _host_path(source: core_v1.HostPathVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from no_backsteps(source.path, path.child("path"))
    if source.type and source.type not in HOST_PATH_TYPES:
        yield not_supported(path.child("type"), source.type, HOST_PATH_TYPES)


def _files(source: core_v1.SecretVolumeSource | core_v1.ConfigMapVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from _mode(source.defaultMode, path.child("defaultMode"))
    yield from _items(source.items, path.child("items"))


def _items(items: Sequence[core_v1.KeyToPath], path: Path) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        at = path.index(index)
        if not item.key:
            yield required(at.child("key"))
        yield from is_relative(item.path, at.child("path"))
        yield from _mode(item.mode, at.child("mode"))


def _downward(source: core_v1.DownwardAPIVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from _mode(source.defaultMode, path.child("defaultMode"))
    for item in source.items:
        yield from _downward_file(item, path)


def _downward_file(item: core_v1.DownwardAPIVolumeFile, path: Path) -> Iterator[FieldError]:
    yield from is_relative(item.path, path.child("path"))
    if item.fieldRef:
        yield from validate_field_reference(item.fieldRef, FIELDS_OF_FILES, path.child("fieldRef"))
        if item.resourceFieldRef:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.resourceFieldRef:
        yield from validate_resource_reference(item.resourceFieldRef, path.child("resourceFieldRef"), named=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _mode(item.mode, path.child("mode"))


def _projected(source: core_v1.ProjectedVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from _mode(source.defaultMode, path.child("defaultMode"))
    paths: set[str] = set()
    for index, projection in enumerate(source.sources):
        yield from _projection(projection, path.child("sources").index(index), path)
        for written, shown in _written(projection):
            if written in paths:
                yield invalid(path, shown, "conflicting duplicate paths")
            paths.add(written)


def _projection(projection: core_v1.VolumeProjection, path: Path, above: Path) -> Iterator[FieldError]:
    given = [name for name in projection.__struct_fields__ if getattr(projection, name) is not None]
    for extra in given[1:]:
        yield forbidden(path.child(extra), "may not specify more than 1 volume type per source")
    for name in ("secret", "configMap"):
        files: core_v1.SecretProjection | core_v1.ConfigMapProjection | None = getattr(projection, name)
        if files:
            if not files.name:
                yield required(path.child(name, "name"))
            yield from _items(files.items, path.child(name, "items"))
    for item in projection.downwardAPI.items if projection.downwardAPI else ():
        yield from _downward_file(item, path.child("downwardAPI"))
    token = projection.serviceAccountToken
    if token:
        seconds, at = token.expirationSeconds, path.child("serviceAccountToken", "expirationSeconds")
        if seconds is not None and seconds < SHORTEST_TOKEN:
            yield invalid(at, seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > LONGEST_TOKEN:
            yield invalid(at, seconds, "may not specify a duration larger than 2^32 seconds")
        yield from is_relative(token.path, above.child("path"))


def _written(projection: core_v1.VolumeProjection) -> Iterator[tuple[str, str]]:
    """The files that a source is known to write, and what a conflict over each shows."""
    for source in (projection.secret, projection.configMap):
        if source:
            yield from ((item.path, source.name or "") for item in source.items)
    if projection.downwardAPI:
        yield from ((item.path, item.path) for item in projection.downwardAPI.items)
    if projection.serviceAccountToken:
        yield projection.serviceAccountToken.path, projection.serviceAccountToken.path


def _nfs(source: core_v1.NFSVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.path.startswith("/"):
        yield invalid(path.child("path"), source.path, "must be an absolute path")


def _local(source: core_v1.LocalVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from no_backsteps(source.path, path.child("path"))


def _partition(
    source: core_v1.GCEPersistentDiskVolumeSource | core_v1.AWSElasticBlockStoreVolumeSource, path: Path
) -> Iterator[FieldError]:
    if not 0 <= source.partition <= 255:
        yield invalid(path.child("partition"), source.partition, "must be between 1 and 255, inclusive")


def _lun(lun: int, path: Path) -> Iterator[FieldError]:
    if not 0 <= lun <= 255:
        yield invalid(path.child("lun"), lun, "must be between 0 and 255, inclusive")


def _iscsi(source: core_v1.ISCSIVolumeSource | core_v1.ISCSIPersistentVolumeSource, path: Path) -> Iterator[FieldError]:
    hint = " starting with iqn, eui, or naa" if isinstance(source, core_v1.ISCSIVolumeSource) else ""
    if source.iqn:
        yield from _initiator(source.iqn, path.child("iqn"), hint)
    yield from _lun(source.lun, path)
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        yield required(path.child("secretRef"))
    if isinstance(source.secretRef, core_v1.SecretReference) and not source.secretRef.name:
        yield required(path.child("secretRef", "name"))
    if source.initiatorName is not None:
        yield from _initiator(source.initiatorName, path.child("initiatorname"), hint)


def _initiator(name: str, path: Path, hint: str) -> Iterator[FieldError]:
    pattern = INITIATORS.get(name[:3])
    if not pattern:
        yield invalid(path, name, f"must be valid format{hint}")
    elif not pattern.fullmatch(name):
        yield invalid(path, name, "must be valid format")


def _fc(source: core_v1.FCVolumeSource, path: Path) -> Iterator[FieldError]:
    at = path.child("targetWWNs")
    if not source.targetWWNs and not source.wwids:
        yield required(at, "must specify either targetWWNs or wwids, but not both")
    if source.targetWWNs and source.wwids:
        yield invalid(at, source.targetWWNs, "targetWWNs and wwids can not be specified simultaneously")
    if source.targetWWNs:
        if source.lun is None:
            yield required(path.child("lun"), "lun is required if targetWWNs is specified")
        else:
            yield from _lun(source.lun, path)


def _cinder(source: core_v1.CinderVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from _secret_name(source.secretRef, path.child("secretRef"))


def _secret_name(reference: SecretName | None, path: Path) -> Iterator[FieldError]:
    """A reference to a Secret, where there is one, says which; in every way that its type has."""
    for field in reference.__struct_fields__ if reference else ():
        if not getattr(reference, field):
            yield required(path.child(field))


def _flocker(source: core_v1.FlockerVolumeSource, path: Path) -> Iterator[FieldError]:
    if not source.datasetName and not source.datasetUUID:
        yield required(path, "one of datasetName and datasetUUID is required")
    if source.datasetName and source.datasetUUID:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.datasetName:
        yield invalid(path.child("datasetName"), source.datasetName, "must not contain '/'")


def _azure_file(
    source: core_v1.AzureFileVolumeSource | core_v1.AzureFilePersistentVolumeSource, path: Path
) -> Iterator[FieldError]:
    if isinstance(source, core_v1.AzureFilePersistentVolumeSource) and source.secretNamespace == "":
        yield required(path.child("secretNamespace"))


def _azure_disk(source: core_v1.AzureDiskVolumeSource, path: Path) -> Iterator[FieldError]:
    for field, allowed in (
        ("cachingMode", ("None", "ReadOnly", "ReadWrite")),
        ("kind", ("Dedicated", "Managed", "Shared")),
    ):
        if getattr(source, field) not in allowed:
            yield not_supported(path.child(field), getattr(source, field), allowed)
    form = AZURE_MANAGED if source.kind == "Managed" else AZURE_BLOB
    if not source.diskURI.startswith(form.partition("{")[0]):
        yield not_supported(path.child("diskURI"), source.diskURI, [form])


def _quobyte(source: core_v1.QuobyteVolumeSource, path: Path) -> Iterator[FieldError]:
    why = "must be a host:port pair or multiple pairs separated by commas"
    if not source.registry:
        yield required(path.child("registry"), why)
    elif len(source.tenant) >= 65:
        yield required(path.child("tenant"), "must be a UUID and may not exceed a length of 64 characters")
    elif not all(re.fullmatch(r"([^:\[\]]*|\[[^\[\]]*\]):[^:\[\]]*", pair) for pair in source.registry.split(",")):
        yield invalid(path.child("registry"), source.registry, why)
    if not source.volume:
        yield required(path.child("volume"))


def _glusterfs(
    source: core_v1.GlusterfsVolumeSource | core_v1.GlusterfsPersistentVolumeSource, path: Path
) -> Iterator[FieldError]:
    space = source.endpointsNamespace if isinstance(source, core_v1.GlusterfsPersistentVolumeSource) else None
    at = path.child("endpointsNamespace")
    if space == "":
        yield invalid(at, space, "if the endpointnamespace is set, it must be a valid namespace name")
    elif space is not None:
        yield from is_label(at, space)


def _storageos(
    source: core_v1.StorageOSVolumeSource | core_v1.StorageOSPersistentVolumeSource, path: Path
) -> Iterator[FieldError]:
    for field in ("volumeName", "volumeNamespace"):
        if name := getattr(source, field):
            yield from is_label(path.child(field), name)
    reference, at = source.secretRef, path.child("secretRef")
    if isinstance(reference, core_v1.ObjectReference):
        for field in ("name", "namespace"):
            if not getattr(reference, field):
                yield required(at.child(field))
    else:
        yield from _secret_name(reference, at)


def _csi(source: core_v1.CSIVolumeSource | core_v1.CSIPersistentVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from is_driver(path.child("driver"), source.driver)
    if isinstance(source, core_v1.CSIPersistentVolumeSource):
        if not source.volumeHandle:
            yield required(path.child("volumeHandle"))
        for field in PUBLISHING:
            yield from _secret_of_namespace(getattr(source, field), path.child(field))
    elif source.nodePublishSecretRef:
        if not source.nodePublishSecretRef.name:
            yield required(path.child("nodePublishSecretRef", "name"))
        else:
            yield from is_subdomain(path.child("name"), source.nodePublishSecretRef.name)


def _secret_of_namespace(reference: core_v1.SecretReference | None, path: Path) -> Iterator[FieldError]:
    yield from _secret_name(reference, path)
    if reference and reference.name:
        yield from is_subdomain(path.child("name"), reference.name)
    if reference and reference.namespace:
        yield from is_label(path.child("namespace"), reference.namespace)


def _ephemeral(source: core_v1.EphemeralVolumeSource, path: Path) -> Iterator[FieldError]:
    template, at = source.volumeClaimTemplate, path.child("volumeClaimTemplate")
    if template:
        yield from validate_annotations(template.metadata.annotations, at.child("metadata", "annotations"))
        yield from validate_labels(template.metadata.labels, at.child("metadata", "labels"))
        yield from validate_claim_spec(template.spec, at.child("spec"))


def _image(source: core_v1.ImageVolumeSource, path: Path) -> Iterator[FieldError]:
    yield from one_of(path.child("pullPolicy"), source.pullPolicy, ("Always", "IfNotPresent", "Never"), optional=True)


_RULES: Mapping[str, Callable[[Any, Path], Iterator[FieldError]]] = {
    "awsElasticBlockStore": _partition,
    "azureDisk": _azure_disk,
    "azureFile": _azure_file,
    "cinder": _cinder,
    "configMap": _files,
    "csi": _csi,
    "downwardAPI": _downward,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "fc": _fc,
    "flocker": _flocker,
    "gcePersistentDisk": _partition,
    "glusterfs": _glusterfs,
    "hostPath": _host_path,
    "image": _image,
    "iscsi": _iscsi,
    "local": _local,
    "nfs": _nfs,
    "projected": _projected,
    "quobyte": _quobyte,
    "secret": _files,
    "storageos": _storageos,
}


def _mode(mode: int | None, path: Path) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, MODE_RULE)


def validate_initiator_length(name: str, portal: str, path: Path) -> Iterator[FieldError]:
    """A volume's name and its portal fit together into what an iSCSI initiator takes."""
    if len(f"{name}:{portal}") > 64:
        rule = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters"
        shown = name if path.endswith("name") else portal
        yield invalid(path, shown, f"{rule} if iscsi.initiatorName is specified.")
