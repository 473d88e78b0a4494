"""What `kubectl get` says of role bindings (Kubernetes' printers/internalversion)."""

from collections.abc import Sequence

from master.registry.columns import Column, age
from master.registry.validation.rbac import SERVICE_ACCOUNT, AnyBinding


def _subjects(binding: AnyBinding, kind: str) -> str:
    chosen = [subject for subject in binding.subjects if subject.kind == kind]
    if kind != SERVICE_ACCOUNT:
        return ", ".join(subject.name for subject in chosen)
    return ", ".join(f"{subject.namespace or ''}/{subject.name}" for subject in chosen)


BINDING_COLUMNS: Sequence[Column[AnyBinding]] = [
    Column("Role", lambda binding: f"{binding.roleRef.kind}/{binding.roleRef.name}"),
    age(),
    Column("Users", lambda binding: _subjects(binding, "User"), priority=1),
    Column("Groups", lambda binding: _subjects(binding, "Group"), priority=1),
    Column("ServiceAccounts", lambda binding: _subjects(binding, SERVICE_ACCOUNT), priority=1),
]
