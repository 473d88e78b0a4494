"""PodDisruptionBudgets."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.validation.common import not_negative
from master.registry.validation.placement import validate_selector
from master.registry.validation.rollout import share
from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, not_supported
from timonel.api.intstr import IntOrString
from timonel.api.types import policy_v1

SPEC = Path("spec")
IF_HEALTHY = "IfHealthyBudget"
ALWAYS = "AlwaysAllow"


def _amount(value: IntOrString | None) -> str:
    return "N/A" if value is None else str(value)


@kind(policy_v1.PodDisruptionBudget, plural="poddisruptionbudgets", short=["pdb"])
class PodDisruptionBudgets(Strategy[policy_v1.PodDisruptionBudget]):
    """How many pods of an application may be taken away at a time; evictions keep to it."""

    unconditional_update = False
    has_generation = True
    columns = [
        Column("Min Available", lambda pdb: _amount(pdb.spec.minAvailable)),
        Column("Max Unavailable", lambda pdb: _amount(pdb.spec.maxUnavailable)),
        Column("Allowed Disruptions", lambda pdb: pdb.status.disruptionsAllowed, "integer"),
        age(),
    ]
    subresources = [Status()]
    validate_name = staticmethod(names.path_segment)

    def prepare_create(self, obj: policy_v1.PodDisruptionBudget, call: object) -> None:
        """Nothing may be disrupted before the controller has counted."""
        obj.status = policy_v1.PodDisruptionBudgetStatus()

    def validate(
        self, obj: policy_v1.PodDisruptionBudget, old: policy_v1.PodDisruptionBudget | None
    ) -> Iterator[FieldError]:
        """One of the two bounds, and a selector."""
        spec = obj.spec
        if spec.minAvailable is not None and spec.maxUnavailable is not None:
            yield invalid(SPEC, spec, "minAvailable and maxUnavailable cannot be both set")
        for field in ("minAvailable", "maxUnavailable"):
            value = getattr(spec, field)
            if value is not None:
                yield from share(value, SPEC.child(field), capped=True)
        if spec.selector:
            yield from validate_selector(spec.selector, SPEC.child("selector"))
        policy = spec.unhealthyPodEvictionPolicy
        if policy is not None and policy not in (ALWAYS, IF_HEALTHY):
            yield not_supported(SPEC.child("unhealthyPodEvictionPolicy"), policy, (ALWAYS, IF_HEALTHY))

    def validate_status(
        self, new: policy_v1.PodDisruptionBudget, old: policy_v1.PodDisruptionBudget
    ) -> Iterator[FieldError]:
        """Counts are counts."""
        for field in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
            yield from not_negative(Path("status").child(field), getattr(new.status, field))
