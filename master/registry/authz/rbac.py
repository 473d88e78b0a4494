"""Role-based access control: what roles and their bindings allow. The words are those of Kubernetes' authorizer.

Everything is kept in memory by subject, so that a check looks at the caller's own bindings only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from master.registry.authz.base import NO_OPINION, Attributes, Decision, Rules, Verdict
from master.registry.authz.rules import CompiledRules
from master.registry.base import User
from master.registry.objects import Reader
from timonel.api.fields import quoted
from timonel.api.types import rbac_v1

SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
GROUP = rbac_v1.Role.gvk.group

AnyRole = rbac_v1.Role | rbac_v1.ClusterRole
AnyBinding = rbac_v1.RoleBinding | rbac_v1.ClusterRoleBinding

RoleKey = tuple[str, str]
"""A role's namespace, empty for ClusterRoles, and its name."""
SubjectKey = tuple[str, str, str]
"""Where a binding holds (a namespace, empty: everywhere), User or Group, and the name."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """A role that a subject has, and in which words the binding is told of."""

    role: RoleKey
    why: str


class Index:
    """Roles by their names, and bindings by their subjects."""

    def __init__(self) -> None:
        self._roles: dict[RoleKey, CompiledRules] = {}
        self._bound: dict[SubjectKey, dict[tuple[str, str], _Bound]] = {}

    def role(self, old: AnyRole | None, new: AnyRole | None) -> None:
        """Follow a change of a Role or ClusterRole."""
        if old is not None:
            self._roles.pop(_key(old), None)
        if new is not None:
            self._roles[_key(new)] = CompiledRules(new.rules)

    def binding(self, old: AnyBinding | None, new: AnyBinding | None) -> None:
        """Follow a change of a RoleBinding or ClusterRoleBinding."""
        if old is not None:
            for subject, _ in _subjects(old):
                held = self._bound.get(subject)
                if held is not None:
                    held.pop(_key(old), None)
                    if not held:
                        del self._bound[subject]
        if new is not None:
            for subject, why in _subjects(new):
                self._bound.setdefault(subject, {}).setdefault(_key(new), _Bound(role_of(new), why))

    def roles_of(self, user: User, namespace: str) -> Iterator[tuple[CompiledRules | None, _Bound]]:
        """The roles that a user has in a namespace (empty: in the cluster); None for those that do not exist."""
        for where in ("", namespace) if namespace else ("",):
            for subject in _names(user, where):
                for bound in self._bound.get(subject, _NOTHING).values():
                    yield self._roles.get(bound.role), bound

    def rules(self, role: RoleKey) -> CompiledRules | None:
        """The rules of a role; None when there is no such role."""
        return self._roles.get(role)


_NOTHING: dict[tuple[str, str], _Bound] = {}


class RBAC:
    """Allows what a role says; has no opinion on all else."""

    def __init__(self) -> None:
        self._reader: Reader | None = None
        self._index: Index | None = None

    def use(self, reader: Reader) -> None:
        """Judge by these objects."""
        self._reader = reader

    def authorize(self, asked: Attributes) -> Verdict:
        """Look for a role that allows it."""
        index = self._current()
        if index is None:
            return NO_OPINION
        absent: list[str] = []
        for rules, bound in index.roles_of(asked.user, asked.scope):
            if rules is None:
                absent.append(_absent(bound.role))
            elif _allows(rules, asked):
                return Verdict(Decision.ALLOW, f"RBAC: allowed by {bound.why}")
        return Verdict(Decision.NO_OPINION, f"RBAC: {_together(absent)}") if absent else NO_OPINION

    def rules_for(self, user: User, namespace: str) -> Rules:
        """All rules of all roles of a user."""
        index = self._current()
        if index is None:
            return Rules(problems=("the roles are not known yet",), incomplete=True)
        found = list(index.roles_of(user, namespace))
        return Rules(
            [rule for rules, _ in found if rules is not None for rule in rules.rules],
            [_absent(bound.role) for rules, bound in found if rules is None],
        )

    def _current(self) -> Index | None:
        """The index: filled at the first question, when the caches are loaded, and kept by their changes."""
        if self._index is None and self._reader is not None:
            self._index = self._follow(self._reader)
        return self._index

    def _follow(self, reader: Reader) -> Index:
        index = Index()
        kinds: Iterable[tuple[type[Any], Any]] = (
            (rbac_v1.ClusterRole, index.role),
            (rbac_v1.Role, index.role),
            (rbac_v1.ClusterRoleBinding, index.binding),
            (rbac_v1.RoleBinding, index.binding),
        )
        for kind, change in kinds:
            for obj in reader.all_cached(kind):
                change(None, obj)
            reader.on_change(kind, change)
        return index


def _allows(rules: CompiledRules, asked: Attributes) -> bool:
    resource = asked.resource
    if resource is None:
        return rules.allows_path(asked.verb, asked.path)
    return rules.allows_resource(asked.verb, resource.gvk.group, resource.plural, asked.subresource, asked.about)


def role_of(binding: AnyBinding) -> RoleKey:
    """The role that a binding refers to."""
    namespace = binding.metadata.namespace or "" if binding.roleRef.kind == "Role" else ""
    return namespace, binding.roleRef.name


def _key(obj: AnyRole | AnyBinding) -> tuple[str, str]:
    return obj.metadata.namespace or "", obj.metadata.name or ""


def _names(user: User, where: str) -> Iterator[SubjectKey]:
    yield where, "User", user.name
    for group in user.groups:
        yield where, "Group", group


def _subjects(binding: AnyBinding) -> Iterator[tuple[SubjectKey, str]]:
    """A service account is known by its user's name."""
    where = binding.metadata.namespace or ""
    for subject in binding.subjects:
        if subject.kind == "ServiceAccount":
            namespace = subject.namespace or where
            if namespace:
                name = f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{subject.name}"
                yield (where, "User", name), _describe(binding, subject, f"{subject.name}/{namespace}")
        elif subject.apiGroup == GROUP and subject.kind in ("User", "Group"):
            yield (where, subject.kind, subject.name), _describe(binding, subject, subject.name)


def _describe(binding: AnyBinding, subject: rbac_v1.Subject, who: str) -> str:
    namespace, name = _key(binding)
    shown = f"{name}/{namespace}" if namespace else name
    role = f"{binding.roleRef.kind} {quoted(binding.roleRef.name)}"
    return f"{binding.kind} {quoted(shown)} of {role} to {subject.kind} {quoted(who)}"


def _absent(role: RoleKey) -> str:
    kind = "role" if role[0] else "clusterrole"
    return f"{kind}.{GROUP} {quoted(role[1])} not found"


def _together(problems: list[str]) -> str:
    """As Kubernetes' aggregated errors read."""
    unique = list(dict.fromkeys(problems))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
