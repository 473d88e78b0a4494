"""Probes: what they start, stop and let in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from whole_cluster import SERVES, Host, Namespace, Object, is_ready, state, wait_for


def restarts(pod: Object) -> int:
    return int(state(pod)["restartCount"])


def test_liveness_restarts_what_does_not_live(ns: Namespace) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    ns.pod("p", "touch /tmp/alive; sleep 1000", livenessProbe={**probe, "initialDelaySeconds": 1})
    ns.ready("p")
    ns.exec("p", "rm /tmp/alive")
    pod = ns.wait_pod("p", lambda pod: restarts(pod) == 1 and state(pod)["ready"])
    last = state(pod)["lastState"]["terminated"]
    assert last["exitCode"] == 137
    ns.wait_event("Unhealthy", "Liveness probe failed")
    ns.wait_event("Killing", "failed liveness probe, will be restarted")
    wait_for(lambda: [event["count"] for event in ns.events("Created")] == [2], 10, "equal events are one")


def test_readiness_gates_the_endpoints(ns: Namespace) -> None:
    probe = {"httpGet": {"path": "/index.html", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}
    ports = [{"name": "http", "containerPort": 8080}]
    ns.pod("p", SERVES, labels={"app": "p"}, readinessProbe=probe, ports=ports)
    ns.create("services", {"metadata": {"name": "p"}, "spec": {"selector": {"app": "p"}, "ports": [{"port": 80}]}})
    address = ns.ready("p")["status"]["podIP"]

    def ready_addresses() -> list[str]:
        slices = ns.cluster.list("endpointslices", ns.name, labels="kubernetes.io/service-name=p")
        points = [point for found in slices for point in found.get("endpoints") or ()]
        return [a for point in points if point["conditions"]["ready"] for a in point["addresses"]]

    wait_for(lambda: ready_addresses() == [address], 10, "the ready pod is an endpoint")
    ns.exec("p", "mv /w/index.html /w/away")
    wait_for(lambda: ready_addresses() == [], 10, "the unready pod is no endpoint")
    assert restarts(ns.get("pods", "p") or {}) == 0, "a failing readiness probe restarts nothing"
    ns.exec("p", "mv /w/away /w/index.html")
    wait_for(lambda: ready_addresses() == [address], 10, "the pod is an endpoint again")


def test_startup_holds_the_others_back(ns: Namespace) -> None:
    startup = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 30}
    liveness = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 1}
    ns.pod("p", "sleep 3; touch /tmp/up; sleep 1000", startupProbe=startup, livenessProbe=liveness)
    pod = ns.wait_pod("p", lambda pod: pod["status"].get("phase") == "Running")
    assert state(pod)["started"] is False
    assert restarts(ns.ready("p")) == 0


def test_tcp_probes_and_a_startup_that_never_comes(ns: Namespace) -> None:
    tcp = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    ns.pod("open", SERVES, readinessProbe=tcp)
    ns.pod("shut", startupProbe=tcp)
    ns.ready("open")
    ns.wait_pod("shut", lambda pod: restarts(pod) >= 1)
    ns.wait_event("Unhealthy", "Startup probe failed")


@pytest.fixture(scope="module")
def grpc_health(host: Host) -> Object:
    """A volume that holds the server of gRPC health checks."""
    program = host.directory / "grpc_health"
    source = Path(__file__).with_name("grpc_health.c")
    subprocess.run(["cc", "-static", "-Os", "-s", "-o", program, source], check=True)
    return {"name": "program", "hostPath": {"path": str(program), "type": "File"}}


def test_grpc_probes(ns: Namespace, grpc_health: Object) -> None:
    serves = {
        "command": ["/grpc_health", "5000", "/tmp/serving"],
        "volumeMounts": [{"name": "program", "mountPath": "/grpc_health"}, {"name": "tmp", "mountPath": "/tmp"}],
        "volumes": [grpc_health, {"name": "tmp", "emptyDir": {}}],
    }
    probe = {"grpc": {"port": 5000, "service": "shop"}, "periodSeconds": 1, "failureThreshold": 1}
    ns.pod("p", **serves, readinessProbe=probe)
    ns.wait_event("Unhealthy", 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")')
    assert not is_ready(ns.get("pods", "p") or {})
    ns.exec("p", "touch /tmp/serving")
    ns.ready("p")
    ns.exec("p", "rm /tmp/serving")
    pod = ns.wait_pod("p", lambda pod: not is_ready(pod))
    assert restarts(pod) == 0

    ns.pod("dies", **serves, startupProbe=probe | {"failureThreshold": 30}, livenessProbe=probe)
    ns.wait_pod("dies", lambda pod: pod["status"]["phase"] == "Running")
    ns.exec("dies", "touch /tmp/serving")
    ns.ready("dies")
    ns.exec("dies", "rm /tmp/serving")
    ns.wait_pod("dies", lambda pod: restarts(pod) >= 1)
    ns.wait_event("Unhealthy", "Liveness probe failed: service unhealthy")


def test_grpc_probes_of_what_is_no_grpc_server(ns: Namespace) -> None:
    probe = {"grpc": {"port": 8080}, "periodSeconds": 1}
    ns.pod("http", SERVES, readinessProbe=probe)
    ns.pod("nobody", readinessProbe=probe)
    for name in ("http", "nobody"):
        address = ns.wait_pod(name, lambda pod: pod["status"].get("podIP"))["status"]["podIP"]
        wanted = f'timeout: failed to connect service "{address}:8080" within 1s'
        ns.wait_event("Unhealthy", f"Readiness probe failed: {wanted}")
