"""The rules of the other kinds, a table each."""

import base64
from typing import Any

import pytest

from timonel.api.errors import Invalid, MethodNotAllowed, NoSuchPath, ServiceUnavailable
from timonel.api.types import apps_v1, coordination_v1, core_v1, discovery_v1, scheduling_v1


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def template(**labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x:1"}]}}


def workload(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template(app="x"), **spec},
    }


NAMED = {"metadata": {"name": "x"}}
FAULTS = [
    (core_v1.ConfigMap, {"data": {"a/b": ""}}, 'data[a/b]: Invalid value: "a/b": a valid config key must'),
    (core_v1.ConfigMap, {"data": {"a": ""}, "binaryData": {"a": ""}}, "duplicate of key present in binaryData"),
    (core_v1.ConfigMap, {"data": {"a": "x" * (1 << 20), "b": "y"}}, "Too long: may not be more than 1048576 bytes"),
    (core_v1.Secret, {"type": "kubernetes.io/tls"}, "data[tls.crt]: Required value"),
    (core_v1.Secret, {"type": "kubernetes.io/basic-auth"}, "data[username]: Required value"),
    (
        core_v1.Secret,
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": b64("no")}},
        "data[.dockerconfigjson]: Invalid value",
    ),
    (apps_v1.Deployment, workload(selector=None), "spec.selector: Required value"),
    (apps_v1.Deployment, workload(selector={}), "empty selector is invalid for deployment"),
    (apps_v1.Deployment, workload(template=template(app="y")), "`selector` does not match template `labels`"),
    (apps_v1.Deployment, workload(replicas=-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    (
        apps_v1.Deployment,
        workload(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    (
        apps_v1.Deployment,
        workload(strategy={"type": "Recreate", "rollingUpdate": {}}),
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    (
        apps_v1.Deployment,
        workload(strategy={"rollingUpdate": {"maxSurge": "lots"}}),
        "a valid percent string must be a numeric string followed by an ending '%'",
    ),
    (
        apps_v1.ReplicaSet,
        workload(template={**template(app="x"), "spec": {"containers": []}}),
        "spec.template.spec.containers",
    ),
    (apps_v1.ControllerRevision, {"revision": 1}, "data: Required value: data is mandatory"),
    (coordination_v1.Lease, {"spec": {"leaseDurationSeconds": 0}}, "spec.leaseDurationSeconds: Invalid value: 0"),
    (discovery_v1.EndpointSlice, {"addressType": "IPv5"}, "addressType: Unsupported value"),
    (
        discovery_v1.EndpointSlice,
        {"addressType": "IPv4", "endpoints": [{"addresses": ["fe80::1"]}]},
        "endpoints[0].addresses[0]: Invalid value",
    ),
    (core_v1.Event, {"involvedObject": {"namespace": "other"}}, "does not match event.namespace"),
]


@pytest.mark.parametrize(("kind", "body", "message"), FAULTS)
async def test_faults_are_named(api: Any, kind: type[Any], body: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        await api.create(kind, {**NAMED, **body})
    assert message in refused.value.message


CLUSTER_FAULTS = [
    (
        core_v1.Node,
        {"spec": {"taints": [{"key": "a", "effect": "Never"}]}},
        'metadata.taints[0].effect: Unsupported value: "Never"',
    ),
    (core_v1.Node, {"spec": {"podCIDR": "x"}}, "spec.podCIDRs[0]: Invalid value"),
    (scheduling_v1.PriorityClass, {"value": 2_000_000_000}, "maximum allowed value of a user defined priority"),
    (core_v1.Namespace, {"metadata": {"name": "a.b"}}, "must not contain dots"),
]


@pytest.mark.parametrize(("kind", "body", "message"), CLUSTER_FAULTS)
async def test_faults_of_cluster_kinds(api: Any, kind: type[Any], body: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        await api.create(kind, {**NAMED, **body}, "")
    assert message in refused.value.message


async def test_deployment_defaults(api: Any) -> None:
    spec = (await api.create(apps_v1.Deployment, workload()))["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert "enableServiceLinks" not in spec["template"]["spec"]


async def test_a_selector_stays(api: Any) -> None:
    made = await api.create(apps_v1.Deployment, workload())
    made["spec"]["selector"]["matchLabels"]["more"] = "m"
    made["spec"]["template"]["metadata"]["labels"]["more"] = "m"
    with pytest.raises(Invalid, match="field is immutable"):
        await api.update(apps_v1.Deployment, made)


async def test_a_secrets_texts_become_data(api: Any) -> None:
    made = await api.create(core_v1.Secret, {**NAMED, "data": {"a": b64("1")}, "stringData": {"a": "2", "b": "3"}})
    assert made["type"] == "Opaque"
    assert made["data"] == {"a": b64("2"), "b": b64("3")}
    assert "stringData" not in made
    with pytest.raises(Invalid, match="type: Invalid value"):
        await api.merge(core_v1.Secret, "x", {"type": "other"})


@pytest.mark.parametrize("kind", [core_v1.ConfigMap, core_v1.Secret])
async def test_immutable_means_it(api: Any, kind: type[Any]) -> None:
    await api.create(kind, {**NAMED, "data": {"a": b64("1")}, "immutable": True})
    for change in ({"data": {"a": b64("2")}}, {"immutable": None}):
        with pytest.raises(Invalid, match="field is immutable when `immutable` is set"):
            await api.merge(kind, "x", change)
    await api.merge(kind, "x", {"metadata": {"labels": {"a": "b"}}})


async def test_a_lease_is_made_by_its_first_update(api: Any) -> None:
    lease = {"metadata": {"name": "n"}, "spec": {"holderIdentity": "a"}}
    made = await api.update(coordination_v1.Lease, lease, "kube-node-lease")
    with pytest.raises(Invalid, match=r"metadata.resourceVersion: Invalid value: 0: must be specified for an update"):
        await api.update(coordination_v1.Lease, lease, "kube-node-lease")
    made["spec"]["holderIdentity"] = "b"
    await api.update(coordination_v1.Lease, made, "kube-node-lease")


async def test_a_nodes_network_is_given_once(api: Any) -> None:
    await api.create(core_v1.Node, NAMED, "")
    given = await api.merge(core_v1.Node, "x", {"spec": {"podCIDR": "10.244.1.0/24"}}, "")
    assert given["spec"]["podCIDRs"] == ["10.244.1.0/24"]
    change = {"spec": {"podCIDR": "10.244.2.0/24", "podCIDRs": ["10.244.2.0/24"]}}
    with pytest.raises(Invalid, match="node updates may not change podCIDR"):
        await api.merge(core_v1.Node, "x", change, "")
    kept = await api.update(core_v1.Node, {**NAMED, "spec": {"unschedulable": True}}, "")
    assert kept["spec"]["podCIDR"] == "10.244.1.0/24"


async def test_a_new_node_is_not_ready(api: Any) -> None:
    made = await api.create(core_v1.Node, NAMED, "")
    assert made["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


async def test_system_priorities_are_the_systems(api: Any) -> None:
    critical = await api.get(scheduling_v1.PriorityClass, "system-node-critical", "")
    assert critical["value"] == 2_000_001_000
    with pytest.raises(Invalid, match="reserved for system use only"):
        await api.create(scheduling_v1.PriorityClass, {"metadata": {"name": "system-mine"}, "value": 1}, "")
    await api.create(scheduling_v1.PriorityClass, {**NAMED, "value": 5}, "")
    with pytest.raises(Invalid, match=r"value: Forbidden: may not be changed in an update\."):
        await api.merge(scheduling_v1.PriorityClass, "x", {"value": 6}, "")


async def test_a_status_that_does_not_add_up(api: Any) -> None:
    await api.create(apps_v1.ReplicaSet, workload())
    with pytest.raises(
        Invalid, match=r"status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ):
        await api.merge(apps_v1.ReplicaSet, "x", {"status": {"replicas": 1, "readyReplicas": 2}}, subresource="status")


async def test_verbs_and_subresources_that_are_not_there(api: Any) -> None:
    await api.create(core_v1.ConfigMap, NAMED)
    with pytest.raises(NoSuchPath):
        await api.get(core_v1.ConfigMap, "x", subresource="status")
    with pytest.raises(MethodNotAllowed):
        await api.create(apps_v1.Deployment, NAMED, name="x", subresource="scale")


async def test_tokens_need_a_minter(api: Any) -> None:
    with pytest.raises(ServiceUnavailable):
        await api.create(core_v1.ServiceAccount, {"spec": {"audiences": []}}, name="default", subresource="token")
