"""HorizontalPodAutoscalers: their rules, and that version 1 loses nothing of version 2."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.registry import resources
from master.registry.autoscalers import ANNOTATIONS, to_v1, to_v2
from timonel.api import codec
from timonel.api.errors import BadRequest, Invalid
from timonel.api.quantity import Quantity
from timonel.api.types import autoscaling_v1 as v1
from timonel.api.types import autoscaling_v2 as v2
from timonel.api.types import meta_v1

TARGET = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}


def hpa(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec}}


def cpu(**target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


async def test_defaults(api: Any) -> None:
    spec = (await api.create(v2.HorizontalPodAutoscaler, hpa(behavior={"scaleDown": {"selectPolicy": "Min"}})))["spec"]
    assert spec["minReplicas"] == 1
    assert spec["metrics"] == [cpu(type="Utilization", averageUtilization=80)]
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert spec["behavior"] == {
        "scaleDown": {"selectPolicy": "Min", "policies": [percent]},
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
        },
    }


def metric(**fields: Any) -> dict[str, Any]:
    return hpa(metrics=[fields])


def up(**rules: Any) -> dict[str, Any]:
    policy = {"type": "Pods", "value": 1, "periodSeconds": 1}
    return hpa(behavior={"scaleUp": {"policies": [policy], **rules}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (hpa(minReplicas=0), "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"),
        (hpa(maxReplicas=0), "spec.maxReplicas: Invalid value: 0: must be greater than 0"),
        (hpa(minReplicas=9), "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"),
        (hpa(scaleTargetRef={"kind": "", "name": "w"}), "spec.scaleTargetRef.kind: Required value"),
        (hpa(scaleTargetRef={"kind": "K", "name": "a/b"}), "spec.scaleTargetRef.name: Invalid value"),
        (metric(), "spec.metrics[0].type: Required value: must specify a metric source type"),
        (metric(type="Odd"), 'spec.metrics[0].type: Unsupported value: "Odd"'),
        (metric(type="Pods"), "spec.metrics[0].pods: Required value: must populate information for the given metric"),
        (
            metric(**cpu(type="Utilization", averageUtilization=1), pods={"metric": {"name": "m"}}),
            "spec.metrics[0].pods: Forbidden: must populate the given metric source only",
        ),
        (
            metric(**cpu(type="Utilization")),
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value",
        ),
        (
            metric(**cpu(type="Utilization", averageUtilization=0)),
            "averageUtilization: Invalid value: 0: must be greater than 0",
        ),
        (
            metric(**cpu(type="Odd", averageUtilization=1)),
            'target.type: Invalid value: "Odd": must be either Utilization, Value, or AverageValue',
        ),
        (
            metric(type="External", external={"metric": {"name": "q"}, "target": {"type": "Value"}}),
            "must set either a target value for metric or a per-pod target",
        ),
        (
            metric(type="Pods", pods={"metric": {"name": "q"}, "target": {"type": "AverageValue"}}),
            "must specify a positive target averageValue",
        ),
        (up(stabilizationWindowSeconds=3601), "must be less than or equal to 3600"),
        (up(selectPolicy="Odd"), "spec.behavior.scaleUp.selectPolicy: Unsupported value"),
        (
            up(policies=[{"type": "Pods", "value": 0, "periodSeconds": 1}]),
            "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
        ),
        (
            up(policies=[{"type": "Pods", "value": 1, "periodSeconds": 1801}]),
            "periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
        ),
    ],
)
async def test_faults_are_named(api: Any, body: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        await api.create(v2.HorizontalPodAutoscaler, body)
    assert message in refused.value.message


async def test_version_1_and_version_2_are_one_object(api: Any) -> None:
    made = await api.create(v1.HorizontalPodAutoscaler, hpa(targetCPUUtilizationPercentage=70))
    assert made["apiVersion"] == "autoscaling/v1"
    assert made["spec"]["minReplicas"] == 1
    newer = await api.get(v2.HorizontalPodAutoscaler, "x")
    assert newer["spec"]["metrics"] == [cpu(type="Utilization", averageUtilization=70)]
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    newer["spec"]["metrics"].append(memory)
    await api.update(v2.HorizontalPodAutoscaler, newer)
    await api.merge(v1.HorizontalPodAutoscaler, "x", {"spec": {"maxReplicas": 7}})
    last = await api.get(v2.HorizontalPodAutoscaler, "x")
    assert last["spec"]["maxReplicas"] == 7
    assert sorted(m["resource"]["name"] for m in last["spec"]["metrics"]) == ["cpu", "memory"]
    assert "annotations" not in last["metadata"]
    old = await api.get(v1.HorizontalPodAutoscaler, "x")
    expected = '[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}}]'
    assert old["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"] == expected


async def test_the_status_of_version_1(api: Any) -> None:
    await api.create(v1.HorizontalPodAutoscaler, hpa())
    status = {"currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 42}
    await api.merge(v1.HorizontalPodAutoscaler, "x", {"status": status}, subresource="status")
    found = (await api.get(v2.HorizontalPodAutoscaler, "x"))["status"]
    assert found["currentMetrics"][0]["resource"]["current"] == {"averageUtilization": 42}
    assert (await api.get(v1.HorizontalPodAutoscaler, "x"))["status"] == status
    with pytest.raises(Invalid, match=r"status.currentReplicas: Invalid value: -1: must be greater than or equal to 0"):
        await api.merge(v1.HorizontalPodAutoscaler, "x", {"status": {"currentReplicas": -1}}, subresource="status")


async def test_an_annotation_that_is_no_metric(api: Any) -> None:
    for text in ("{", "{}", "[1]"):
        body = hpa()
        body["metadata"]["annotations"] = {ANNOTATIONS[0]: text}
        with pytest.raises(BadRequest, match=r"autoscaling\.alpha\.kubernetes\.io/metrics"):
            await api.create(v1.HorizontalPodAutoscaler, body)


def cell(obj: dict[str, Any], name: str) -> Any:
    for kind in (v2.HorizontalPodAutoscaler, v1.HorizontalPodAutoscaler):
        decoded = codec.convert(v2.HorizontalPodAutoscaler, obj)
        shown = decoded if kind is v2.HorizontalPodAutoscaler else to_v1(decoded)
        column = next(column for column in resources.load()[kind].columns if column.name == name)
        yield column.value(shown)


def test_columns() -> None:
    obj = hpa(metrics=[cpu(type="Utilization", averageUtilization=80)], minReplicas=2)
    obj["status"] = {
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}],
        "currentReplicas": 3,
    }
    assert list(cell(obj, "Reference")) == ["Deployment/web"] * 2
    assert list(cell(obj, "Targets")) == ["cpu: 12%/80%"] * 2
    assert list(cell(obj, "MinPods")) == ["2"] * 2
    obj["status"] = {}
    assert list(cell(obj, "Targets")) == ["cpu: <unknown>/80%"] * 2


# Version 1 loses nothing

names = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
amounts = st.integers(1, 10**6).map(Quantity.milli)
selectors = st.none() | st.builds(meta_v1.LabelSelector, matchLabels=st.dictionaries(names, names, max_size=2))
utilization = st.builds(v2.MetricTarget, type=st.just("Utilization"), averageUtilization=st.integers(1, 200))
average = st.builds(v2.MetricTarget, type=st.just("AverageValue"), averageValue=amounts)
value = st.builds(v2.MetricTarget, type=st.just("Value"), value=amounts)
identifiers = st.builds(v2.MetricIdentifier, name=names, selector=selectors)
references = st.builds(v2.CrossVersionObjectReference, kind=names, name=names, apiVersion=st.just("") | names)
resource = st.builds(v2.ResourceMetricSource, name=st.sampled_from(["cpu", "memory"]), target=utilization | average)
container = st.builds(v2.ContainerResourceMetricSource, name=names, container=names, target=utilization | average)
metrics = st.one_of(
    st.builds(v2.MetricSpec, type=st.just("Resource"), resource=resource),
    st.builds(v2.MetricSpec, type=st.just("ContainerResource"), containerResource=container),
    st.builds(
        v2.MetricSpec,
        type=st.just("Pods"),
        pods=st.builds(v2.PodsMetricSource, metric=identifiers, target=average),
    ),
    st.builds(
        v2.MetricSpec,
        type=st.just("External"),
        external=st.builds(v2.ExternalMetricSource, metric=identifiers, target=value | average),
    ),
    st.builds(
        v2.MetricSpec,
        type=st.just("Object"),
        object=st.builds(v2.ObjectMetricSource, describedObject=references, metric=identifiers, target=value | average),
    ),
)
currents = st.builds(v2.MetricValueStatus, averageUtilization=st.none() | st.integers(0, 200), averageValue=amounts)
plain = st.builds(v2.MetricValueStatus, value=st.none() | amounts, averageValue=amounts)
statuses = st.builds(
    v2.MetricStatus,
    type=st.just("Resource"),
    resource=st.builds(v2.ResourceMetricStatus, name=names, current=currents),
) | st.builds(
    v2.MetricStatus,
    type=st.just("Object"),
    object=st.builds(v2.ObjectMetricStatus, describedObject=references, metric=identifiers, current=plain),
)
rules = st.builds(
    v2.HPAScalingRules,
    stabilizationWindowSeconds=st.none() | st.integers(0, 9),
    selectPolicy=st.none() | st.just("Max"),
    policies=st.lists(
        st.builds(v2.HPAScalingPolicy, type=st.just("Pods"), value=st.integers(1, 9), periodSeconds=st.integers(1, 9)),
        max_size=2,
    ),
)
behaviors = st.builds(v2.HorizontalPodAutoscalerBehavior, scaleUp=st.none() | rules, scaleDown=rules)
autoscalers = st.builds(
    v2.HorizontalPodAutoscaler,
    metadata=st.builds(meta_v1.ObjectMeta, name=names, annotations=st.dictionaries(names, names, max_size=2)),
    spec=st.builds(
        v2.HorizontalPodAutoscalerSpec,
        minReplicas=st.none() | st.integers(1, 5),
        maxReplicas=st.integers(1, 9),
        scaleTargetRef=references,
        metrics=st.lists(metrics, max_size=4),
        behavior=st.none() | behaviors,
    ),
    status=st.builds(
        v2.HorizontalPodAutoscalerStatus,
        currentReplicas=st.integers(0, 9),
        desiredReplicas=st.integers(0, 9),
        currentMetrics=st.lists(statuses, max_size=3),
        conditions=st.lists(
            st.builds(v2.HorizontalPodAutoscalerCondition, type=names, status=st.just("True"), reason=names), max_size=2
        ),
    ),
)


@settings(max_examples=60)
@given(autoscalers)
def test_version_1_keeps_all_of_version_2(one: v2.HorizontalPodAutoscaler) -> None:
    """But for one thing: the share of CPU that has a field is last among the metrics."""
    shares = [
        m for m in one.spec.metrics if m.resource and m.resource.name == "cpu" and m.resource.target.averageUtilization
    ]
    one.spec.metrics = [m for m in one.spec.metrics if m not in shares] + shares[:1]
    back = to_v2(to_v1(one))
    assert codec.to_dict(back) == codec.to_dict(one)
    assert codec.to_dict(to_v2(to_v1(back))) == codec.to_dict(one)
