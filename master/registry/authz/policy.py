"""The objects of the default roles and their bindings, made from the table in `default_roles`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from master.registry.authz.default_roles import DEFAULT_ROLES
from timonel.api.types import meta_v1, rbac_v1
from timonel.api.types.rbac_v1 import AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""The annotation of what is brought up to date at each start; "false" keeps it as it is."""
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
CONTROLLER_PREFIX = "system:controller:"

_BINDING_NAMES = {"extension-apiserver-authentication-reader": "system::extension-apiserver-authentication-reader"}
"""The bindings that are not named as their roles."""
_NOBODY = "nobody"

Default = ClusterRole | Role | ClusterRoleBinding | RoleBinding


@dataclass(slots=True)
class _Entry:
    """One role of the table."""

    namespace: str
    name: str
    into: str
    subjects: str
    """Separated by commas; empty: it is not bound."""
    rules: list[PolicyRule] = field(default_factory=list)


def defaults() -> list[Default]:
    """The default roles, each before its binding if it has one."""
    return [obj for entry in _entries(DEFAULT_ROLES) for obj in _objects(entry)]


def rules_of(name: str) -> list[PolicyRule]:
    """The rules of a default ClusterRole."""
    return next(entry.rules for entry in _entries(DEFAULT_ROLES) if entry.name == name)


def _entries(table: str) -> list[_Entry]:
    entries: list[_Entry] = []
    for line in re.sub(r"\n {4}", "", table).strip().splitlines():
        if line.startswith(" "):
            entries[-1].rules.append(_rule(line.split()))
        else:
            title, _, subjects = line.partition(" for ")
            where, _, into = title.partition(" into ")
            namespace, _, name = where.rpartition("/")
            account = f"ServiceAccount kube-system:{name.removeprefix(CONTROLLER_PREFIX)}"
            implied = account if name.startswith(CONTROLLER_PREFIX) else ""
            entries.append(_Entry(namespace, name, into, subjects or implied))
    return entries


def _rule(columns: Sequence[str]) -> PolicyRule:
    verbs, *rest = (column.split(",") for column in columns)
    if len(rest) == 1:
        return PolicyRule(verbs=verbs, nonResourceURLs=rest[0])
    groups = ["" if group == "core" else group for group in rest[0]]
    return PolicyRule(verbs=verbs, apiGroups=groups, resources=rest[1], resourceNames=rest[2] if rest[2:] else [])


def _objects(entry: _Entry) -> Iterator[Default]:
    labels = {f"{AGGREGATE}{entry.into}": "true"} if entry.into else {}
    metadata = _meta(entry.namespace, entry.name, labels)
    if entry.namespace:
        yield Role(metadata=metadata, rules=entry.rules)
    elif entry.rules:
        yield ClusterRole(metadata=metadata, rules=entry.rules)
    else:
        selector = meta_v1.LabelSelector(matchLabels={f"{AGGREGATE}{entry.name}": "true"})
        yield ClusterRole(metadata=metadata, aggregationRule=AggregationRule(clusterRoleSelectors=[selector]))
    if entry.subjects:
        role, binding = (Role, RoleBinding) if entry.namespace else (ClusterRole, ClusterRoleBinding)
        reference = rbac_v1.RoleRef(apiGroup=role.gvk.group, kind=role.gvk.kind, name=entry.name)
        metadata = _meta(entry.namespace, _BINDING_NAMES.get(entry.name, entry.name), {})
        yield binding(metadata=metadata, roleRef=reference, subjects=list(_subjects(entry.subjects)))


def _meta(namespace: str, name: str, labels: Mapping[str, str]) -> meta_v1.ObjectMeta:
    return meta_v1.ObjectMeta(
        name=name, namespace=namespace, labels={**LABELS, **labels}, annotations={AUTOUPDATE: "true"}
    )


def _subjects(text: str) -> Iterator[rbac_v1.Subject]:
    """Subjects written as ``User name``, ``Group name`` or ``ServiceAccount namespace:name``."""
    for subject in text.split(",") if text != _NOBODY else ():
        kind, name = subject.split()
        if kind == "ServiceAccount":
            namespace, name = name.split(":")
            yield rbac_v1.Subject(kind=kind, name=name, namespace=namespace)
        else:
            yield rbac_v1.Subject(kind=kind, name=name, apiGroup=Role.gvk.group)
