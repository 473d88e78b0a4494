"""HorizontalPodAutoscalers, as they are stored: version 2."""

from collections.abc import Iterator, Sequence
from typing import Any

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.validation.autoscaling import validate_autoscaler, validate_autoscaler_status
from timonel.api.fields import FieldError
from timonel.api.quantity import Quantity
from timonel.api.types import autoscaling_v2 as v2

CPU_PERCENT = 80
SHOWN = 2
UNKNOWN = "<unknown>"
PERIOD = 15


@kind(v2.HorizontalPodAutoscaler, plural="horizontalpodautoscalers", short=["hpa"], categories=["all"])
class HorizontalPodAutoscalers(Strategy[v2.HorizontalPodAutoscaler]):
    """How many replicas a workload should have, by what its pods are measured to do."""

    columns = [
        Column("Reference", lambda hpa: f"{hpa.spec.scaleTargetRef.kind}/{hpa.spec.scaleTargetRef.name}"),
        Column("Targets", lambda hpa: _targets(hpa.spec.metrics, hpa.status.currentMetrics)),
        Column("MinPods", lambda hpa: "<unset>" if hpa.spec.minReplicas is None else str(hpa.spec.minReplicas)),
        Column("MaxPods", lambda hpa: hpa.spec.maxReplicas),
        Column("Replicas", lambda hpa: hpa.status.currentReplicas),
        age(),
    ]
    subresources = [Status()]

    def default(self, obj: v2.HorizontalPodAutoscaler, old: v2.HorizontalPodAutoscaler | None) -> None:
        """From one replica on, by 80% of the requested CPU; behaviour only where some of it is given."""
        spec = obj.spec
        if spec.minReplicas is None:
            spec.minReplicas = 1
        if not spec.metrics:
            target = v2.MetricTarget(type="Utilization", averageUtilization=CPU_PERCENT)
            spec.metrics = [v2.MetricSpec(type="Resource", resource=v2.ResourceMetricSource(name="cpu", target=target))]
        if spec.behavior:
            up = spec.behavior.scaleUp = spec.behavior.scaleUp or v2.HPAScalingRules()
            if up.stabilizationWindowSeconds is None:
                up.stabilizationWindowSeconds = 0
            _default_rules(up, ("Pods", 4), ("Percent", 100))
            down = spec.behavior.scaleDown = spec.behavior.scaleDown or v2.HPAScalingRules()
            _default_rules(down, ("Percent", 100))

    def prepare_create(self, obj: v2.HorizontalPodAutoscaler, call: object) -> None:
        """Nothing is known yet."""
        obj.status = v2.HorizontalPodAutoscalerStatus()

    def validate(self, obj: v2.HorizontalPodAutoscaler, old: v2.HorizontalPodAutoscaler | None) -> Iterator[FieldError]:
        """See `validation.autoscaling`."""
        yield from validate_autoscaler(obj.spec)

    def validate_status(self, new: v2.HorizontalPodAutoscaler, old: v2.HorizontalPodAutoscaler) -> Iterator[FieldError]:
        """See `validation.autoscaling`."""
        yield from validate_autoscaler_status(new.status)


def _default_rules(rules: v2.HPAScalingRules, *policies: tuple[str, int]) -> None:
    rules.selectPolicy = "Max" if rules.selectPolicy is None else rules.selectPolicy
    rules.policies = rules.policies or [
        v2.HPAScalingPolicy(type=kind, value=value, periodSeconds=PERIOD) for kind, value in policies
    ]


def _targets(metrics: Sequence[v2.MetricSpec], current: Sequence[v2.MetricStatus]) -> str:
    if not metrics:
        return "<none>"
    words = [
        _target(metric, current[index] if index < len(current) else v2.MetricStatus())
        for index, metric in enumerate(metrics)
    ]
    more = f" + {len(words) - SHOWN} more..." if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def _target(metric: v2.MetricSpec, status: v2.MetricStatus) -> str:
    """One metric, as it is and as it should be."""
    match metric.type:
        case "External":
            return _plain(metric.external, status.external)
        case "Object":
            return _plain(metric.object, status.object)
        case "Pods":
            is_, wanted = _amounts(metric.pods, status.pods, "averageValue")
            return f"{is_}/{wanted}"
        case "Resource":
            return _resource(metric.resource, status.resource)
        case "ContainerResource":
            return _resource(metric.containerResource, status.containerResource)
        case _:
            return "<unknown type>"


def _plain(source: v2.ExternalMetricSource | v2.ObjectMetricSource | None, status: Any) -> str:
    if source and source.target.averageValue is not None:
        is_, wanted = _amounts(source, status, "averageValue")
        return f"{is_}/{wanted} (avg)"
    is_, wanted = _amounts(source, status, "value")
    return f"{is_}/{wanted}"


def _resource(source: v2.ResourceMetricSource | v2.ContainerResourceMetricSource | None, status: Any) -> str:
    if source is None:
        return UNKNOWN
    if source.target.averageValue is not None:
        is_, wanted = _amounts(source, status, "averageValue")
        return f"{source.name}: {is_}/{wanted}"
    used = status.current.averageUtilization if status else None
    share = source.target.averageUtilization
    shown = UNKNOWN if used is None else f"{used}%"
    return f"{source.name}: {shown}/{'<auto>' if share is None else f'{share}%'}"


def _amounts(source: Any, status: Any, field: str) -> tuple[str, str]:
    """What is and what should be."""
    is_: Quantity | None = getattr(status.current, field) if status else None
    wanted: Quantity | None = getattr(source.target, field) if source else None
    return is_ or UNKNOWN, wanted or UNKNOWN
