"""Secrets."""

import base64
import binascii
from collections.abc import Iterator

import msgspec

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import base64_size, immutable, keys_are_valid, unchanged
from timonel.api.fields import FieldError, Path, forbidden, invalid, required, too_long
from timonel.api.types import core_v1

MAX_SIZE = 1 << 20
OPAQUE = "Opaque"
SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
ALL_OF = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""The keys that a secret of a type must have."""
ONE_OF = {"kubernetes.io/basic-auth": ("username", "password")}
"""The keys of which a secret of a type must have one."""
JSON_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
WHEN_IMMUTABLE = "field is immutable when `immutable` is set"


@kind(core_v1.Secret, plural="secrets")
class Secrets(Strategy[core_v1.Secret]):
    """Small confidential data."""

    columns = [
        Column("Type", lambda secret: secret.type),
        Column("Data", lambda secret: len(secret.data)),
        age(),
    ]
    selectable = {"type": lambda secret: secret.type or ""}

    def default(self, obj: core_v1.Secret, old: core_v1.Secret | None) -> None:
        """Plain texts become data; nobody sees them again as texts."""
        obj.type = obj.type or OPAQUE
        for key, text in obj.stringData.items():
            obj.data[key] = base64.b64encode(text.encode()).decode()
        obj.stringData = {}

    def validate(self, obj: core_v1.Secret, old: core_v1.Secret | None) -> Iterator[FieldError]:
        """Keys are file names, values base64; a type asks for its keys and never changes."""
        path = Path("data")
        yield from keys_are_valid(path, obj.data)
        if base64_size(obj.data.values()) > MAX_SIZE:
            yield too_long(path, MAX_SIZE)
        yield from _type_rules(obj, path)
        if old:
            yield from unchanged(obj, old, "type")
        if old and old.immutable:
            if not obj.immutable:
                yield forbidden("immutable", WHEN_IMMUTABLE)
            yield from immutable(obj, old, "data", why=WHEN_IMMUTABLE)


def _type_rules(secret: core_v1.Secret, path: Path) -> Iterator[FieldError]:
    kind_of = secret.type or ""
    if kind_of == "kubernetes.io/service-account-token" and not secret.metadata.annotations.get(SERVICE_ACCOUNT):
        yield required(Path("metadata.annotations").key(SERVICE_ACCOUNT))
    for key in ALL_OF.get(kind_of, ()):
        if key not in secret.data:
            yield required(path.key(key))
    wanted = ONE_OF.get(kind_of, ())
    if wanted and not any(key in secret.data for key in wanted):
        for key in wanted:
            yield required(path.key(key))
    key = JSON_KEYS.get(kind_of, "")
    if key in secret.data:
        try:
            msgspec.json.decode(base64.b64decode(secret.data[key]))
        except (binascii.Error, msgspec.DecodeError):
            yield invalid(path.key(key), "<secret contents redacted>", "must be JSON")
