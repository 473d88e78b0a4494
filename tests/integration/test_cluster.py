"""Whole paths through a master and its nodes: from a manifest to running pods, and back to what was asked for when
something fails.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from timonel.api.types import core_v1

pytestmark = pytest.mark.kubectl

EXAMPLES = sorted((Path(__file__).parents[2] / "manifests" / "examples").glob("*.yaml"))

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: "app:1"}]
"""


async def names(cluster: Any, kind: str, *arguments: str) -> set[str]:
    return {item["metadata"]["name"] for item in (await cluster.get(kind, *arguments))["items"]}


async def rolled_out(cluster: Any) -> None:
    assert "successfully rolled out" in await cluster.kubectl("rollout", "status", "deploy/web", "--timeout=40s")


STEADY = ("ConfigMap", "Secret", "PriorityClass", "Lease", "ControllerRevision", "Role", "StorageClass", "Ingress")
"""Kinds that no controller and no node writes to: applied again, they must stay as they are."""


async def test_every_example_is_accepted_applied_twice_and_read_back(cluster: Any) -> None:
    async def versions() -> dict[tuple[str, str], str]:
        items = (await cluster.get("-f", str(EXAMPLES[0].parent)))["items"]
        return {(i["kind"], i["metadata"]["name"]): i["metadata"]["resourceVersion"] for i in items}

    applied = await cluster.kubectl("apply", "--server-side", "-f", str(EXAMPLES[0].parent))
    assert len(applied.splitlines()) >= len(EXAMPLES)
    assert all("serverside-applied" in line for line in applied.splitlines())
    before = await versions()
    await cluster.kubectl("apply", "--server-side", "-f", str(EXAMPLES[0].parent))
    after = await versions()
    assert {key: after[key] for key in after if key[0] in STEADY} == {k: before[k] for k in before if k[0] in STEADY}


async def test_a_deployment_runs_scales_rolls_and_goes(cluster: Any, eventually: Any) -> None:
    assert await cluster.kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\n"
    await rolled_out(cluster)
    pods = (await cluster.get("pods"))["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"one", "two"}
    assert all(pod["status"]["phase"] == "Running" and pod["status"]["podIP"] for pod in pods)

    await cluster.kubectl("scale", "deploy/web", "--replicas=5")
    await rolled_out(cluster)
    assert len(await names(cluster, "pods")) == 5

    await cluster.kubectl("set", "image", "deploy/web", "c=app:2")
    await rolled_out(cluster)

    async def only_new() -> bool:
        found = (await cluster.get("pods"))["items"]
        return [pod["spec"]["containers"][0]["image"] for pod in found] == ["app:2"] * 5

    await eventually(only_new, "the old pods go")
    history = await cluster.kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.strip().splitlines()[2:]] == ["1", "2"]
    await cluster.kubectl("rollout", "undo", "deploy/web")
    await rolled_out(cluster)
    deploy = await cluster.get("deploy", "web")
    assert deploy["spec"]["template"]["spec"]["containers"][0]["image"] == "app:1"
    assert deploy["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"

    await cluster.kubectl("delete", "deploy/web", "--cascade=foreground", "--timeout=30s")
    assert await names(cluster, "rs") == set()
    assert await names(cluster, "pods") == set()


async def test_orphans_stay_and_are_adopted_again(cluster: Any) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=WEB)
    await rolled_out(cluster)
    before = await names(cluster, "pods")
    await cluster.kubectl("delete", "deploy/web", "--cascade=orphan")
    assert await names(cluster, "pods") == before
    sets = (await cluster.get("rs"))["items"]
    assert "ownerReferences" not in sets[0]["metadata"]
    await cluster.kubectl("apply", "-f", "-", stdin=WEB)
    await rolled_out(cluster)
    assert await names(cluster, "pods") == before
    assert (await cluster.get("rs"))["items"][0]["metadata"]["ownerReferences"][0]["kind"] == "Deployment"


async def test_a_namespace_takes_all_that_is_in_it(cluster: Any) -> None:
    await cluster.kubectl("create", "namespace", "n")
    await cluster.kubectl("-n", "n", "apply", "-f", "-", stdin=WEB)
    await cluster.kubectl("-n", "n", "expose", "deploy/web", "--port=80")
    await cluster.kubectl("-n", "n", "rollout", "status", "deploy/web", "--timeout=40s")
    await cluster.kubectl("delete", "namespace", "n", "--timeout=40s")
    assert "not found" in await cluster.kubectl("get", "namespace", "n", fails=True)
    assert (await cluster.get("pods,rs,deploy,svc,endpointslices,cm,sa", "-n", "n"))["items"] == []


async def test_a_service_finds_its_pods(cluster: Any, eventually: Any) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=WEB)
    await cluster.kubectl("expose", "deploy/web", "--port=80", "--target-port=8080")
    await rolled_out(cluster)
    pods = {pod["status"]["podIP"] for pod in (await cluster.get("pods"))["items"]}

    async def addresses() -> bool:
        slices = (await cluster.get("endpointslices", "-l", "kubernetes.io/service-name=web"))["items"]
        return {a for s in slices for e in s.get("endpoints") or [] for a in e["addresses"]} == pods

    await eventually(addresses, "the slice names the pods")


async def test_a_node_that_falls_silent_loses_its_pods_and_comes_back(cluster: Any, eventually: Any) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=WEB)
    await rolled_out(cluster)
    await cluster.stop_node("one")
    await cluster.kubectl("wait", "--for=condition=Ready=Unknown", "node/one", "--timeout=15s")

    async def all_on_two() -> bool:
        live = [pod for pod in (await cluster.get("pods"))["items"] if "deletionTimestamp" not in pod["metadata"]]
        return [pod["spec"]["nodeName"] for pod in live if pod["status"]["phase"] == "Running"] == ["two"] * 3

    await eventually(all_on_two, "the pods run on the other node")
    taints = {taint["key"] for taint in (await cluster.get("node", "one"))["spec"]["taints"]}
    assert taints == {"node.kubernetes.io/unreachable"}
    await cluster.start_node("one")
    await cluster.kubectl("wait", "--for=condition=Ready", "node/one", "--timeout=15s")

    async def clean() -> bool:
        pods = (await cluster.get("pods"))["items"]
        return "taints" not in (await cluster.get("node", "one"))["spec"] and len(pods) == 3

    await eventually(clean, "the taints and the moved pods are gone")


async def test_a_master_that_starts_again_has_lost_and_restarted_nothing(cluster: Any, eventually: Any) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=WEB)
    await rolled_out(cluster)
    before = (await cluster.get("pods"))["items"]
    await cluster.master.close()
    await cluster.start_master()
    await cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=20s")
    await cluster.kubectl("annotate", "deploy/web", "looked=again")
    after = (await cluster.get("pods"))["items"]
    shown = ("name", "uid")
    assert [[pod["metadata"][key] for key in shown] for pod in after] == [
        [pod["metadata"][key] for key in shown] for pod in before
    ]
    assert [pod["status"]["containerStatuses"][0]["containerID"] for pod in after] == [
        pod["status"]["containerStatuses"][0]["containerID"] for pod in before
    ]
    assert all(pod["status"]["containerStatuses"][0]["restartCount"] == 0 for pod in after)


async def test_a_pod_that_fits_nowhere_says_why_and_runs_once_it_fits(cluster: Any, eventually: Any) -> None:
    await cluster.kubectl("cordon", "one")
    await cluster.kubectl("taint", "node", "two", "reserved=yes:NoSchedule")
    await cluster.kubectl("run", "p", "--image=app:1")

    async def message() -> str:
        pod = await cluster.get("pod", "p")
        found = [c.get("message", "") for c in pod["status"].get("conditions", []) if c["type"] == "PodScheduled"]
        return found[0] if found else ""

    expected = "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."
    assert await eventually(message, "the reason is there") == expected
    events = await cluster.kubectl("get", "events", "--field-selector=reason=FailedScheduling", "-o", "name")
    assert events.startswith("event/p.")
    await cluster.kubectl("uncordon", "one")
    await cluster.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
    assert (await cluster.get("pod", "p"))["spec"]["nodeName"] == "one"


async def test_draining_moves_pods_and_uncordoning_takes_them_again(cluster: Any) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=WEB)
    await rolled_out(cluster)
    await cluster.kubectl("drain", "one", "--timeout=30s", "--delete-emptydir-data")
    await rolled_out(cluster)
    assert {pod["spec"]["nodeName"] for pod in (await cluster.get("pods"))["items"]} == {"two"}
    assert (await cluster.get("node", "one"))["spec"]["unschedulable"] is True
    await cluster.kubectl("uncordon", "one")
    assert "unschedulable" not in (await cluster.get("node", "one"))["spec"]


async def test_a_node_sees_only_what_its_pods_use(cluster: Any) -> None:
    """The node rule, through the node's own certificate."""
    await cluster.kubectl("create", "secret", "generic", "mine", "--from-literal=a=b")
    await cluster.kubectl("create", "secret", "generic", "other", "--from-literal=a=b")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "nodeName": "one",
            "containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "mine"}}]}],
        },
    }
    await cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    config = json.loads(await cluster.kubectl("config", "view", "--raw", "-o", "json"))
    certificate = cluster.directory / "one" / "pki" / "node.pem"
    config["users"][0]["user"] = {"client-certificate": str(certificate), "client-key": str(certificate)}
    path = cluster.directory / "node.kubeconfig"
    path.write_text(json.dumps(config))
    as_node = f"--kubeconfig={path}"
    assert "secret/mine" in await cluster.kubectl(as_node, "get", "secret", "mine", "-o", "name")
    for refused in (["secret", "other"], ["secrets"], ["node", "two", "-w"], ["deploy"]):
        verb = ["get", *refused] if "-w" not in refused else ["delete", "node", "two"]
        assert "forbidden" in await cluster.kubectl(as_node, *verb, fails=True)


async def test_top_shows_what_nodes_and_pods_use(cluster: Any, eventually: Any) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=WEB)
    await rolled_out(cluster)

    async def shown() -> bool:
        async with cluster.client() as client:
            metrics = await client.kind("nodes.metrics.k8s.io").list("")
        return len(metrics.items) == 2

    await eventually(shown, "both nodes have reported usage")
    assert [line.split()[0] for line in (await cluster.kubectl("top", "nodes")).splitlines()] == ["NAME", "one", "two"]


async def test_the_official_python_client_works(cluster: Any) -> None:
    import asyncio

    from kubernetes import client, config, watch

    def talk() -> list[tuple[str, str]]:
        api_client = config.new_client_from_config(str(cluster.kubeconfig))
        api = client.CoreV1Api(api_client)
        seen: list[tuple[str, str]] = []
        name = client.V1ObjectMeta(name="c", labels={"a": "b"})
        made = api.create_namespaced_config_map("default", client.V1ConfigMap(metadata=name, data={"k": "v"}))
        stream = watch.Watch()
        api.patch_namespaced_config_map("c", "default", {"data": {"k": "w"}})
        api.delete_namespaced_config_map("c", "default")
        for event in stream.stream(
            api.list_namespaced_config_map,
            "default",
            resource_version=made.metadata.resource_version,
            label_selector="a=b",
            timeout_seconds=5,
        ):
            seen.append((event["type"], event["object"].data["k"]))
            if event["type"] == "DELETED":
                stream.stop()
        with pytest.raises(client.ApiException) as refused:
            api.read_namespaced_config_map("c", "default")
        assert refused.value.status == 404
        return seen

    assert await asyncio.to_thread(talk) == [("MODIFIED", "w"), ("DELETED", "w")]


async def test_the_client_of_the_project_reads_typed_objects(cluster: Any, eventually: Any) -> None:
    async with cluster.client() as client:

        async def ranges() -> bool:
            found = {node.metadata.name: node.spec.podCIDR for node in (await client.kind(core_v1.Node).list("")).items}
            return found.keys() == {"one", "two"} and set(found.values()) == {"10.244.0.0/24", "10.244.1.0/24"}

        await eventually(ranges, "each node has a range of its own")
