"""ResourceQuotas."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.validation.quota import SPEC, validate_amounts, validate_quota
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

LIMITS = "limits."
ZERO = Quantity("0")


def _amounts(quota: core_v1.ResourceQuota, *, limits: bool) -> str:
    """What is used of what may be used."""
    names = sorted(name for name in quota.status.hard if name.startswith(LIMITS) is limits)
    return ", ".join(f"{name}: {quota.status.used.get(name, ZERO)}/{quota.status.hard[name]}" for name in names)


@kind(core_v1.ResourceQuota, plural="resourcequotas", short=["quota"], shows_deleted=True)
class ResourceQuotas(Strategy[core_v1.ResourceQuota]):
    """How much of everything a namespace may have, and how much it has."""

    columns = [
        Column("Request", lambda quota: _amounts(quota, limits=False)),
        Column("Limit", lambda quota: _amounts(quota, limits=True)),
        age(),
    ]
    subresources = [Status()]

    def prepare_create(self, obj: core_v1.ResourceQuota, call: object) -> None:
        """Nothing is counted yet."""
        obj.status = core_v1.ResourceQuotaStatus()

    def validate(self, obj: core_v1.ResourceQuota, old: core_v1.ResourceQuota | None) -> Iterator[FieldError]:
        """See `validation.quota`; the scopes stay."""
        yield from validate_quota(obj.spec)
        if old and set(old.spec.scopes) != set(obj.spec.scopes):
            yield invalid(SPEC.child("scopes"), obj.spec.scopes, "field is immutable")

    def validate_status(self, new: core_v1.ResourceQuota, old: core_v1.ResourceQuota) -> Iterator[FieldError]:
        """Amounts are amounts."""
        for field in ("hard", "used"):
            yield from validate_amounts(getattr(new.status, field), Path("status").child(field))
