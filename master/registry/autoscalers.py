"""HorizontalPodAutoscalers between version 2 and version 1, whose annotations keep what it has no fields for.

The forms inside the annotations are Kubernetes' own (autoscaling/v1's MetricSpec and the like), so that its tools can
read them.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from timonel.api import codec
from timonel.api.errors import BadRequest
from timonel.api.types import autoscaling_v1 as v1
from timonel.api.types import autoscaling_v2 as v2

T = TypeVar("T")
Document = dict[str, Any]

PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS = PREFIX + "metrics"
CURRENT = PREFIX + "current-metrics"
CONDITIONS = PREFIX + "conditions"
BEHAVIOR = PREFIX + "behavior"
ANNOTATIONS = (METRICS, CURRENT, CONDITIONS, BEHAVIOR)


def to_v1(hpa: v2.HorizontalPodAutoscaler) -> v1.HorizontalPodAutoscaler:
    """Version 2 as version 1."""
    spec, status = hpa.spec, hpa.status
    kept = {
        METRICS: [_old_metric(codec.to_dict(metric)) for metric in spec.metrics if not _is_cpu_share(metric)],
        CURRENT: [_old_status(codec.to_dict(metric)) for metric in status.currentMetrics],
        CONDITIONS: [codec.to_dict(condition) for condition in status.conditions],
        BEHAVIOR: _old_behavior(spec.behavior) if spec.behavior else None,
    }
    metadata = codec.copy(hpa.metadata)
    metadata.annotations = {key: text for key, text in metadata.annotations.items() if key not in ANNOTATIONS}
    metadata.annotations |= {key: msgspec.json.encode(value).decode() for key, value in kept.items() if value}
    wanted = next((metric.resource for metric in spec.metrics if _is_cpu_share(metric)), None)
    used = next((metric.resource for metric in status.currentMetrics if _is_cpu_use(metric)), None)
    return v1.HorizontalPodAutoscaler(
        metadata=metadata,
        spec=v1.HorizontalPodAutoscalerSpec(
            minReplicas=spec.minReplicas,
            maxReplicas=spec.maxReplicas,
            scaleTargetRef=codec.convert(v1.CrossVersionObjectReference, codec.to_dict(spec.scaleTargetRef)),
            targetCPUUtilizationPercentage=wanted.target.averageUtilization if wanted else None,
        ),
        status=v1.HorizontalPodAutoscalerStatus(
            currentCPUUtilizationPercentage=used.current.averageUtilization if used else None,
            currentReplicas=status.currentReplicas,
            desiredReplicas=status.desiredReplicas,
            lastScaleTime=status.lastScaleTime,
            observedGeneration=status.observedGeneration,
        ),
    )


def to_v2(hpa: v1.HorizontalPodAutoscaler) -> v2.HorizontalPodAutoscaler:
    """Version 1 as version 2.

    Raises:
        BadRequest: an annotation that keeps fields of version 2 is not what it should be.
    """
    spec, status, metadata = hpa.spec, hpa.status, codec.copy(hpa.metadata)
    kept = {key: _parsed(key, metadata.annotations.pop(key)) for key in ANNOTATIONS if key in metadata.annotations}
    metrics = _each(kept, METRICS, v2.MetricSpec, _new_metric)
    current = _each(kept, CURRENT, v2.MetricStatus, _new_status)
    if spec.targetCPUUtilizationPercentage is not None:
        metrics.append(_cpu_share(spec.targetCPUUtilizationPercentage))
    if not current and status.currentCPUUtilizationPercentage is not None:
        current = [_cpu_use(status.currentCPUUtilizationPercentage)]
    behavior = (
        _fitted(BEHAVIOR, v2.HorizontalPodAutoscalerBehavior, _new_behavior(kept[BEHAVIOR]))
        if BEHAVIOR in kept
        else None
    )
    return v2.HorizontalPodAutoscaler(
        metadata=metadata,
        spec=v2.HorizontalPodAutoscalerSpec(
            minReplicas=spec.minReplicas,
            maxReplicas=spec.maxReplicas,
            scaleTargetRef=codec.convert(v2.CrossVersionObjectReference, codec.to_dict(spec.scaleTargetRef)),
            metrics=metrics,
            behavior=behavior,
        ),
        status=v2.HorizontalPodAutoscalerStatus(
            currentReplicas=status.currentReplicas,
            desiredReplicas=status.desiredReplicas,
            lastScaleTime=status.lastScaleTime,
            observedGeneration=status.observedGeneration,
            currentMetrics=current,
            conditions=_each(kept, CONDITIONS, v2.HorizontalPodAutoscalerCondition, lambda document: document),
        ),
    )


def _is_cpu_share(metric: v2.MetricSpec) -> bool:
    """Whether version 1 has a field for the metric."""
    resource = metric.resource
    return bool(
        metric.type == "Resource"
        and resource
        and resource.name == "cpu"
        and resource.target.averageUtilization is not None
    )


def _is_cpu_use(metric: v2.MetricStatus) -> bool:
    return bool(metric.type == "Resource" and metric.resource and metric.resource.name == "cpu")


def _cpu_share(percent: int) -> v2.MetricSpec:
    target = v2.MetricTarget(type="Utilization", averageUtilization=percent)
    return v2.MetricSpec(type="Resource", resource=v2.ResourceMetricSource(name="cpu", target=target))


def _cpu_use(percent: int) -> v2.MetricStatus:
    current = v2.MetricValueStatus(averageUtilization=percent)
    return v2.MetricStatus(type="Resource", resource=v2.ResourceMetricStatus(name="cpu", current=current))


# The annotations' forms


def _moved(document: Document, names: Iterable[tuple[str, str]]) -> Document:
    """What stands at the first path of each pair, put at the second."""
    moved: Document = {}
    for source, goal in names:
        value: Any = document
        for step in source.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            continue
        at = moved
        *steps, last = goal.split(".")
        for step in steps:
            at = at.setdefault(step, {})
        at[last] = value
    return moved


_METRIC = {
    "resource": [
        ("name", "name"),
        ("target.averageUtilization", "targetAverageUtilization"),
        ("target.averageValue", "targetAverageValue"),
    ],
    "containerResource": [
        ("name", "name"),
        ("container", "container"),
        ("target.averageUtilization", "targetAverageUtilization"),
        ("target.averageValue", "targetAverageValue"),
    ],
    "pods": [
        ("metric.name", "metricName"),
        ("metric.selector", "selector"),
        ("target.averageValue", "targetAverageValue"),
    ],
    "object": [
        ("describedObject", "target"),
        ("metric.name", "metricName"),
        ("metric.selector", "selector"),
        ("target.value", "targetValue"),
        ("target.averageValue", "averageValue"),
    ],
    "external": [
        ("metric.name", "metricName"),
        ("metric.selector", "metricSelector"),
        ("target.value", "targetValue"),
        ("target.averageValue", "targetAverageValue"),
    ],
}
_STATUS = {
    source: [
        (new.replace("target.", "current."), old.replace("targetA", "currentA").replace("targetV", "currentV"))
        for new, old in pairs
    ]
    for source, pairs in _METRIC.items()
}


def _old(document: Document, forms: dict[str, list[tuple[str, str]]]) -> Document:
    """A metric, or the status of one, as version 1's annotations write it."""
    found = {source: _moved(document[source], pairs) for source, pairs in forms.items() if source in document}
    return {"type": document["type"], **found}


def _new(document: Document, forms: dict[str, list[tuple[str, str]]]) -> Document:
    """The inverse of `_old`."""
    found = {
        source: _moved(document[source], [(old, new) for new, old in pairs])
        for source, pairs in forms.items()
        if isinstance(document.get(source), dict)
    }
    return {"type": document.get("type", ""), **found}


def _old_metric(document: Document) -> Document:
    return _old(document, _METRIC)


def _old_status(document: Document) -> Document:
    return _old(document, _STATUS)


def _new_metric(document: Document) -> Document:
    """Version 1 does not write a target's type: it follows from the field that is given."""
    made = _new(document, _METRIC)
    for source in made.values():
        if isinstance(source, dict):
            target = source.setdefault("target", {})
            given = [name for name in ("averageUtilization", "value", "averageValue") if name in target]
            words = {"averageUtilization": "Utilization", "value": "Value", "averageValue": "AverageValue"}
            target["type"] = words[given[0]] if given else ""
    return made


def _new_status(document: Document) -> Document:
    return _new(document, _STATUS)


def _old_behavior(behavior: v2.HorizontalPodAutoscalerBehavior) -> Document:
    """As in version 2 but for the names' first letters, which are capitals."""
    document: Document = _capital_keys(codec.to_dict(behavior), str.upper)
    return document


def _new_behavior(document: Any) -> Any:
    return _capital_keys(document, str.lower)


def _capital_keys(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_capital_keys(item, change) for item in value]
    if isinstance(value, dict):
        return {change(key[:1]) + key[1:]: _capital_keys(item, change) for key, item in value.items()}
    return value


def _parsed(key: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadRequest(f"metadata.annotations[{key}] cannot be decoded: {error}") from None


def _each(kept: Document, key: str, struct: type[T], new: Callable[[Document], Document]) -> list[T]:
    items = kept.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadRequest(f"metadata.annotations[{key}] must be a JSON list of objects")
    return [_fitted(key, struct, new(item)) for item in items]


def _fitted(key: str, struct: type[T], document: Any) -> T:
    try:
        return codec.convert(struct, document)
    except BadRequest as error:
        raise BadRequest(f"metadata.annotations[{key}]: {error.message}") from None
