"""What policies that validate and policies that mutate have in common."""

from collections.abc import Sequence
from typing import Any, TypeVar

from master.registry.columns import Column, age
from master.registry.objects import APIObject
from master.registry.strategy import Strategy
from master.registry.validation.policies import default_match, default_policy, param_kind_text, param_ref_text

P = TypeVar("P", bound=APIObject)


class Policies(Strategy[P]):
    """Expressions about requests."""

    unconditional_update = False
    has_generation = True

    def default(self, obj: Any, old: P | None) -> None:
        """See `validation.policies`."""
        default_policy(obj.spec)


def policy_columns(what: str) -> Sequence[Column[Any]]:
    """The columns of policies; ``what`` names the expressions that are counted."""
    return [
        Column(what, lambda policy: len(getattr(policy.spec, what.lower())), "integer"),
        Column("ParamKind", lambda policy: param_kind_text(policy.spec.paramKind)),
        age(),
    ]


class PolicyBindings(Strategy[P]):
    """Where policies hold, and with which parameters."""

    unconditional_update = False
    has_generation = True
    columns: Sequence[Column[Any]] = [
        Column("PolicyName", lambda binding: binding.spec.policyName),
        Column("ParamRef", lambda binding: param_ref_text(binding.spec.paramRef)),
        age(),
    ]

    def default(self, obj: Any, old: P | None) -> None:
        """See `validation.policies`."""
        if obj.spec.matchResources:
            default_match(obj.spec.matchResources)
