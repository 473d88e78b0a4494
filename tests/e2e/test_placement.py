"""Where pods may run, and how they are driven away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from whole_cluster import Cluster, Namespace, deployment, wait_for


@pytest.fixture
def node(cluster: Cluster) -> Iterator[str]:
    """A node that tests may change: as it was, afterwards."""
    yield "node-3"
    cluster.kubectl("uncordon", "node-3")
    cluster.kubectl("taint", "node", "node-3", "dedicated-", check=False)
    cluster.kubectl("label", "node", "node-3", "disk-", check=False)


def test_a_cordoned_node_takes_no_pods(ns: Namespace, node: str) -> None:
    ns.cluster.kubectl("cordon", node)
    assert "SchedulingDisabled" in ns.cluster.kubectl("get", "node", node)
    ns.pod("p", nodeSelector={"kubernetes.io/hostname": node})
    ns.wait_event("FailedScheduling", "1 node(s) were unschedulable")
    ns.cluster.kubectl("uncordon", node)
    ns.ready("p")


def test_a_drained_node_is_empty(ns: Namespace, node: str) -> None:
    ns.apply(deployment("web", 3))
    ns.rolled_out("web")
    ns.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
    assert not [pod for pod in ns.pods() if pod["spec"]["nodeName"] == node]
    ns.rolled_out("web")
    assert {pod["spec"]["nodeName"] for pod in ns.ready_pods("app=web")} == {"node-1", "node-2"}


def test_taints_and_tolerations(ns: Namespace, node: str) -> None:
    ns.pod("before", nodeName=node)
    ns.ready("before")
    ns.cluster.kubectl("taint", "node", node, "dedicated=yes:NoExecute")
    ns.gone("before")
    ns.pod("refused", nodeSelector={"kubernetes.io/hostname": node})
    ns.wait_event("FailedScheduling", "1 node(s) had untolerated taint")
    tolerations = [{"key": "dedicated", "operator": "Equal", "value": "yes"}]
    ns.pod("welcome", nodeSelector={"kubernetes.io/hostname": node}, tolerations=tolerations)
    assert ns.ready("welcome")["spec"]["nodeName"] == node


def test_node_selectors_wait_for_a_label(ns: Namespace, node: str) -> None:
    ns.pod("p", nodeSelector={"disk": "fast"})
    ns.wait_event("FailedScheduling", "3 node(s) didn't match Pod's node affinity/selector")
    ns.cluster.kubectl("label", "node", node, "disk=fast")
    assert ns.ready("p")["spec"]["nodeName"] == node


def test_host_ports_are_taken_once_a_node(ns: Namespace) -> None:
    ports = [{"containerPort": 80, "hostPort": 18090}]
    for number in range(4):
        ns.pod(f"p{number}", ports=ports)
    ns.wait_event("FailedScheduling", "3 node(s) didn't have free ports for the requested pod ports")
    assert sorted(pod["spec"].get("nodeName", "") for pod in ns.pods()) == ["", "node-1", "node-2", "node-3"]
    # These nodes are one machine, whose port only one pod can have; see test_network.
    wait_for(lambda: len(ns.ready_pods("")) == 1, 30, "one pod has the port")
    ns.wait_event("FailedCreatePodSandBox", "host port tcp . 18090 of this machine is taken")
    assert len(ns.ready_pods("")) == 1


def test_too_large_requests_are_refused_with_the_reason(ns: Namespace) -> None:
    ns.pod("p", resources={"requests": {"cpu": "1000", "memory": "100000Gi"}})
    event = ns.wait_event("FailedScheduling", "3 Insufficient cpu")
    assert "0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory" in event["message"]
    pod = ns.wait_pod("p", lambda pod: pod["status"].get("conditions"))
    condition = pod["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    described = ns.kubectl("describe", "pod", "p")
    assert "FailedScheduling" in described
    assert "3 Insufficient cpu" in described


def test_pods_are_spread_over_the_nodes(ns: Namespace) -> None:
    ns.apply(deployment("web", 3))
    ns.rolled_out("web")
    assert len({pod["spec"]["nodeName"] for pod in ns.ready_pods("app=web")}) == 3
    described = ns.kubectl("describe", "pods", "-l", "app=web")
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in described
