"""ResourceClaims."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import StatusAlone
from master.registry.validation.common import unchanged
from master.registry.validation.devices import default_claim, validate_claim
from timonel.api.fields import FieldError, Path, duplicate, forbidden, required, too_many
from timonel.api.types import resource_v1 as v1

MAX_CONSUMERS = 256


def _state(claim: v1.ResourceClaim) -> str:
    words = ["deleted"] if claim.metadata.deletionTimestamp else []
    if claim.status.allocation is None:
        return ",".join(words) or "pending"
    words.append("allocated")
    if claim.status.reservedFor:
        words.append("reserved")
    return ",".join(words)


@kind(v1.ResourceClaim, plural="resourceclaims", shows_deleted=True)
class ResourceClaims(Strategy[v1.ResourceClaim]):
    """Devices that pods ask for, and which they got."""

    columns = [Column("State", _state), age()]
    subresources = [StatusAlone()]

    def default(self, obj: v1.ResourceClaim, old: v1.ResourceClaim | None) -> None:
        """See `validation.devices`."""
        default_claim(obj.spec.devices)

    def prepare_create(self, obj: v1.ResourceClaim, call: object) -> None:
        """Nothing is allocated yet."""
        obj.status = v1.ResourceClaimStatus()

    def validate(self, obj: v1.ResourceClaim, old: v1.ResourceClaim | None) -> Iterator[FieldError]:
        """See `validation.devices`; the spec stays."""
        if old:
            yield from unchanged(obj, old, "spec")
        else:
            yield from validate_claim(obj.spec.devices, Path("spec.devices"))

    def validate_status(self, new: v1.ResourceClaim, old: v1.ResourceClaim) -> Iterator[FieldError]:
        """Who uses the claim is known; what is allocated stays while somebody does."""
        status, path = new.status, Path("status")
        at = path.child("reservedFor")
        if len(status.reservedFor) > MAX_CONSUMERS:
            yield too_many(at, len(status.reservedFor), MAX_CONSUMERS)
        seen: set[str] = set()
        for index, consumer in enumerate(status.reservedFor):
            for field in ("resource", "name", "uid"):
                if not getattr(consumer, field):
                    yield required(at.index(index).child(field))
            if consumer.uid in seen:
                yield duplicate(at.index(index).child("uid"), consumer.uid)
            seen.add(consumer.uid)
        if status.reservedFor and status.allocation is None:
            yield forbidden(at, "may not be specified when `allocated` is not set")
        if old.status.allocation and status.allocation:
            yield from unchanged(status, old.status, "allocation", path=path)
