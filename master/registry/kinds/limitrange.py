"""LimitRanges."""

import uuid
from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from master.registry.validation.resourcenames import OF_CONTAINERS, validate_resource_name, validate_resource_of
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, required
from timonel.api.types import core_v1

CONTAINER = "Container"
POD = "Pod"
CLAIM = "PersistentVolumeClaim"
STANDARD = (CONTAINER, POD, CLAIM)
AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


@kind(core_v1.LimitRange, plural="limitranges", short=["limits"])
class LimitRanges(Strategy[core_v1.LimitRange]):
    """How much one pod, container or claim of a namespace may ask for, and what it gets that asks for nothing."""

    create_on_update = True
    columns = [Column("Created At", lambda limits: limits.metadata.creationTimestamp or "", "date")]

    def default(self, obj: core_v1.LimitRange, old: core_v1.LimitRange | None) -> None:
        """A container's default limit is the maximum, its default request that or the minimum; any name will do."""
        if not obj.metadata.name and not obj.metadata.generateName:
            obj.metadata.name = str(uuid.uuid4())
        for item in obj.spec.limits:
            if item.type == CONTAINER:
                item.default = item.max | item.default
                item.defaultRequest = item.min | item.default | item.defaultRequest

    def validate(self, obj: core_v1.LimitRange, old: core_v1.LimitRange | None) -> Iterator[FieldError]:
        """Each type once, and amounts that agree with one another."""
        seen: set[str] = set()
        for index, item in enumerate(obj.spec.limits):
            at = Path("spec.limits").index(index)
            yield from _type(item.type, at.child("type"))
            if item.type in seen:
                yield duplicate(at.child("type"), item.type)
            seen.add(item.type)
            for field in AMOUNTS:
                if item.type != POD or not field.startswith("default"):
                    for name in getattr(item, field):
                        yield from _resource(item.type, name, at.child(field).key(name))
            if item.type == POD:
                for field in ("default", "defaultRequest"):
                    if getattr(item, field):
                        yield forbidden(at.child(field), "may not be specified when `type` is 'Pod'")
            if item.type == CLAIM and not {"storage"} & (item.min.keys() | item.max.keys()):
                why = "either minimum or maximum storage value is required, but neither was provided"
                yield required(at.child("limits"), why)
            for name in sorted(set().union(*(getattr(item, field) for field in AMOUNTS))):
                yield from _amounts(item, name, at)


def _resource(type_: str, name: str, path: Path) -> Iterator[FieldError]:
    if type_ in (POD, CONTAINER):
        return validate_resource_of("containers", OF_CONTAINERS, name, path)
    return validate_resource_name(name, path)


def _type(type_: str, path: Path) -> Iterator[FieldError]:
    faults = names.qualified(type_)
    for fault in faults:
        yield invalid(path, type_, fault)
    if not faults and "/" not in type_ and type_ not in STANDARD:
        yield invalid(path, type_, "must be a standard limit type or fully qualified")


ORDERS = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    (
        "min",
        "defaultRequest",
        "defaultRequest",
        "defaultRequest",
        "min value {} is greater than default request value {}",
    ),
    (
        "defaultRequest",
        "max",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than max value {}",
    ),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)
"""What may not be greater than what, where the fault is told, whose amount is shown, and how."""


def _amounts(item: core_v1.LimitRangeItem, name: str, path: Path) -> Iterator[FieldError]:
    for lesser, greater, where, whose, text in ORDERS:
        first, second = getattr(item, lesser).get(name), getattr(item, greater).get(name)
        if first is not None and second is not None and first.compare(second) > 0:
            yield invalid(path.child(where).key(name), getattr(item, whose)[name], text.format(first, second))
    ratio = item.maxLimitRequestRatio.get(name)
    if ratio is None:
        return
    at = path.child("maxLimitRequestRatio").key(name)
    if ratio.to_milli() < 1000:
        yield invalid(at, ratio, f"ratio {ratio} is less than 1")
    least, most = item.min.get(name), item.max.get(name)
    if least is not None and most is not None and least.amount.nanos > 0:
        widest = most.amount.nanos / least.amount.nanos
        if ratio.to_milli() / 1000 > widest:
            yield invalid(at, ratio, f"ratio {ratio} is greater than max/min = {widest:f}")
