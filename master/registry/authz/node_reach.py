"""What a node reaches: the pods that are bound to it, and what these refer to, directly or over their volumes.

Source: the graph of Kubernetes' node authorizer. Here the answer is read from the caches when it is asked for.
"""

from collections.abc import Iterator
from typing import Any

from master.registry.objects import Reader
from master.registry.podreferences import names_used, secrets_in
from timonel.api.types import core_v1, resource_v1, storage_v1

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a pod that a node made to show what it runs by itself."""


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


def _secrets_of_volume(volume: core_v1.PersistentVolume) -> set[tuple[str, str]]:
    """The namespaces and names of the Secrets that nodes need for a volume; by default they are its claim's."""
    claim = volume.spec.claimRef
    home = claim.namespace or "" if claim else ""
    return {(namespace or home, name) for namespace, name in secrets_in(volume.spec)}
