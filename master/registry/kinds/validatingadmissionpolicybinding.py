"""ValidatingAdmissionPolicyBindings."""

from collections.abc import Iterator

from master.registry.policies import PolicyBindings
from master.registry.strategy import kind
from master.registry.validation.policies import validate_actions, validate_policy_binding
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.ValidatingAdmissionPolicyBinding,
    plural="validatingadmissionpolicybindings",
    namespaced=False,
    categories=["api-extensions"],
)
class ValidatingAdmissionPolicyBindings(PolicyBindings[v1.ValidatingAdmissionPolicyBinding]):
    """Where a policy holds, with which parameters, and what happens to what it refuses."""

    def validate(
        self, obj: v1.ValidatingAdmissionPolicyBinding, old: v1.ValidatingAdmissionPolicyBinding | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_policy_binding(obj.spec)
        yield from validate_actions(obj.spec.validationActions)
