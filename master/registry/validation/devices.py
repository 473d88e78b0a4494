"""The rules of dynamic resource allocation (Kubernetes' apis/resource/validation)."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from master.registry.validation.common import is_given, is_label, is_qualified, is_subdomain, repeats
from master.registry.validation.expressions import device_expression_faults
from master.registry.validation.placement import validate_node_selector
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, invalid, not_supported, required, too_long, too_many
from timonel.api.types import resource_v1 as v1

MAX_REQUESTS = 32
MAX_CONFIGS = 32
MAX_CONSTRAINTS = 32
MAX_SELECTORS = 32
MAX_FIRST = 8
MAX_TOLERATIONS = 16
MAX_DEVICES = 128
MAX_COUNTER_SETS = 8
MAX_ATTRIBUTES = 32
LONGEST_DRIVER = 63
LONGEST_POOL = 253
LONGEST_VALUE = 64
EXACT = "ExactCount"
ALL = "All"
EFFECTS = ("NoExecute", "NoSchedule", "None")
ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
UNKNOWN_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)
ONE_REQUEST = "exactly one of `exactly` or `firstAvailable` is required"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    f"or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '{_IDENTIFIER.pattern}')"
)
_PART = r"(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(rf"(0|[1-9]\d*)(\.(0|[1-9]\d*)){{2}}(-{_PART}(\.{_PART})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")
"""A version by semver.org."""


def default_claim(claim: v1.DeviceClaim) -> None:
    """One device a request."""
    for request in claim.requests:
        if request.exactly:
            _default_request(request.exactly)
        for choice in request.firstAvailable:
            _default_request(choice)


def _default_request(request: v1.ExactDeviceRequest | v1.DeviceSubRequest) -> None:
    request.allocationMode = request.allocationMode or EXACT
    if request.allocationMode == EXACT and not request.count:
        request.count = 1
    for toleration in request.tolerations:
        toleration.operator = toleration.operator or "Equal"


def validate_claim(claim: v1.DeviceClaim, path: Path) -> Iterator[FieldError]:
    """What devices are asked for."""
    yield from _limited(claim.requests, MAX_REQUESTS, path.child("requests"))
    known: set[str] = set()
    for index, request in enumerate(claim.requests):
        at = path.child("requests").index(index)
        yield from is_label(at.child("name"), request.name)
        if request.name in known:
            yield duplicate(at, request.name)
        known.add(request.name)
        yield from _request(request, at)
    parts = {f"{request.name}/{choice.name}" for request in claim.requests for choice in request.firstAvailable}
    yield from _limited(claim.constraints, MAX_CONSTRAINTS, path.child("constraints"))
    for index, constraint in enumerate(claim.constraints):
        yield from _constraint(constraint, known | parts, path.child("constraints").index(index))
    yield from _limited(claim.config, MAX_CONFIGS, path.child("config"))
    for index, config in enumerate(claim.config):
        at = path.child("config").index(index)
        yield from _known_requests(config.requests, known | parts, at.child("requests"))
        yield from _opaque(config.opaque, at)


def _limited(items: Sequence[object], most: int, path: Path) -> Iterator[FieldError]:
    if len(items) > most:
        yield too_many(path, len(items), most)


def _request(request: v1.DeviceRequest, path: Path) -> Iterator[FieldError]:
    if request.exactly and request.firstAvailable:
        yield invalid(path, "", f"{ONE_REQUEST}, but multiple fields are set")
    elif request.exactly:
        yield from _wanted(request.exactly, path.child("exactly"))
    elif not request.firstAvailable:
        yield required(path, ONE_REQUEST)
    yield from _limited(request.firstAvailable, MAX_FIRST, path.child("firstAvailable"))
    again = repeats(choice.name for choice in request.firstAvailable)
    for index, choice in enumerate(request.firstAvailable):
        at = path.child("firstAvailable").index(index)
        yield from is_label(at.child("name"), choice.name)
        if again[index]:
            yield duplicate(at, choice.name)
        yield from _wanted(choice, at)


def _wanted(request: v1.ExactDeviceRequest | v1.DeviceSubRequest, path: Path) -> Iterator[FieldError]:
    yield from is_given(path.child("deviceClassName"), request.deviceClassName, names.subdomain)
    yield from validate_selectors(request.selectors, path.child("selectors"))
    count, at = request.count or 0, path.child("count")
    match request.allocationMode:
        case "All":
            if count:
                yield invalid(at, count, "must not be specified when allocationMode is 'All'")
        case "ExactCount":
            if count <= 0:
                yield invalid(at, count, "must be greater than zero")
        case other:
            yield not_supported(path.child("allocationMode"), other, (ALL, EXACT))
    yield from _limited(request.tolerations, MAX_TOLERATIONS, path.child("tolerations"))
    for index, toleration in enumerate(request.tolerations):
        yield from _toleration(toleration, path.child("tolerations").index(index))


def _toleration(toleration: v1.DeviceToleration, path: Path) -> Iterator[FieldError]:
    if toleration.key:
        yield from is_qualified(path.child("key"), toleration.key)
    match toleration.operator:
        case "Equal":
            for fault in names.label_value(toleration.value or ""):
                yield invalid(path.child("value"), toleration.value, fault)
            if not toleration.key:
                yield required(path.child("key"), "must not be empty for operator Equal")
        case "Exists":
            if toleration.value:
                yield invalid(path.child("value"), toleration.value, "must be empty for operator `Exists`")
        case other:
            yield not_supported(path.child("operator"), other, ("Equal", "Exists"))
    if toleration.effect and toleration.effect not in EFFECTS:
        yield not_supported(path.child("effect"), toleration.effect, EFFECTS)


def validate_selectors(selectors: Sequence[v1.DeviceSelector], path: Path) -> Iterator[FieldError]:
    """Expressions that choose devices."""
    yield from _limited(selectors, MAX_SELECTORS, path)
    for index, selector in enumerate(selectors):
        at = path.index(index).child("cel")
        if selector.cel is None:
            yield required(at)
        elif not selector.cel.expression.strip():
            yield required(at.child("expression"))
        else:
            yield from device_expression_faults(selector.cel.expression, at.child("expression"))


def _constraint(constraint: v1.DeviceConstraint, known: set[str], path: Path) -> Iterator[FieldError]:
    yield from _known_requests(constraint.requests, known, path.child("requests"))
    if constraint.matchAttribute is None and constraint.distinctAttribute is None:
        yield required(path, "exactly one of `matchAttribute` or `distinctAttribute` is required")
    for field in ("matchAttribute", "distinctAttribute"):
        name = getattr(constraint, field)
        if name is not None:
            yield from _attribute_name(name, path.child(field), with_domain=True)


def _attribute_name(name: str, path: Path, *, with_domain: bool = False) -> Iterator[FieldError]:
    """A C identifier, perhaps of a domain."""
    domain, slash, identifier = name.rpartition("/")
    if not name:
        yield required(path)
        return
    if slash:
        yield from is_subdomain(path, domain)
    elif with_domain:
        yield invalid(path, name, "must include a domain")
    if not _IDENTIFIER.fullmatch(identifier):
        yield invalid(path, identifier, IDENTIFIER)


def _known_requests(asked: Sequence[str], known: set[str], path: Path) -> Iterator[FieldError]:
    again = repeats(asked)
    for index, name in enumerate(asked):
        at = path.index(index)
        if name not in known:
            yield invalid(at, name, UNKNOWN_REQUEST)
        if again[index]:
            yield duplicate(at, name)


def _opaque(config: v1.OpaqueDeviceConfiguration | None, path: Path) -> Iterator[FieldError]:
    at = path.child("opaque")
    if config is None:
        yield required(at)
        return
    yield from is_driver(config.driver, at.child("driver"))
    if config.parameters is None:
        yield required(at.child("parameters"))
    elif not isinstance(config.parameters, dict):
        yield invalid(at.child("parameters"), "<value omitted>", "must be a valid JSON object")


def is_driver(name: str, path: Path) -> Iterator[FieldError]:
    """The text is the name of a DRA driver."""
    if not name:
        yield required(path)
        return
    if len(name) > LONGEST_DRIVER:
        yield too_long(path, LONGEST_DRIVER)
    yield from is_subdomain(path, name)


def validate_class(spec: v1.DeviceClassSpec, path: Path) -> Iterator[FieldError]:
    """Which devices are of a class, and how they are set up."""
    yield from validate_selectors(spec.selectors, path.child("selectors"))
    yield from _limited(spec.config, MAX_CONFIGS, path.child("config"))
    for index, config in enumerate(spec.config):
        yield from _opaque(config.opaque, path.child("config").index(index))
    if spec.extendedResourceName is not None:
        yield from is_qualified(path.child("extendedResourceName"), spec.extendedResourceName)


def validate_slice(spec: v1.ResourceSliceSpec, path: Path) -> Iterator[FieldError]:
    """A part of a pool, the devices in it, and from which nodes they can be used."""
    yield from is_driver(spec.driver, path.child("driver"))
    yield from _pool(spec.pool, path.child("pool"))
    yield from _place(spec, path)
    yield from _limited(spec.devices, MAX_DEVICES, path.child("devices"))
    seen: set[str] = set()
    for index, device in enumerate(spec.devices):
        at = path.child("devices").index(index)
        yield from is_label(at.child("name"), device.name)
        yield from _device(device, at)
        if device.name in seen:
            yield duplicate(at, device.name)
        seen.add(device.name)
    yield from _limited(spec.sharedCounters, MAX_COUNTER_SETS, path.child("sharedCounters"))
    for index, counters in enumerate(spec.sharedCounters):
        at = path.child("sharedCounters").index(index)
        yield from is_label(at.child("name"), counters.name)
        if not counters.counters:
            yield required(at.child("counters"))


def _pool(pool: v1.ResourcePool, path: Path) -> Iterator[FieldError]:
    at = path.child("name")
    if not pool.name:
        yield required(at)
    if len(pool.name) > LONGEST_POOL:
        yield too_long(at, LONGEST_POOL)
    for part in pool.name.split("/") if pool.name else ():
        yield from is_subdomain(at, part)
    if pool.resourceSliceCount <= 0:
        yield invalid(path.child("resourceSliceCount"), pool.resourceSliceCount, "must be greater than zero")
    if pool.generation < 0:
        yield invalid(path.child("generation"), pool.generation, "must be greater than or equal to zero")


def _place(spec: v1.ResourceSliceSpec, path: Path) -> Iterator[FieldError]:
    if spec.nodeName:
        yield from is_subdomain(path.child("nodeName"), spec.nodeName)
    elif spec.nodeName is not None:
        yield invalid(path.child("nodeName"), "", "must be either unset or set to a non-empty string")
    given = [
        field for field in ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection") if getattr(spec, field)
    ]
    if not given:
        yield required(path, ONE_PLACE)
    elif len(given) > 1:
        listed = ", ".join(f"`{field}`" for field in given)
        yield invalid(path, f"{{{listed}}}", f"{ONE_PLACE}, but multiple fields are set")
    if spec.nodeSelector:
        if len(spec.nodeSelector.nodeSelectorTerms) != 1:
            at = path.child("nodeSelector", "nodeSelectorTerms")
            yield invalid(at, len(spec.nodeSelector.nodeSelectorTerms), "must have exactly one node selector term")
        yield from validate_node_selector(spec.nodeSelector, path.child("nodeSelector"))


def _device(device: v1.Device, path: Path) -> Iterator[FieldError]:
    if len(device.attributes) + len(device.capacity) > MAX_ATTRIBUTES:
        count = len(device.attributes) + len(device.capacity)
        why = f"the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}"
        yield invalid(path, count, why)
    for name, attribute in device.attributes.items():
        at = path.child("attributes").key(name)
        yield from _attribute_name(name, at)
        yield from _attribute(attribute, at)
    for name in device.capacity:
        yield from _attribute_name(name, path.child("capacity").key(name))
    for index, taint in enumerate(device.taints):
        at = path.child("taints").index(index)
        yield from is_qualified(at.child("key"), taint.key)
        if taint.effect not in EFFECTS:
            yield not_supported(at.child("effect"), taint.effect, EFFECTS)


def _attribute(attribute: v1.DeviceAttribute, path: Path) -> Iterator[FieldError]:
    values: tuple[Any, ...] = (attribute.bool_, attribute.int_, attribute.string, attribute.version)
    given = [value for value in values if value is not None]
    if len(given) != 1:
        yield invalid(path, "", "exactly one value must be specified")
        return
    for field, value in ("string", attribute.string), ("version", attribute.version):
        if value is not None and len(value) > LONGEST_VALUE:
            yield too_long(path.child(field), LONGEST_VALUE)
    if attribute.version is not None and not _SEMVER.fullmatch(attribute.version):
        yield invalid(
            path.child("version"), attribute.version, "must be a string compatible with semver.org spec 2.0.0"
        )
