"""What a node reaches: the pods that are bound to it, and what these refer to, directly or over their volumes.

Source: the graph of Kubernetes' node authorizer. Here the answer is read from the caches when it is asked for.
"""

from collections.abc import Iterator, Set
from typing import Any

from master.registry.objects import APIObject, Reader
from timonel.api.types import core_v1, resource_v1, storage_v1

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a pod that a node made to show what it runs by itself."""

_SECRET_REFERENCES = ("secretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
"""The fields of volume sources that name a Secret for nodes; the others are for controllers."""


class Reach:
    """What one node reaches, by these objects."""

    def __init__(self, node: str, reader: Reader) -> None:
        self._node = node
        self._reader = reader

    def reaches(self, kind: type[Any] | None, namespace: str, name: str) -> bool:
        """Whether an object is the node's business. One that does not exist may be: its pods may wait for it."""
        if kind is core_v1.Pod:
            pod = self._reader.cached(core_v1.Pod, namespace, name)
            return pod is not None and pod.spec.nodeName == self._node
        if kind is storage_v1.VolumeAttachment:
            attachment = self._reader.cached(storage_v1.VolumeAttachment, "", name)
            return attachment is not None and attachment.spec.nodeName == self._node
        if kind is resource_v1.ResourceSlice:
            found = self._reader.cached(resource_v1.ResourceSlice, "", name)
            return found is not None and found.spec.nodeName == self._node
        if kind is core_v1.PersistentVolume:
            volume = self._reader.cached(core_v1.PersistentVolume, "", name)
            return volume is not None and self._has_volume(volume)
        if kind is not None and any(name in names_used(kind, pod) for pod in self._pods(namespace)):
            return True
        return kind is core_v1.Secret and any(
            (namespace, name) in _secrets_of_volume(volume) and self._has_volume(volume)
            for volume in self._reader.all_cached(core_v1.PersistentVolume)
        )

    def _has_volume(self, volume: core_v1.PersistentVolume) -> bool:
        claim = volume.spec.claimRef
        return claim is not None and self.reaches(
            core_v1.PersistentVolumeClaim, claim.namespace or "", claim.name or ""
        )

    def _pods(self, namespace: str) -> Iterator[core_v1.Pod]:
        """Those that somebody else bound to the node: it could make mirror pods that refer to anything."""
        pods = self._reader.all_cached(core_v1.Pod, namespace)
        return (pod for pod in pods if pod.spec.nodeName == self._node and MIRROR not in pod.metadata.annotations)


def names_used(kind: type[APIObject], pod: core_v1.Pod) -> Set[str | None]:
    """The names of the objects of a kind that a pod refers to; none of a kind that pods do not refer to."""
    if kind is core_v1.ConfigMap:
        return config_maps_of(pod.spec)
    if kind is core_v1.Secret:
        return secrets_of(pod.spec)
    if kind is core_v1.ServiceAccount:
        return {pod.spec.serviceAccountName}
    if kind is core_v1.PersistentVolumeClaim:
        return claims_of(pod)
    if kind is resource_v1.ResourceClaim:
        named = {claim.resourceClaimName for claim in pod.spec.resourceClaims}
        return named | {claim.resourceClaimName for claim in pod.status.resourceClaimStatuses}
    return set()


def claims_of(pod: core_v1.Pod) -> set[str | None]:
    """The names of the PersistentVolumeClaims that a pod mounts, those that are made for it among them."""
    made = {f"{pod.metadata.name}-{volume.name}" for volume in pod.spec.volumes if volume.ephemeral}
    named = {volume.persistentVolumeClaim.claimName for volume in pod.spec.volumes if volume.persistentVolumeClaim}
    return {*made, *named}


def config_maps_of(spec: core_v1.PodSpec) -> set[str]:
    """The names of the ConfigMaps that a pod uses."""
    found = {volume.configMap.name for volume in spec.volumes if volume.configMap}
    found |= {source.configMap.name for source in projections(spec) if source.configMap}
    for container in _containers(spec):
        found |= {source.configMapRef.name for source in container.envFrom if source.configMapRef}
        found |= {
            variable.valueFrom.configMapKeyRef.name
            for variable in container.env
            if variable.valueFrom and variable.valueFrom.configMapKeyRef
        }
    return found


def secrets_of(spec: core_v1.PodSpec) -> set[str]:
    """The names of the Secrets that a pod uses."""
    found: set[str] = {name for volume in spec.volumes for _, name in _secrets_in(volume)}
    found |= {secret.name for secret in spec.imagePullSecrets}
    found |= {source.secret.name for source in projections(spec) if source.secret}
    for container in _containers(spec):
        found |= {source.secretRef.name for source in container.envFrom if source.secretRef}
        found |= {
            variable.valueFrom.secretKeyRef.name
            for variable in container.env
            if variable.valueFrom and variable.valueFrom.secretKeyRef
        }
    return found


def projections(spec: core_v1.PodSpec) -> Iterator[core_v1.VolumeProjection]:
    """What the projected volumes of a pod are made of."""
    return (source for volume in spec.volumes if volume.projected for source in volume.projected.sources)


def _secrets_of_volume(volume: core_v1.PersistentVolume) -> set[tuple[str, str]]:
    """The namespaces and names of the Secrets that nodes need for a volume; by default they are its claim's."""
    claim = volume.spec.claimRef
    home = claim.namespace or "" if claim else ""
    return {(namespace or home, name) for namespace, name in _secrets_in(volume.spec)}


def _secrets_in(holder: core_v1.Volume | core_v1.PersistentVolumeSpec) -> Iterator[tuple[str | None, str]]:
    """The Secrets that the source of a volume, whichever it is, names: the namespace where it says one, the name."""
    for field in holder.__struct_fields__:
        source = getattr(holder, field)
        if name := getattr(source, "secretName", None):
            yield getattr(source, "secretNamespace", None), name
        for reference in (getattr(source, key, None) for key in _SECRET_REFERENCES):
            if reference and reference.name:
                yield getattr(reference, "namespace", None), reference.name


def _containers(spec: core_v1.PodSpec) -> Iterator[core_v1.Container | core_v1.EphemeralContainer]:
    yield from spec.containers
    yield from spec.initContainers
    yield from spec.ephemeralContainers
