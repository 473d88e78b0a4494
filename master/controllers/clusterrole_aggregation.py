"""Aggregated ClusterRoles: their rules are those of all ClusterRoles whose labels they select."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Patch
from master.controllers.controller import Key, Wake, controller, key_of
from master.controllers.view import View
from timonel.api import codec, selectors
from timonel.api.types import rbac_v1


def _aggregating(role: rbac_v1.ClusterRole, view: View) -> Iterator[Key]:
    """All that aggregate: which of them a role is, or was, part of is not asked; roles change seldom."""
    return (key_of(other) for other in view.list(rbac_v1.ClusterRole) if other.aggregationRule is not None)


@controller(rbac_v1.ClusterRole, wakes_on=[Wake(rbac_v1.ClusterRole, _aggregating)])
def clusterrole_aggregation(role: rbac_v1.ClusterRole, view: View, now: datetime) -> Iterator[Action]:
    """Gather the rules of the selected roles, in order of their names, each once."""
    if role.aggregationRule is None:
        return
    rules: list[rbac_v1.PolicyRule] = []
    for selector in role.aggregationRule.clusterRoleSelectors:
        chosen = selectors.from_struct(selector)
        for part in view.list(rbac_v1.ClusterRole):
            if part.metadata.name != role.metadata.name and chosen.matches(part.metadata.labels):
                rules += [rule for rule in part.rules if rule not in rules]
    if rules != role.rules:
        yield Patch(role, {"rules": [codec.to_dict(rule) for rule in rules]})
