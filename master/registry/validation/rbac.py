"""The rules of roles and role bindings (Kubernetes' apis/rbac/validation), and what a binding's references mean."""

from collections.abc import Iterator, Sequence

from master.registry.validation.common import obeys
from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, not_supported, required
from timonel.api.types import rbac_v1

GROUP = "rbac.authorization.k8s.io"
SERVICE_ACCOUNT = "ServiceAccount"

AnyBinding = rbac_v1.RoleBinding | rbac_v1.ClusterRoleBinding


def validate_rules(rules: Sequence[rbac_v1.PolicyRule], *, namespaced: bool) -> Iterator[FieldError]:
    """Each rule is about resources or about URLs, and allows something."""
    for index, rule in enumerate(rules):
        at = Path("rules").index(index)
        if not rule.verbs:
            yield required(at.child("verbs"), "verbs must contain at least one value")
        if rule.nonResourceURLs:
            urls = at.child("nonResourceURLs")
            if namespaced:
                yield invalid(urls, rule.nonResourceURLs, "namespaced rules cannot apply to non-resource URLs")
            if rule.apiGroups or rule.resources or rule.resourceNames:
                why = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid(urls, rule.nonResourceURLs, why)
            continue
        if not rule.apiGroups:
            yield required(at.child("apiGroups"), "resource rules must supply at least one api group")
        if not rule.resources:
            yield required(at.child("resources"), "resource rules must supply at least one resource")


def default_binding(binding: AnyBinding) -> None:
    """References to roles, users and groups are to those of the RBAC group."""
    binding.roleRef.apiGroup = binding.roleRef.apiGroup or GROUP
    for subject in binding.subjects:
        if not subject.apiGroup and subject.kind in ("User", "Group"):
            subject.apiGroup = GROUP


def validate_binding(binding: AnyBinding, old: AnyBinding | None, kinds: Sequence[str]) -> Iterator[FieldError]:
    """A binding names a role of one of ``kinds``, always the same one, and subjects."""
    role, at = binding.roleRef, Path("roleRef")
    if role.apiGroup != GROUP:
        yield not_supported(at.child("apiGroup"), role.apiGroup, [GROUP])
    if role.kind not in kinds:
        yield not_supported(at.child("kind"), role.kind, kinds)
    if not role.name:
        yield required(at.child("name"))
    yield from obeys(at.child("name"), role.name, names.path_segment)
    namespaced = isinstance(binding, rbac_v1.RoleBinding)
    for index, subject in enumerate(binding.subjects):
        yield from _subject(subject, Path("subjects").index(index), namespaced=namespaced)
    if old and old.roleRef != role:
        yield invalid(at, role, "cannot change roleRef")


def _subject(subject: rbac_v1.Subject, path: Path, *, namespaced: bool) -> Iterator[FieldError]:
    if not subject.name:
        yield required(path.child("name"))
    match subject.kind:
        case "ServiceAccount":
            for fault in names.subdomain(subject.name) if subject.name else ():
                yield invalid(path.child("name"), subject.name, fault)
            if subject.apiGroup:
                yield not_supported(path.child("apiGroup"), subject.apiGroup, [""])
            if not namespaced and not subject.namespace:
                yield required(path.child("namespace"))
        case "User" | "Group":
            if subject.apiGroup != GROUP:
                yield not_supported(path.child("apiGroup"), subject.apiGroup or "", [GROUP])
        case other:
            yield not_supported(path.child("kind"), other, [SERVICE_ACCOUNT, "User", "Group"])
