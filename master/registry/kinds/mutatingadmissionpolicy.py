"""MutatingAdmissionPolicies, which v1.35 serves as beta."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.policies import default_policy, param_kind_text, validate_mutating_policy
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1beta1 as v1beta1


@kind(
    v1beta1.MutatingAdmissionPolicy, plural="mutatingadmissionpolicies", namespaced=False, categories=["api-extensions"]
)
class MutatingAdmissionPolicies(Strategy[v1beta1.MutatingAdmissionPolicy]):
    """Expressions that change a request's object."""

    unconditional_update = False
    has_generation = True
    columns = [
        Column("Mutations", lambda policy: len(policy.spec.mutations), "integer"),
        Column("ParamKind", lambda policy: param_kind_text(policy.spec.paramKind)),
        age(),
    ]

    def default(self, obj: v1beta1.MutatingAdmissionPolicy, old: v1beta1.MutatingAdmissionPolicy | None) -> None:
        """See `validation.policies`."""
        default_policy(obj.spec)

    def validate(
        self, obj: v1beta1.MutatingAdmissionPolicy, old: v1beta1.MutatingAdmissionPolicy | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_mutating_policy(obj.spec)
