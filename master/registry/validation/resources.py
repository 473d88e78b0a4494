"""The rules of how much pods and containers ask for, and of the devices they claim."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from master.registry.podamounts import asked, container_totals
from master.registry.validation.common import is_given, is_label, is_subdomain
from master.registry.validation.resourcenames import OF_CONTAINERS, validate_resource_name, validate_resource_of
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_found, required
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

HUGE = "hugepages-"
EITHER_CLAIM = ("resourceClaimName", "resourceClaimTemplateName")


def validate_resources(
    resources: core_v1.ResourceRequirements, path: Path, claims: Collection[str] = ()
) -> Iterator[FieldError]:
    """Limits and requests: known resources, amounts that are not negative, no request above its limit."""
    for name, limit in resources.limits.items():
        yield from validate_resource_of("containers", OF_CONTAINERS, name, path.child("limits").key(name))
        yield from _amount(name, limit, path.child("limits"))
        yield from _pages(name, limit, path.child("limits"))
    for name, request in resources.requests.items():
        yield from validate_resource_of("containers", OF_CONTAINERS, name, path.child("requests").key(name))
        yield from _amount(name, request, path.child("requests"))
        yield from _within(name, request, resources.limits.get(name), path)
        yield from _pages(name, request, path.child("requests"))
    asked_for = {*resources.limits, *resources.requests}
    if any(name.startswith(HUGE) for name in asked_for) and not asked_for & {"cpu", "memory"}:
        yield forbidden(path, "HugePages require cpu or memory")
    yield from _claimed(resources.claims, claims, path.child("claims"))


def validate_pod_resources(spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    """What a pod asks for as a whole, which is enough for its containers."""
    whole = spec.resources or core_v1.ResourceRequirements()
    for field in ("limits", "requests"):
        for name, amount in getattr(whole, field).items():
            yield from validate_resource_name(name, path.child(field).key(name))
            yield from _amount(name, amount, path.child(field))
            yield from _pages(name, amount, path.child(field))
            if field == "requests":
                yield from _within(name, amount, whole.limits.get(name), path)
    for name, total in container_totals(spec, "requests").items():
        given = whole.requests.get(name)
        if given and total.compare(given) > 0:
            why = f"must be greater than or equal to aggregate container requests of {total}"
            yield invalid(path.child("requests").key(name), given, why)
    for index, container in enumerate(spec.containers):
        for name, limit in asked(container, "limits").items():
            most = whole.limits.get(name)
            if most and limit.compare(most) > 0:
                at = path.child("containers").index(index).key(name).child("limits")
                yield invalid(at, limit, f"must be less than or equal to pod limits of {most}")


def validate_totals(amounts: Mapping[str, Quantity], path: Path) -> Iterator[FieldError]:
    """A list of resource amounts, as overhead is."""
    for name, amount in amounts.items():
        yield from validate_resource_of("containers", OF_CONTAINERS, name, path.key(name))
        yield from _amount(name, amount, path)


def _amount(name: str, amount: Quantity, path: Path) -> Iterator[FieldError]:
    nanos = amount.amount.nanos
    if nanos < 0:
        yield invalid(path.key(name), amount, "must be greater than or equal to 0")
    if "/" in name and nanos % 10**9:
        yield invalid(path.key(name), amount, "must be an integer")


def _pages(name: str, amount: Quantity, path: Path) -> Iterator[FieldError]:
    """Huge pages come whole."""
    if name.startswith(HUGE):
        size = Quantity(name.removeprefix(HUGE)).amount.nanos
        if amount.amount.nanos % size:
            yield invalid(path.key(name), amount, f"{amount} is not positive integer multiple of {name}")


def _within(name: str, request: Quantity, limit: Quantity | None, path: Path) -> Iterator[FieldError]:
    exact = "/" in name or name.startswith(HUGE)
    if limit is None:
        if exact:
            yield required(path.child("limits"), "Limit must be set for non overcommitable resources")
    elif exact and request.compare(limit) != 0:
        yield invalid(path.child("requests"), request, f"must be equal to {name} limit of {limit}")
    elif request.compare(limit) > 0:
        yield invalid(path.child("requests"), request, f"must be less than or equal to {name} limit of {limit}")


def _claimed(claims: Sequence[core_v1.ResourceClaim], known: Collection[str], path: Path) -> Iterator[FieldError]:
    """A container's claims are among the pod's."""
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = path.index(index)
        if not claim.name:
            yield required(at)
            continue
        if claim.request:
            yield from is_label(at.child("request"), claim.request)
        both = f"{claim.name}/{claim.request}" if claim.request else claim.name
        if both in seen:
            yield duplicate(at, both)
        seen.add(both)
        if claim.name not in known:
            names = f": {', '.join(sorted(known))}" if known else " which is empty"
            yield not_found(at, claim.name, f"must be one of the names in pod.spec.resourceClaims{names}")


def validate_pod_claims(claims: Sequence[core_v1.PodResourceClaim], path: Path) -> Iterator[FieldError]:
    """The claims that a pod's containers share: each has a name, and is there or made from a template."""
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at = path.index(index)
        yield from is_given(at.child("name"), claim.name, names.label)
        if claim.name in seen:
            yield duplicate(at.child("name"), claim.name)
        seen.add(claim.name)
        given = [field for field in EITHER_CLAIM if getattr(claim, field) is not None]
        if len(given) != 1:
            shown = {field[0].upper() + field[1:]: getattr(claim, field) for field in ("name", *EITHER_CLAIM)}
            either = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            neither = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            yield invalid(at, shown, either if given else neither)
        for field in given:
            yield from is_subdomain(at.child(field), getattr(claim, field))
