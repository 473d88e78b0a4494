"""MutatingAdmissionPolicyBindings, which v1.35 serves as beta."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.policies import default_match, param_ref_text, validate_policy_binding
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1beta1 as v1beta1


@kind(
    v1beta1.MutatingAdmissionPolicyBinding,
    plural="mutatingadmissionpolicybindings",
    namespaced=False,
    categories=["api-extensions"],
)
class MutatingAdmissionPolicyBindings(Strategy[v1beta1.MutatingAdmissionPolicyBinding]):
    """Where a policy holds, and with which parameters."""

    unconditional_update = False
    has_generation = True
    columns = [
        Column("PolicyName", lambda binding: binding.spec.policyName or ""),
        Column("ParamRef", lambda binding: param_ref_text(binding.spec.paramRef)),
        age(),
    ]

    def default(
        self, obj: v1beta1.MutatingAdmissionPolicyBinding, old: v1beta1.MutatingAdmissionPolicyBinding | None
    ) -> None:
        """See `validation.policies`."""
        if obj.spec.matchResources:
            default_match(obj.spec.matchResources)

    def validate(
        self, obj: v1beta1.MutatingAdmissionPolicyBinding, old: v1beta1.MutatingAdmissionPolicyBinding | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_policy_binding(obj.spec)
