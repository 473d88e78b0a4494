"""IPAddresses."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from master.registry.validation.addresses import is_canonical_address
from master.registry.validation.common import is_subdomain, obeys, unchanged
from timonel.api import names
from timonel.api.fields import FieldError, Path, required
from timonel.api.types import networking_v1

SPEC = Path("spec")


def _parent(address: networking_v1.IPAddress) -> str:
    parent = address.spec.parentRef or networking_v1.ParentReference()
    resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
    return "/".join(part for part in (resource, parent.namespace, parent.name) if part)


@kind(networking_v1.IPAddress, plural="ipaddresses", short=["ip"], namespaced=False)
class IPAddresses(Strategy[networking_v1.IPAddress]):
    """Whose an address is; the address is the name."""

    columns = [Column("ParentRef", _parent)]

    def validate(self, obj: networking_v1.IPAddress, old: networking_v1.IPAddress | None) -> Iterator[FieldError]:
        """A name that is an address, and an owner that stays."""
        parent, path = obj.spec.parentRef, SPEC.child("parentRef")
        if obj.metadata.name:
            yield from is_canonical_address(Path("metadata.name"), obj.metadata.name)
        if parent is None:
            yield required(path)
        else:
            yield from _parent_faults(parent, path)
        if old:
            yield from unchanged(obj.spec, old.spec, "parentRef", path=SPEC)

    def validate_name(self, name: str) -> list[str]:
        """See `validate`."""
        return []


def _parent_faults(parent: networking_v1.ParentReference, path: Path) -> Iterator[FieldError]:
    if parent.group:
        yield from is_subdomain(path.child("group"), parent.group)
    for field in ("resource", "name", "namespace"):
        text = getattr(parent, field)
        if not text and field != "namespace":
            yield required(path.child(field))
        yield from obeys(path.child(field), text, names.path_segment)
