"""What a pod's spec means where it says nothing (Kubernetes' apis/core/v1/defaults.go); for pods and pod templates."""

import re
from collections.abc import Iterable

from master.registry.podamounts import container_totals
from master.registry.volumeclaims import default_claim_spec
from timonel.api.types import core_v1

MODE = 0o644
TOKEN_SECONDS = 3600
GRACE_SECONDS = 30
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])"
)
_IMAGE = re.compile(rf"(?:{_DOMAIN}(?::\d+)?/)?({_PART}(?:/{_PART})*)(?::([\w][\w.-]{{0,127}}))?(@[A-Za-z][^@]*)?")
"""A reference to an image: its path, tag and digest."""
LONGEST_IMAGE_PATH = 255

AnyContainer = core_v1.Container | core_v1.EphemeralContainer


def default_pod(spec: core_v1.PodSpec) -> None:
    """Fill in a pod's spec: what templates leave open is settled too."""
    default_spec(spec)
    if spec.terminationGracePeriodSeconds and spec.terminationGracePeriodSeconds < 0:
        spec.terminationGracePeriodSeconds = 1
    if spec.enableServiceLinks is None:
        spec.enableServiceLinks = True
    for container in (*spec.containers, *spec.initContainers):
        for name, limit in container.resources.limits.items():
            container.resources.requests.setdefault(name, limit)
    if spec.resources and (spec.resources.limits or spec.resources.requests):
        _default_whole(spec, spec.resources)


def _default_whole(spec: core_v1.PodSpec, whole: core_v1.ResourceRequirements) -> None:
    """A pod as a whole asks for what its containers ask for, where it does not say; huge pages are limited too."""
    for name, amount in container_totals(spec, "limits").items():
        if name.startswith("hugepages-"):
            whole.limits.setdefault(name, amount)
    for name, amount in container_totals(spec, "requests").items():
        if name in ("cpu", "memory"):
            whole.requests.setdefault(name, amount)
    for name, amount in whole.limits.items():
        if name in ("cpu", "memory") or name.startswith("hugepages-"):
            whole.requests.setdefault(name, amount)


def default_spec(spec: core_v1.PodSpec) -> None:
    """Fill in the spec of a pod or of a template."""
    spec.dnsPolicy = spec.dnsPolicy or "ClusterFirst"
    spec.restartPolicy = spec.restartPolicy or "Always"
    spec.schedulerName = spec.schedulerName or "default-scheduler"
    if spec.terminationGracePeriodSeconds is None:
        spec.terminationGracePeriodSeconds = GRACE_SECONDS
    if spec.securityContext is None:
        spec.securityContext = core_v1.PodSecurityContext()
    spec.serviceAccountName = spec.serviceAccount = spec.serviceAccountName or spec.serviceAccount
    containers: tuple[AnyContainer, ...] = (*spec.initContainers, *spec.containers, *spec.ephemeralContainers)
    for container in containers:
        default_container(container)
    if spec.hostNetwork:
        _default_host_ports((*spec.initContainers, *spec.containers))
    for volume in spec.volumes:
        default_volume(volume)


def default_container(container: AnyContainer) -> None:
    """Fill in one container."""
    container.imagePullPolicy = container.imagePullPolicy or pull_policy(container.image or "")
    container.terminationMessagePath = container.terminationMessagePath or "/dev/termination-log"
    container.terminationMessagePolicy = container.terminationMessagePolicy or "File"
    for port in container.ports:
        port.protocol = port.protocol or "TCP"
    for variable in container.env:
        if variable.valueFrom and variable.valueFrom.fieldRef:
            _default_field_ref(variable.valueFrom.fieldRef)
        if variable.valueFrom and variable.valueFrom.fileKeyRef and variable.valueFrom.fileKeyRef.optional is None:
            variable.valueFrom.fileKeyRef.optional = False
    for probe in (container.livenessProbe, container.readinessProbe, container.startupProbe):
        if probe:
            _default_probe(probe)
    if container.lifecycle:
        for handler in (container.lifecycle.postStart, container.lifecycle.preStop):
            if handler and handler.httpGet:
                _default_http_get(handler.httpGet)


def pull_policy(image: str) -> str:
    """Always for an image that may change behind its name: tagged latest, or not at all."""
    match = _IMAGE.fullmatch(image)
    if not match or len(match[1]) > LONGEST_IMAGE_PATH or match[3]:
        return "IfNotPresent"
    return "Always" if match[2] in (None, "latest") else "IfNotPresent"


def default_volume(volume: core_v1.Volume) -> None:
    """Fill in one volume; one without any source is an emptyDir."""
    default_sources(volume)
    if volume.secret:
        _default_mode(volume.secret)
    elif volume.configMap:
        _default_mode(volume.configMap)
    elif volume.downwardAPI:
        _default_mode(volume.downwardAPI)
        _default_items(volume.downwardAPI.items)
    elif volume.projected:
        _default_mode(volume.projected)
        for source in volume.projected.sources:
            if source.serviceAccountToken and source.serviceAccountToken.expirationSeconds is None:
                source.serviceAccountToken.expirationSeconds = TOKEN_SECONDS
            if source.downwardAPI:
                _default_items(source.downwardAPI.items)
            source.clusterTrustBundle = source.podCertificate = None  # features that Kubernetes 1.35 has switched off
    elif volume.ephemeral and volume.ephemeral.volumeClaimTemplate:
        default_claim_spec(volume.ephemeral.volumeClaimTemplate.spec)
    elif volume.image:
        volume.image.pullPolicy = volume.image.pullPolicy or pull_policy(volume.image.reference)
    elif not any(getattr(volume, field) is not None for field in VOLUME_SOURCES):
        volume.emptyDir = core_v1.EmptyDirVolumeSource()


def default_sources(holder: core_v1.Volume | core_v1.PersistentVolumeSpec) -> None:
    """Fill in the sources that volumes of pods and PersistentVolumes have alike."""
    if holder.hostPath and holder.hostPath.type is None:
        holder.hostPath.type = ""
    for name, defaults in SOURCE_DEFAULTS.items():
        source = getattr(holder, name)
        for field, value in defaults.items() if source is not None else ():
            if not getattr(source, field):
                setattr(source, field, value)
    disk = holder.azureDisk
    if disk:
        disk.cachingMode = "ReadWrite" if disk.cachingMode is None else disk.cachingMode
        disk.kind = "Shared" if disk.kind is None else disk.kind
        disk.fsType = "ext4" if disk.fsType is None else disk.fsType
        disk.readOnly = bool(disk.readOnly)


SOURCE_DEFAULTS: dict[str, dict[str, str]] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}

VOLUME_SOURCES = tuple(field for field in core_v1.Volume.__struct_fields__ if field != "name")


def _default_mode(
    source: core_v1.SecretVolumeSource
    | core_v1.ConfigMapVolumeSource
    | core_v1.DownwardAPIVolumeSource
    | core_v1.ProjectedVolumeSource,
) -> None:
    if source.defaultMode is None:
        source.defaultMode = MODE


def _default_items(items: Iterable[core_v1.DownwardAPIVolumeFile]) -> None:
    for item in items:
        if item.fieldRef:
            _default_field_ref(item.fieldRef)


def _default_field_ref(reference: core_v1.ObjectFieldSelector) -> None:
    reference.apiVersion = reference.apiVersion or "v1"


def _default_probe(probe: core_v1.Probe) -> None:
    probe.timeoutSeconds = probe.timeoutSeconds or 1
    probe.periodSeconds = probe.periodSeconds or 10
    probe.successThreshold = probe.successThreshold or 1
    probe.failureThreshold = probe.failureThreshold or 3
    if probe.httpGet:
        _default_http_get(probe.httpGet)
    if probe.grpc and probe.grpc.service is None:
        probe.grpc.service = ""


def _default_http_get(action: core_v1.HTTPGetAction) -> None:
    action.path = action.path or "/"
    action.scheme = action.scheme or "HTTP"


def _default_host_ports(containers: Iterable[core_v1.Container]) -> None:
    """On the host's network a port of the container is a port of the host."""
    for container in containers:
        for port in container.ports:
            port.hostPort = port.hostPort or port.containerPort
