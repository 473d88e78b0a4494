"""The rules of HorizontalPodAutoscalers (Kubernetes' apis/autoscaling/validation)."""

from collections.abc import Iterator
from typing import Any

from master.registry.validation.common import is_given, not_negative, obeys
from master.registry.validation.resourcenames import OF_CONTAINERS, validate_resource_of
from timonel.api import names
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import autoscaling_v2 as v2

SPEC = Path("spec")
SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
"""The types of metrics, and the field that tells of each."""
TARGETS = ("Utilization", "Value", "AverageValue")
LONGEST_WINDOW = 3600
LONGEST_PERIOD = 1800
BOTH_RAW = "may not set both a target raw value and a target utilization"


def validate_autoscaler(spec: v2.HorizontalPodAutoscalerSpec) -> Iterator[FieldError]:
    """The bounds, what is scaled, by which metrics, and how fast."""
    least, most = spec.minReplicas, spec.maxReplicas
    if least is not None and least < 1:
        yield invalid(SPEC.child("minReplicas"), least, "must be greater than or equal to 1")
    if least == 0 and not any(metric.object or metric.external for metric in spec.metrics):
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden(SPEC.child("metrics"), why)
    if most < 1:
        yield invalid(SPEC.child("maxReplicas"), most, "must be greater than 0")
    if least is not None and most < least:
        yield invalid(SPEC.child("maxReplicas"), most, "must be greater than or equal to `minReplicas`")
    yield from _scaled(spec.scaleTargetRef, SPEC.child("scaleTargetRef"))
    for index, metric in enumerate(spec.metrics):
        yield from _metric(metric, SPEC.child("metrics").index(index))
    if spec.behavior:
        for name in ("scaleUp", "scaleDown"):
            rules = getattr(spec.behavior, name)
            if rules:
                yield from _rules(rules, SPEC.child("behavior", name))


def validate_autoscaler_status(status: v2.HorizontalPodAutoscalerStatus) -> Iterator[FieldError]:
    """Counts are counts."""
    for field in ("currentReplicas", "desiredReplicas"):
        yield from not_negative(Path("status").child(field), getattr(status, field))


def _reference(reference: v2.CrossVersionObjectReference, path: Path) -> Iterator[FieldError]:
    for field in ("kind", "name"):
        yield from _segment(getattr(reference, field), path.child(field))


def _scaled(reference: v2.CrossVersionObjectReference, path: Path) -> Iterator[FieldError]:
    yield from _reference(reference, path)
    version = reference.apiVersion
    if version.count("/") > 1:
        yield invalid(path.child("apiVersion"), version, f"unexpected GroupVersion string: {version}")
    elif "/" not in version and version != "v1":
        yield invalid(path.child("apiVersion"), version, "apiVersion must specify API group")


def _segment(text: str, path: Path, why: str = "") -> Iterator[FieldError]:
    if not text:
        yield required(path, why)
    yield from obeys(path, text, names.path_segment)


def _metric(metric: v2.MetricSpec, path: Path) -> Iterator[FieldError]:
    if not metric.type:
        yield required(path.child("type"), "must specify a metric source type")
    if metric.type not in SOURCES:
        yield not_supported(path.child("type"), metric.type, SOURCES)
    given = [field for field in SOURCES.values() if getattr(metric, field) is not None]
    expected = SOURCES.get(metric.type, "")
    if expected and expected not in given:
        yield required(path.child(expected), "must populate information for the given metric source")
    for field in given if expected else ():
        if field != expected:
            yield forbidden(path.child(field), "must populate the given metric source only")
    for field in given:
        yield from _RULES[field](getattr(metric, field), path.child(field))


def _object(source: v2.ObjectMetricSource, path: Path) -> Iterator[FieldError]:
    yield from _reference(source.describedObject, path.child("describedObject"))
    yield from _identifier(source.metric, path.child("metric"))
    yield from _target(source.target, path.child("target"))
    if source.target.value is None and source.target.averageValue is None:
        yield required(path.child("target", "averageValue"), "must set either a target value or averageValue")


def _external(source: v2.ExternalMetricSource, path: Path) -> Iterator[FieldError]:
    yield from _identifier(source.metric, path.child("metric"))
    yield from _target(source.target, path.child("target"))
    value, average = source.target.value, source.target.averageValue
    if value is None and average is None:
        why = "must set either a target value for metric or a per-pod target"
        yield required(path.child("target", "averageValue"), why)
    if value is not None and average is not None:
        why = "may not set both a target value for metric and a per-pod target"
        yield forbidden(path.child("target", "value"), why)


def _pods(source: v2.PodsMetricSource, path: Path) -> Iterator[FieldError]:
    yield from _identifier(source.metric, path.child("metric"))
    yield from _target(source.target, path.child("target"))
    average = source.target.averageValue
    if average is None or average.amount.nanos <= 0:
        yield required(path.child("target", "averageValue"), "must specify a positive target averageValue")


def _container(source: v2.ContainerResourceMetricSource, path: Path) -> Iterator[FieldError]:
    at = path.child("container")
    if not source.name:
        yield required(path.child("name"), "must specify a resource name")
    else:
        yield from validate_resource_of("containers", OF_CONTAINERS, source.name, path.child("name"))
    yield from is_given(at, source.container, names.label, "must specify a container")
    yield from _amount(source.target, path.child("target"))


def _resource(source: v2.ResourceMetricSource, path: Path) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.child("name"), "must specify a resource name")
    yield from _amount(source.target, path.child("target"))


def _amount(target: v2.MetricTarget, at: Path) -> Iterator[FieldError]:
    yield from _target(target, at)
    if target.averageUtilization is None and target.averageValue is None:
        yield required(at.child("averageUtilization"), "must set either a target raw value or a target utilization")
    if target.averageUtilization is not None and target.averageValue is not None:
        yield forbidden(at.child("averageValue"), BOTH_RAW)


_RULES: dict[str, Any] = {
    "containerResource": _container,
    "external": _external,
    "object": _object,
    "pods": _pods,
    "resource": _resource,
}


def _identifier(metric: v2.MetricIdentifier, path: Path) -> Iterator[FieldError]:
    yield from _segment(metric.name, path.child("name"), "must specify a metric name")


def _target(target: v2.MetricTarget, path: Path) -> Iterator[FieldError]:
    if not target.type:
        yield required(path.child("type"), "must specify a metric target type")
    if target.type not in TARGETS:
        yield invalid(path.child("type"), target.type, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        amount = getattr(target, field)
        if amount is not None and amount.amount.nanos <= 0:
            yield invalid(path.child(field), amount, "must be positive")
    if target.averageUtilization is not None and target.averageUtilization < 1:
        yield invalid(path.child("averageUtilization"), target.averageUtilization, "must be greater than 0")


def _rules(rules: v2.HPAScalingRules, path: Path) -> Iterator[FieldError]:
    window = rules.stabilizationWindowSeconds
    at = path.child("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield invalid(at, window, "must be greater than or equal to zero")
    if window is not None and window > LONGEST_WINDOW:
        yield invalid(at, window, f"must be less than or equal to {LONGEST_WINDOW}")
    if rules.selectPolicy not in (None, "Max", "Min", "Disabled"):
        yield not_supported(path.child("selectPolicy"), rules.selectPolicy, ("Disabled", "Max", "Min"))
    if rules.tolerance is not None and rules.tolerance.amount.nanos < 0:
        yield invalid(path.child("tolerance"), rules.tolerance, "must be greater or equal to zero")
    if not rules.policies:
        yield required(path.child("policies"), "must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        yield from _policy(policy, path.child("policies").index(index))


def _policy(policy: v2.HPAScalingPolicy, path: Path) -> Iterator[FieldError]:
    if policy.type not in ("Pods", "Percent"):
        yield not_supported(path.child("type"), policy.type, ("Percent", "Pods"))
    for field in ("value", "periodSeconds"):
        if getattr(policy, field) <= 0:
            yield invalid(path.child(field), getattr(policy, field), "must be greater than zero")
    if policy.periodSeconds > LONGEST_PERIOD:
        why = f"must be less than or equal to {LONGEST_PERIOD}"
        yield invalid(path.child("periodSeconds"), policy.periodSeconds, why)
