"""Leases."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import not_negative, positive
from timonel.api.fields import FieldError, Path
from timonel.api.types import coordination_v1

SPEC = Path("spec")


@kind(coordination_v1.Lease, plural="leases")
class Leases(Strategy[coordination_v1.Lease]):
    """Who holds something, and since when it has not been heard of."""

    create_on_update = True
    unconditional_update = False
    columns = [Column("Holder", lambda lease: lease.spec.holderIdentity or ""), age()]

    def default(self, obj: coordination_v1.Lease, old: coordination_v1.Lease | None) -> None:
        """Nobody elects leaders for others (Kubernetes' feature CoordinatedLeaderElection, off by default)."""
        obj.spec.strategy = obj.spec.preferredHolder = None

    def validate(self, obj: coordination_v1.Lease, old: coordination_v1.Lease | None) -> Iterator[FieldError]:
        """Durations are positive, transitions are counted."""
        yield from positive(SPEC.child("leaseDurationSeconds"), obj.spec.leaseDurationSeconds)
        yield from not_negative(SPEC.child("leaseTransitions"), obj.spec.leaseTransitions)
