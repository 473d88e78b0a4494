"""The demo: what `make up` shows."""

from __future__ import annotations

from pathlib import Path

from whole_cluster import Cluster, wait_for

DEMO = Path(__file__).parents[2] / "manifests" / "demo"
LOGIN = {"Authorization": "Basic YWRtaW46c2FpbC1hd2F5"}  # admin:sail-away


def test_the_demo_answers(cluster: Cluster) -> None:
    said = cluster.up("--apply", str(DEMO))
    assert "web" in said
    pods = cluster.list("pods", "default", labels="app=web")
    assert len(pods) == 3
    for pod in pods:
        status, page = cluster.host.http(f"http://{pod['status']['podIP']}:8080/")
        assert status == 200
        assert pod["metadata"]["name"] in page
        assert pod["spec"]["nodeName"] in page
    [backend] = cluster.list("pods", "default", labels="app=backend")
    address = f"http://{backend['status']['podIP']}:8080/"
    assert cluster.host.http(address)[0] == 401
    assert cluster.host.http(address, LOGIN) == (200, f"the back end greets you from {backend['spec']['nodeName']}\n")
    proxied = cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/services/web:80/proxy/")
    assert any(pod["metadata"]["name"] in proxied for pod in pods)
    assert "deployment" in cluster.up("--apply", str(DEMO)), "a second time is harmless"
    cluster.kubectl("delete", "-f", str(DEMO))
    wait_for(lambda: not cluster.list("pods", "default"), 30, "the demo's pods are gone")
