"""VolumeAttachments."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.validation.common import is_subdomain, unchanged
from master.registry.validation.storage import is_driver
from timonel.api.fields import FieldError, Path, required
from timonel.api.types import storage_v1

SPEC = Path("spec")
ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


@kind(storage_v1.VolumeAttachment, plural="volumeattachments", namespaced=False, shows_deleted=True)
class VolumeAttachments(Strategy[storage_v1.VolumeAttachment]):
    """That a volume is to be attached to a node, and whether it is."""

    columns = [
        Column("Attacher", lambda attachment: attachment.spec.attacher),
        Column("PV", lambda attachment: attachment.spec.source.persistentVolumeName or ""),
        Column("Node", lambda attachment: attachment.spec.nodeName),
        Column("Attached", lambda attachment: attachment.status.attached, "boolean"),
        age(),
    ]
    subresources = [Status()]

    def prepare_create(self, obj: storage_v1.VolumeAttachment, call: object) -> None:
        """It is not attached yet."""
        obj.status = storage_v1.VolumeAttachmentStatus()

    def validate(
        self, obj: storage_v1.VolumeAttachment, old: storage_v1.VolumeAttachment | None
    ) -> Iterator[FieldError]:
        """By whom, what, where; all of that stays."""
        if not obj.spec.attacher:
            yield required(SPEC.child("attacher"))
        yield from is_driver(SPEC.child("attacher"), obj.spec.attacher)
        yield from is_subdomain(SPEC.child("nodeName"), obj.spec.nodeName)
        source = obj.spec.source
        if (source.inlineVolumeSpec is None) is (not source.persistentVolumeName):
            yield required(SPEC.child("source"), ONE_SOURCE)
        elif source.persistentVolumeName:
            yield from is_subdomain(SPEC.child("source", "persistentVolumeName"), source.persistentVolumeName)
        if old:
            yield from unchanged(obj, old, "spec")
