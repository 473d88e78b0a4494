"""Describes a pod's volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from timonel.api.types import core_v1
from timonel.cli.describe.page import NONE, Page

Pair = tuple[str, object]


def volumes(page: Page, level: int, found: Sequence[core_v1.Volume]) -> None:
    """Each volume with its sort and what it is made of."""
    page.line(level, "Volumes:" if found else f"Volumes:\t{NONE}")
    for volume in found:
        page.line(level + 1, f"{volume.name}:")
        for name, value in _pairs(volume):
            page.field(level + 2, name, value)


def _pairs(volume: core_v1.Volume) -> Iterator[Pair]:
    if volume.emptyDir is not None:
        yield "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)"
        yield "Medium", volume.emptyDir.medium
        yield "SizeLimit", volume.emptyDir.sizeLimit or "<unset>"
    elif volume.hostPath:
        yield "Type", "HostPath (bare host directory volume)"
        yield "Path", volume.hostPath.path
        yield "HostPathType", volume.hostPath.type or ""
    elif volume.configMap:
        yield "Type", "ConfigMap (a volume populated by a ConfigMap)"
        yield "Name", volume.configMap.name
        yield "Optional", str(bool(volume.configMap.optional)).lower()
    elif volume.secret:
        yield "Type", "Secret (a volume populated by a Secret)"
        yield "SecretName", volume.secret.secretName
        yield "Optional", str(bool(volume.secret.optional)).lower()
    elif volume.downwardAPI:
        yield "Type", "DownwardAPI (a volume populated by information about the pod)"
    elif volume.persistentVolumeClaim:
        yield "Type", "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)"
        yield "ClaimName", volume.persistentVolumeClaim.claimName
        yield "ReadOnly", str(bool(volume.persistentVolumeClaim.readOnly)).lower()
    elif volume.projected:
        yield "Type", "Projected (a volume that contains injected data from multiple sources)"
        for source in volume.projected.sources:
            yield from _projection(source)
    else:
        yield "Type", "<unknown>"


def _projection(source: core_v1.VolumeProjection) -> Iterator[Pair]:
    if source.serviceAccountToken:
        yield "TokenExpirationSeconds", source.serviceAccountToken.expirationSeconds or ""
    elif source.configMap:
        yield "ConfigMapName", source.configMap.name
    elif source.secret:
        yield "SecretName", source.secret.name
    elif source.downwardAPI:
        yield "DownwardAPI", "true"
