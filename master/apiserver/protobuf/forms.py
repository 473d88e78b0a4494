"""The forms of meta.k8s.io that objects can be asked for in and that have a protobuf encoding."""

import msgspec

from timonel.api.struct import Struct
from timonel.api.types import meta_v1

SCHEMA_PREFIX = meta_v1.SCHEMA_PREFIX
GROUP = "meta.k8s.io"


class PartialObjectMetadata(Struct, kw_only=True):
    """An object's metadata."""

    metadata: meta_v1.ObjectMeta = msgspec.field(default_factory=meta_v1.ObjectMeta)


class PartialObjectMetadataList(Struct, kw_only=True):
    """The metadata of many objects."""

    metadata: meta_v1.ListMeta = msgspec.field(default_factory=meta_v1.ListMeta)
    items: list[PartialObjectMetadata] = msgspec.field(default_factory=list)


FORMS: dict[str, type[Struct]] = {form.__name__: form for form in (PartialObjectMetadata, PartialObjectMetadataList)}
