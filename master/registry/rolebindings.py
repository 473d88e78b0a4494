"""What the bindings of a namespace and of the cluster have in common."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeVar

from master.registry.columns import Column, age
from master.registry.strategy import Strategy
from master.registry.validation.rbac import SERVICE_ACCOUNT, AnyBinding, default_binding, validate_binding
from timonel.api import names
from timonel.api.fields import FieldError
from timonel.api.types import rbac_v1

B = TypeVar("B", rbac_v1.RoleBinding, rbac_v1.ClusterRoleBinding)


def _subjects(binding: AnyBinding, kind: str) -> str:
    chosen = [subject for subject in binding.subjects if subject.kind == kind]
    if kind != SERVICE_ACCOUNT:
        return ", ".join(subject.name for subject in chosen)
    return ", ".join(f"{subject.namespace or ''}/{subject.name}" for subject in chosen)


class Bindings(Strategy[B]):
    """Who has a role."""

    roles: ClassVar[Sequence[str]]
    """The kinds of what may be bound."""
    create_on_update = True
    columns = [
        Column("Role", lambda binding: f"{binding.roleRef.kind}/{binding.roleRef.name}"),
        age(),
        Column("Users", lambda binding: _subjects(binding, "User"), priority=1),
        Column("Groups", lambda binding: _subjects(binding, "Group"), priority=1),
        Column("ServiceAccounts", lambda binding: _subjects(binding, SERVICE_ACCOUNT), priority=1),
    ]
    validate_name = staticmethod(names.path_segment)

    def default(self, obj: B, old: B | None) -> None:
        """See `validation.rbac`."""
        default_binding(obj)

    def validate(self, obj: B, old: B | None) -> Iterator[FieldError]:
        """See `validation.rbac`."""
        yield from validate_binding(obj, old, self.roles)
