"""Pods, containers and claims keep to the limit ranges of their namespace: Kubernetes' plugin LimitRanger."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.base import Verb
from master.registry.kinds.limitrange import CLAIM, CONTAINER, POD
from master.registry.podamounts import LIMITS, REQUESTS, asked, container_totals
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

RESIZE = "resize"
ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = Mapping[str, Quantity]


class LimitRanger(Plugin):
    """Fills in what containers do not say, and refuses what is too little or too much."""

    order: ClassVar[int] = 55
    kinds = frozenset({core_v1.Pod, core_v1.PersistentVolumeClaim})
    operations = frozenset({Verb.CREATE, Verb.UPDATE})

    def sees(self, attributes: Attributes) -> bool:
        """A resize too."""
        return attributes.call.subresource in ("", RESIZE) and self._sees_kind(attributes)

    async def mutate(self, attributes: Attributes) -> None:
        """A new pod's containers get the defaults, which are told of in an annotation."""
        if not isinstance(attributes.object, core_v1.Pod) or attributes.old is not None:
            return
        for limits in _ranges(attributes):
            put_defaults(attributes.object, limits)

    async def validate(self, attributes: Attributes) -> None:
        """Judge new and resized pods, and claims, which may grow.

        Raises:
            Forbidden: naming all that is wrong by the first limit range that is broken.
        """
        obj = attributes.object
        if isinstance(obj, core_v1.Pod) and attributes.old is not None and attributes.call.subresource != RESIZE:
            return
        for limits in _ranges(attributes):
            faults = list(pod_faults(obj, limits) if isinstance(obj, core_v1.Pod) else claim_faults(obj, limits))
            if faults:
                raise attributes.forbidden(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


def _ranges(attributes: Attributes) -> list[core_v1.LimitRange]:
    return list(attributes.reader.all_cached(core_v1.LimitRange, attributes.call.namespace))


def put_defaults(pod: core_v1.Pod, limits: core_v1.LimitRange) -> None:
    """Give containers the default requests and limits of what they do not mention."""
    requests: dict[str, Quantity] = {}
    most: dict[str, Quantity] = {}
    for item in limits.spec.limits:
        if item.type == CONTAINER:
            requests |= item.defaultRequest
            most |= item.default
    told = [text for container in pod.spec.containers for text in _put(container, requests, most, "container")]
    told += [text for each in pod.spec.initContainers for text in _put(each, requests, most, "init container")]
    if told:
        pod.metadata.annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"


def _put(container: core_v1.Container, requests: Amounts, limits: Amounts, what: str) -> Iterator[str]:
    new_requests = {name: amount for name, amount in requests.items() if name not in asked(container, REQUESTS)}
    new_limits = {name: amount for name, amount in limits.items() if name not in asked(container, LIMITS)}
    if not new_requests and not new_limits:
        return
    resources = container.resources
    resources.requests, resources.limits = resources.requests | new_requests, resources.limits | new_limits
    if new_requests:
        yield f"{', '.join(sorted(new_requests))} request for {what} {container.name}"
    if new_limits:
        yield f"{', '.join(sorted(new_limits))} limit for {what} {container.name}"


def pod_faults(pod: core_v1.Pod, limits: core_v1.LimitRange) -> Iterator[str]:
    """What is wrong with a pod, in Kubernetes' words."""
    for item in limits.spec.limits:
        if item.type == CONTAINER:
            for container in (*pod.spec.containers, *pod.spec.initContainers):
                yield from _faults(item, asked(container, REQUESTS), asked(container, LIMITS), RULES)
        if item.type == POD:
            requests, most = container_totals(pod.spec, REQUESTS), container_totals(pod.spec, LIMITS)
            yield from _faults(item, requests, most, RULES)


def claim_faults(claim: core_v1.PersistentVolumeClaim, limits: core_v1.LimitRange) -> Iterator[str]:
    """What is wrong with a claim; claims have no limits of their own."""
    requests = claim.spec.resources.requests
    for item in limits.spec.limits:
        if item.type == CLAIM:
            yield from _faults(item, requests, {}, CLAIM_RULES)


def _minimum(name: str, type_: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    rule = f"minimum {name} usage per {type_} is {bound}"
    if request is None:
        return f"{rule}.  No request is specified"
    if request.compare(bound) < 0:
        return f"{rule}, but request is {request}"
    return f"{rule}, but limit is {limit}" if limit is not None and limit.compare(bound) < 0 else ""


def _maximum(name: str, type_: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    rule = f"maximum {name} usage per {type_} is {bound}"
    if limit is None:
        return f"{rule}.  No limit is specified"
    if limit.compare(bound) > 0:
        return f"{rule}, but limit is {limit}"
    return f"{rule}, but request is {request}" if request is not None and request.compare(bound) > 0 else ""


def _claim_maximum(name: str, type_: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    rule = f"maximum {name} usage per {type_} is {bound}"
    if request is None:
        return f"{rule}.  No request is specified"
    return f"{rule}, but request is {request}" if request.compare(bound) > 0 else ""


def _ratio(name: str, type_: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    rule = f"{name} max limit to request ratio per {type_} is {bound}"
    if request is None or not request.amount.nanos:
        return f"{rule}, but no request is specified or request is 0"
    if limit is None or not limit.amount.nanos:
        return f"{rule}, but no limit is specified or limit is 0"
    if limit.amount.nanos * 1000 <= bound.to_milli() * request.amount.nanos:
        return ""
    return f"{rule}, but provided ratio is {limit.amount.nanos / request.amount.nanos:f}"


Rule = Callable[[str, str, Quantity, Quantity | None, Quantity | None], str]
RULES: Sequence[tuple[str, Rule]] = (("min", _minimum), ("max", _maximum), ("maxLimitRequestRatio", _ratio))
CLAIM_RULES: Sequence[tuple[str, Rule]] = (("min", _minimum), ("max", _claim_maximum))


def _faults(
    item: core_v1.LimitRangeItem, requests: Amounts, limits: Amounts, rules: Sequence[tuple[str, Rule]]
) -> Iterator[str]:
    """What an item's rules say of one container, pod or claim."""
    for field, rule in rules:
        bounds: Amounts = getattr(item, field)
        for name, bound in sorted(bounds.items()):
            fault = rule(name, item.type, bound, requests.get(name), limits.get(name))
            if fault:
                yield fault
