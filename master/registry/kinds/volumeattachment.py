"""VolumeAttachments."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import StatusAlone
from master.registry.validation.common import is_subdomain, unchanged
from master.registry.validation.storage import is_driver
from timonel.api.fields import FieldError, Path, required
from timonel.api.types import storage_v1

SPEC = Path("spec")
ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


@kind(storage_v1.VolumeAttachment, plural="volumeattachments", namespaced=False, shows_deleted=True)
class VolumeAttachments(Strategy[storage_v1.VolumeAttachment]):
    """That a volume is to be attached to a node, and whether it is."""

    unconditional_update = False
    columns = [
        Column("Attacher", lambda attachment: attachment.spec.attacher),
        Column("PV", lambda attachment: attachment.spec.source.persistentVolumeName or ""),
        Column("Node", lambda attachment: attachment.spec.nodeName),
        Column("Attached", lambda attachment: attachment.status.attached, "boolean"),
        age(),
    ]
    subresources = [StatusAlone()]

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
        source, path = obj.spec.source, SPEC.child("source")
        if (source.inlineVolumeSpec is None) is (source.persistentVolumeName is None):
            yield required(path, ONE_SOURCE)
        elif source.persistentVolumeName is not None:
            at = path.child("persistentVolumeName")
            if not source.persistentVolumeName:
                yield required(at, "must specify non empty persistentVolumeName")
            yield from is_subdomain(at, source.persistentVolumeName)
        yield from is_subdomain(SPEC.child("nodeName"), obj.spec.nodeName)
        if old:
            yield from unchanged(obj, old, "spec")
