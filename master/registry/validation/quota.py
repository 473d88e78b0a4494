"""The rules of resource quotas (Kubernetes' apis/core/validation), and which scopes know which resources."""

from collections.abc import Iterable, Iterator, Mapping

from master.registry.validation.resourcenames import COUNTS, OF_QUOTAS, POD_AMOUNTS, STANDARD, validate_resource_of
from timonel.api.fields import FieldError, Path, invalid, required
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

SPEC = Path("spec")
ABOUT_PODS = POD_AMOUNTS | {"pods"}
SCOPES: Mapping[str, frozenset[str]] = {
    "Terminating": ABOUT_PODS,
    "NotTerminating": ABOUT_PODS,
    "BestEffort": frozenset({"pods"}),
    "NotBestEffort": ABOUT_PODS,
    "PriorityClass": ABOUT_PODS,
    "CrossNamespacePodAffinity": ABOUT_PODS,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
"""The scopes, and the resources that each can count."""
OPPOSITES = ({"Terminating", "NotTerminating"}, {"BestEffort", "NotBestEffort"})
ONLY_EXISTS = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")


def validate_quota(spec: core_v1.ResourceQuotaSpec) -> Iterator[FieldError]:
    """Known resources in amounts that can be counted, and scopes that know them."""
    yield from validate_amounts(spec.hard, SPEC.child("hard"))
    yield from _scopes(spec.scopes, spec.hard, SPEC.child("scopes"), spec.scopes)
    if spec.scopeSelector:
        yield from _selector(spec.scopeSelector, spec.hard, SPEC.child("scopeSelector.matchExpressions"))


def validate_amounts(amounts: Mapping[str, Quantity], path: Path) -> Iterator[FieldError]:
    """What a quota says of resources, wanted or used."""
    for name, amount in amounts.items():
        at = path.key(name)
        yield from validate_resource_of("quota", OF_QUOTAS, name, at)
        if amount.amount.nanos < 0:
            yield invalid(at, amount, "must be greater than or equal to 0")
        if (name in COUNTS or name.startswith("count/")) and amount.amount.nanos % 10**9:
            yield invalid(at, amount, "must be an integer")


def _scopes(scopes: Iterable[str], hard: Iterable[str], path: Path, shown: object) -> Iterator[FieldError]:
    given = set(scopes)
    for scope in sorted(given):
        if scope not in SCOPES:
            yield invalid(path, shown, "unsupported scope")
        elif any(name in STANDARD and name not in SCOPES[scope] for name in hard):
            yield invalid(path, shown, "unsupported scope applied to resource")
    if any(pair <= given for pair in OPPOSITES):
        yield invalid(path, shown, "conflicting scopes")


def _selector(selector: core_v1.ScopeSelector, hard: Iterable[str], path: Path) -> Iterator[FieldError]:
    for need in selector.matchExpressions:
        if need.scopeName not in SCOPES:
            yield invalid(path.child("scopeName"), need.scopeName, "unsupported scope")
        if need.scopeName in ONLY_EXISTS and need.operator != "Exists":
            why = (
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                "ResourceQuotaScopeNotTerminating, "
                "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity"
            )
            yield invalid(path.child("operator"), need.operator, why)
        match need.operator:
            case "In" | "NotIn":
                if not need.values:
                    why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                    yield required(path.child("values"), why)
            case "Exists" | "DoesNotExist":
                if need.values:
                    why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                    yield invalid(path.child("values"), need.values, why)
            case other:
                yield invalid(path.child("operator"), other, "not a valid selector operator")
    named = [need.scopeName for need in selector.matchExpressions if need.scopeName in SCOPES]
    yield from _scopes(named, hard, path, selector)
