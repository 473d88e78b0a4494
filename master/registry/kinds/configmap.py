"""ConfigMaps."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import base64_size, immutable, keys_are_valid
from timonel.api.fields import FieldError, Path, forbidden, invalid, too_long
from timonel.api.types import core_v1

MAX_SIZE = 1 << 20


@kind(core_v1.ConfigMap, plural="configmaps", short=["cm"])
class ConfigMaps(Strategy[core_v1.ConfigMap]):
    """Configuration as keys and texts."""

    columns = [Column("Data", lambda cm: len(cm.data) + len(cm.binaryData)), age()]

    def validate(self, obj: core_v1.ConfigMap, old: core_v1.ConfigMap | None) -> Iterator[FieldError]:
        """Keys are file names, are not given twice, and all values together are bounded; immutable means it."""
        yield from keys_are_valid(Path("data"), obj.data)
        for key in obj.data:
            if key in obj.binaryData:
                yield invalid(Path("data").key(key), key, "duplicate of key present in binaryData")
        yield from keys_are_valid(Path("binaryData"), obj.binaryData)
        size = sum(len(value.encode()) for value in obj.data.values())
        size += base64_size(obj.binaryData.values())
        if size > MAX_SIZE:
            yield too_long(Path(""), MAX_SIZE)
        if old and old.immutable:
            if not obj.immutable:
                yield forbidden("immutable", "field is immutable when `immutable` is set")
            yield from immutable(obj, old, "data", "binaryData", why="field is immutable when `immutable` is set")
