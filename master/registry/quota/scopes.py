"""Which objects a quota's scopes choose."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from timonel.api.podresources import qos_class
from timonel.api.types import core_v1

BEST_EFFORT = "BestEffort"
EXISTS = "Exists"


def in_scope(spec: core_v1.ResourceQuotaSpec, obj: Any) -> bool:
    """Whether the quota counts an object: all of its scopes must choose it, and kinds that a scope does not know are
    not counted.
    """
    needs = [core_v1.ScopedResourceSelectorRequirement(scopeName=scope, operator=EXISTS) for scope in spec.scopes]
    needs += spec.scopeSelector.matchExpressions if spec.scopeSelector else []
    return all(_chosen(need, obj) for need in needs)


def _chosen(need: core_v1.ScopedResourceSelectorRequirement, obj: Any) -> bool:
    if isinstance(obj, core_v1.Pod):
        if need.scopeName == "PriorityClass":
            return _matches(need, obj.spec.priorityClassName)
        return need.scopeName in POD_SCOPES and POD_SCOPES[need.scopeName](obj.spec)
    if isinstance(obj, core_v1.PersistentVolumeClaim) and need.scopeName == "VolumeAttributesClass":
        return _matches(need, obj.spec.volumeAttributesClassName or "")
    return False


def _matches(need: core_v1.ScopedResourceSelectorRequirement, value: str) -> bool:
    match need.operator:
        case "In":
            return value in need.values
        case "NotIn":
            return value not in need.values
        case "DoesNotExist":
            return not value
        case _:
            return bool(value)


def _is_terminating(spec: core_v1.PodSpec) -> bool:
    return spec.activeDeadlineSeconds is not None


def _is_best_effort(spec: core_v1.PodSpec) -> bool:
    return qos_class(spec) == BEST_EFFORT


def _crosses_namespaces(spec: core_v1.PodSpec) -> bool:
    """Whether an affinity looks at pods of other namespaces."""
    affinity = spec.affinity or core_v1.Affinity()
    terms: list[core_v1.PodAffinityTerm] = []
    sides: Sequence[core_v1.PodAffinity | core_v1.PodAntiAffinity | None]
    sides = (affinity.podAffinity, affinity.podAntiAffinity)
    for side in sides:
        if side:
            terms += side.requiredDuringSchedulingIgnoredDuringExecution
            terms += [term.podAffinityTerm for term in side.preferredDuringSchedulingIgnoredDuringExecution]
    return any(term.namespaces or term.namespaceSelector is not None for term in terms)


POD_SCOPES: Mapping[str, Callable[[core_v1.PodSpec], bool]] = {
    "Terminating": _is_terminating,
    "NotTerminating": lambda spec: not _is_terminating(spec),
    BEST_EFFORT: _is_best_effort,
    "NotBestEffort": lambda spec: not _is_best_effort(spec),
    "CrossNamespacePodAffinity": _crosses_namespaces,
}
