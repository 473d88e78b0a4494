"""MutatingAdmissionPolicies, which v1.35 serves as beta."""

from collections.abc import Iterator

from master.registry.policies import Policies, policy_columns
from master.registry.strategy import kind
from master.registry.validation.policies import validate_mutating_policy
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1beta1 as v1beta1


@kind(
    v1beta1.MutatingAdmissionPolicy, plural="mutatingadmissionpolicies", namespaced=False, categories=["api-extensions"]
)
class MutatingAdmissionPolicies(Policies[v1beta1.MutatingAdmissionPolicy]):
    """Expressions that change a request's object."""

    columns = policy_columns("Mutations")

    def validate(
        self, obj: v1beta1.MutatingAdmissionPolicy, old: v1beta1.MutatingAdmissionPolicy | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_mutating_policy(obj.spec)
