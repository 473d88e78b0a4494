"""MutatingAdmissionPolicyBindings, which v1.35 serves as beta."""

from collections.abc import Iterator

from master.registry.policies import PolicyBindings
from master.registry.strategy import kind
from master.registry.validation.policies import validate_policy_binding
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1beta1 as v1beta1


@kind(
    v1beta1.MutatingAdmissionPolicyBinding,
    plural="mutatingadmissionpolicybindings",
    namespaced=False,
    categories=["api-extensions"],
)
class MutatingAdmissionPolicyBindings(PolicyBindings[v1beta1.MutatingAdmissionPolicyBinding]):
    """Where a policy holds, and with which parameters."""

    def validate(
        self, obj: v1beta1.MutatingAdmissionPolicyBinding, old: v1beta1.MutatingAdmissionPolicyBinding | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_policy_binding(obj.spec)
