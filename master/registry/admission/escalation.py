"""Nobody gives away, by roles or bindings, what they do not have themselves (Kubernetes' privilege escalation
prevention). The verbs ``escalate`` on roles and ``bind`` on the role that is bound say otherwise.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.authz.base import KnowsRules, Rules
from master.registry.authz.masters import MASTERS
from master.registry.authz.rules import EVERYTHING, described, listed, missing
from master.registry.base import Resource, Verb
from timonel.api import codec
from timonel.api.errors import NotFound
from timonel.api.gvk import GVK
from timonel.api.types import rbac_v1

_ROLES = (rbac_v1.Role, rbac_v1.ClusterRole)
_BINDINGS = (rbac_v1.RoleBinding, rbac_v1.ClusterRoleBinding)


class Escalation(Plugin):
    """Compares what a role or binding grants with what the caller holds."""

    order: ClassVar[int] = 40
    kinds = frozenset({*_ROLES, *_BINDINGS})
    operations = frozenset({Verb.CREATE, Verb.UPDATE})

    async def validate(self, attributes: Attributes) -> None:
        """Refuse a grant of more than the caller holds.

        Raises:
            Forbidden: it grants more; the message says what.
            NotFound: a binding names a role that does not exist, so that nobody can say what it grants.
        """
        call, obj = attributes.call, attributes.object
        if MASTERS in call.user.groups or (attributes.old is not None and _only_lets_go(obj, attributes.old)):
            return
        if isinstance(obj, _ROLES):
            if not attributes.may("escalate", call.resource, call.name, call.namespace):
                _hold(attributes, obj.rules)
                _hold_all_for_aggregation(attributes)
            return
        role = obj.roleRef
        where = call.namespace if role.kind == "Role" else ""
        if not attributes.may("bind", _resource(role.kind), role.name, call.namespace):
            _hold(attributes, await _rules_of(attributes, role, where))


def _hold(attributes: Attributes, granted: Iterable[rbac_v1.PolicyRule]) -> None:
    user = attributes.call.user
    held = _held(attributes)
    lacking = missing(held.rules, granted)
    if not lacking:
        return
    who = f'user "{user.name}" (groups={listed(user.groups)})'
    lines = "\n".join(described(lacking))
    problems = f"; resolution errors: [{', '.join(held.problems)}]" if held.problems else ""
    raise attributes.forbidden(f"{who} is attempting to grant RBAC permissions not currently held:\n{lines}{problems}")


def _hold_all_for_aggregation(attributes: Attributes) -> None:
    """An aggregated role may come to hold anything."""
    roles = (attributes.object, attributes.old)
    if any(isinstance(role, rbac_v1.ClusterRole) and role.aggregationRule is not None for role in roles) and missing(
        _held(attributes).rules, EVERYTHING
    ):
        raise attributes.forbidden("must have cluster-admin privileges to use an aggregationRule")


def _held(attributes: Attributes) -> Rules:
    authorizer, call = attributes.authorizer, attributes.call
    return authorizer.rules_for(call.user, call.namespace) if isinstance(authorizer, KnowsRules) else Rules()


async def _rules_of(attributes: Attributes, role: rbac_v1.RoleRef, namespace: str) -> Iterable[rbac_v1.PolicyRule]:
    kind: type[Any] = rbac_v1.Role if role.kind == "Role" else rbac_v1.ClusterRole
    found = await attributes.reader.current(kind, namespace, role.name)
    if found is None:
        raise NotFound(attributes.call.resource.group_resource, role.name)
    return list(found.rules)


def _resource(kind: str) -> Resource:
    gvk = GVK(rbac_v1.Role.gvk.group, rbac_v1.Role.gvk.version, kind)
    return Resource(gvk, f"{kind.lower()}s", kind.lower(), namespaced=kind == "Role", struct=None)


def _only_lets_go(new: Any, old: Any) -> bool:
    """Whether an update changes nothing but what the garbage collector changes: owners and finalizers."""
    held = codec.copy(new)
    held.metadata = codec.copy(old.metadata)
    same = codec.copy(new.metadata)
    same.ownerReferences, same.finalizers = old.metadata.ownerReferences, old.metadata.finalizers
    same.managedFields, same.resourceVersion = old.metadata.managedFields, old.metadata.resourceVersion
    return bool(codec.encode(held) == codec.encode(old) and codec.encode(same) == codec.encode(old.metadata))
