"""ValidatingAdmissionPolicies."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import StatusAlone
from master.registry.validation.policies import default_policy, param_kind_text, validate_validating_policy
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.ValidatingAdmissionPolicy, plural="validatingadmissionpolicies", namespaced=False, categories=["api-extensions"]
)
class ValidatingAdmissionPolicies(Strategy[v1.ValidatingAdmissionPolicy]):
    """Expressions that say whether a request may pass."""

    unconditional_update = False
    has_generation = True
    columns = [
        Column("Validations", lambda policy: len(policy.spec.validations), "integer"),
        Column("ParamKind", lambda policy: param_kind_text(policy.spec.paramKind)),
        age(),
    ]
    subresources = [StatusAlone()]

    def default(self, obj: v1.ValidatingAdmissionPolicy, old: v1.ValidatingAdmissionPolicy | None) -> None:
        """See `validation.policies`."""
        default_policy(obj.spec)

    def prepare_create(self, obj: v1.ValidatingAdmissionPolicy, call: object) -> None:
        """Nobody has looked at it yet."""
        obj.status = v1.ValidatingAdmissionPolicyStatus()

    def validate(
        self, obj: v1.ValidatingAdmissionPolicy, old: v1.ValidatingAdmissionPolicy | None
    ) -> Iterator[FieldError]:
        """See `validation.policies`."""
        yield from validate_validating_policy(obj.spec, obj.metadata.name or "")
