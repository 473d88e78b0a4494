"""What others may use of storage is kept until they do not: Kubernetes' plugin StorageObjectInUseProtection."""

from typing import Any, ClassVar

from master.registry.admission.base import Attributes, Plugin
from timonel.api.types import core_v1, storage_v1

FINALIZERS: dict[type[Any], str] = {
    core_v1.PersistentVolumeClaim: "kubernetes.io/pvc-protection",
    core_v1.PersistentVolume: "kubernetes.io/pv-protection",
    storage_v1.VolumeAttributesClass: "kubernetes.io/vac-protection",
}
"""What keeps the objects of each kind; the controllers of `master.controllers.storage_protection` take it away."""


class StorageObjectInUseProtection(Plugin):
    """New objects get the finalizer of their kind."""

    order: ClassVar[int] = 53
    kinds = frozenset(FINALIZERS)

    async def mutate(self, attributes: Attributes) -> None:
        """Put it after the client's own."""
        finalizers = attributes.object.metadata.finalizers
        finalizer = FINALIZERS[type(attributes.object)]
        if attributes.old is None and finalizer not in finalizers:
            finalizers.append(finalizer)
