"""Claims that name no class get the default one: Kubernetes' plugin DefaultStorageClass."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.kinds.storageclass import DEFAULT_ANNOTATION
from master.registry.volumeclaims import CLASS_ANNOTATION
from timonel.api.types import core_v1, storage_v1


class DefaultStorageClass(Plugin):
    """Of several default classes the newest counts, of equally old ones the first by name."""

    order: ClassVar[int] = 52
    kinds = frozenset({core_v1.PersistentVolumeClaim})

    async def mutate(self, attributes: Attributes) -> None:
        """Name the class; an empty name asks for none."""
        claim: core_v1.PersistentVolumeClaim = attributes.object
        if claim.spec.storageClassName is not None or CLASS_ANNOTATION in claim.metadata.annotations:
            return
        classes = attributes.reader.all_cached(storage_v1.StorageClass)
        defaults = [each for each in classes if each.metadata.annotations.get(DEFAULT_ANNOTATION) == "true"]
        if defaults:
            newest = max(defaults, key=lambda each: each.metadata.creationTimestamp or "")
            claim.spec.storageClassName = newest.metadata.name
