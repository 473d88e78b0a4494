"""ValidatingAdmissionPolicies."""

from collections.abc import Iterator

from master.registry.policies import Policies, policy_columns
from master.registry.strategy import kind
from master.registry.subresources import StatusAlone
from master.registry.validation.policies import validate_validating_policy
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.ValidatingAdmissionPolicy, plural="validatingadmissionpolicies", namespaced=False, categories=["api-extensions"]
)
class ValidatingAdmissionPolicies(Policies[v1.ValidatingAdmissionPolicy]):
    """Expressions that say whether a request may pass."""

    columns = policy_columns("Validations")
    subresources = [StatusAlone()]

    def prepare_create(self, obj: v1.ValidatingAdmissionPolicy, call: object) -> None:
        """Nobody has looked at it yet."""
        obj.status = v1.ValidatingAdmissionPolicyStatus()

    def validate(
        self, obj: v1.ValidatingAdmissionPolicy, old: v1.ValidatingAdmissionPolicy | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_validating_policy(obj.spec, obj.metadata.name or "")
