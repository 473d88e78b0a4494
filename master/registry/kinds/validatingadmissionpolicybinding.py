"""ValidatingAdmissionPolicyBindings."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.policies import (
    default_match,
    param_ref_text,
    validate_actions,
    validate_policy_binding,
)
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.ValidatingAdmissionPolicyBinding,
    plural="validatingadmissionpolicybindings",
    namespaced=False,
    categories=["api-extensions"],
)
class ValidatingAdmissionPolicyBindings(Strategy[v1.ValidatingAdmissionPolicyBinding]):
    """Where a policy holds, with which parameters, and what happens to what it refuses."""

    unconditional_update = False
    has_generation = True
    columns = [
        Column("PolicyName", lambda binding: binding.spec.policyName or ""),
        Column("ParamRef", lambda binding: param_ref_text(binding.spec.paramRef)),
        age(),
    ]

    def default(
        self, obj: v1.ValidatingAdmissionPolicyBinding, old: v1.ValidatingAdmissionPolicyBinding | None
    ) -> None:
        """See `validation.policies`."""
        if obj.spec.matchResources:
            default_match(obj.spec.matchResources)

    def validate(
        self, obj: v1.ValidatingAdmissionPolicyBinding, old: v1.ValidatingAdmissionPolicyBinding | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_policy_binding(obj.spec)
        yield from validate_actions(obj.spec.validationActions)
