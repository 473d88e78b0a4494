"""What breaks is repaired: containers, pods, agents, the master, Docker."""

from __future__ import annotations

import logging
import os
import signal
import time
from datetime import datetime

from whole_cluster import (
    FOR_EVER,
    Cluster,
    Namespace,
    container_id,
    deployment,
    is_ready,
    state,
    wait_for,
    waiting,
)

log = logging.getLogger(__name__)
SERVES = "mkdir -p /w; hostname > /w/index.html; exec httpd -f -p 8080 -h /w"


def identities(cluster: Cluster, namespace: str) -> dict[str, tuple[str, int]]:
    """(container id, restarts) by pod."""
    pods = cluster.list("pods", namespace)
    return {pod["metadata"]["uid"]: (container_id(pod), state(pod)["restartCount"]) for pod in pods}


def nodes_of(ns: Namespace, labels: str) -> list[str]:
    """The nodes that the ready pods run on, once all three are ready."""
    pods = ns.ready_pods(labels)
    return sorted({pod["spec"]["nodeName"] for pod in pods}) if len(pods) == 3 else []


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_killed_container_is_restarted_as_its_policy_says(ns: Namespace) -> None:
    for policy in ("Always", "OnFailure", "Never"):
        ns.pod(policy.lower(), restartPolicy=policy)
    ns.pod("done", "exit 0", restartPolicy="OnFailure")
    killed = {name: ns.ready(name) for name in ("always", "onfailure", "never")}
    for pod in killed.values():
        ns.host.docker("kill", container_id(pod))
    for name in ("always", "onfailure"):
        pod = ns.wait_pod(name, lambda pod: state(pod)["restartCount"] == 1 and "running" in state(pod)["state"])
        last = state(pod)["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (137, "Error")
        assert last["containerID"] == state(killed[name])["containerID"]
        assert container_id(pod) != container_id(killed[name])
        assert pod["status"]["podIP"] == killed[name]["status"]["podIP"]
    assert state(ns.ended("never", "Failed"))["restartCount"] == 0
    assert state(ns.ended("done"))["restartCount"] == 0


def test_restarts_back_off(ns: Namespace) -> None:
    ns.pod("p", "exit 1")
    pod = ns.wait_pod("p", lambda pod: waiting(pod) == "CrashLoopBackOff")
    assert state(pod)["restartCount"] == 1, "the first restart is at once"
    assert "back-off 10s restarting failed container=c pod=p" in state(pod)["state"]["waiting"]["message"]
    ended = when(state(pod)["lastState"]["terminated"]["finishedAt"])
    pod = ns.wait_pod("p", lambda pod: state(pod)["restartCount"] == 2 and waiting(pod) == "CrashLoopBackOff", 20)
    again = state(pod)["lastState"]["terminated"]
    assert 9 <= (when(again["startedAt"]) - ended).total_seconds() <= 15
    ns.wait_event("BackOff", "Back-off restarting failed container c")


def test_a_pod_whose_sandbox_is_killed_gets_a_new_one(ns: Namespace) -> None:
    ns.pod("p", SERVES)
    ns.ready("p")
    ns.host.docker("kill", ns.host.docker("ps", "-q", "--filter", f"name=k8s_POD_p_{ns.name}_"))
    ns.wait_event("SandboxChanged")
    pod = ns.wait_pod("p", lambda pod: state(pod)["restartCount"] == 1 and is_ready(pod))
    assert ns.host.http(f"http://{pod['status']['podIP']}:8080/") == (200, "p\n")


def test_a_deleted_pod_is_replaced(ns: Namespace) -> None:
    ns.apply(deployment("web", 2, command=["sh", "-c", SERVES]))
    pods = wait_for(lambda: len(found := ns.ready_pods("app=web")) == 2 and found, 30, "two pods are ready")
    names = {pod["metadata"]["name"] for pod in pods}
    ns.kubectl("delete", "pod", min(names))
    pods = wait_for(lambda: len(found := ns.ready_pods("app=web")) == 2 and found, 30, "two pods are ready again")
    assert max(names) in {pod["metadata"]["name"] for pod in pods}
    assert min(names) not in {pod["metadata"]["name"] for pod in pods}


def test_a_node_whose_agent_is_killed(whole: Cluster, ns: Namespace) -> None:
    ns.apply(deployment("web", 3, command=["sh", "-c", SERVES]))
    ns.pod("stays", tolerations=FOR_EVER, nodeName="node-2")
    pods = wait_for(lambda: len(found := ns.ready_pods("app=web")) == 3 and found, 30, "three pods are ready")
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2", "node-3"}
    moved = next(pod for pod in pods if pod["spec"]["nodeName"] == "node-2")
    stays = ns.ready("stays")

    killed = whole.kill("node-2")
    wait_for(lambda: whole.node_ready("node-2") == "Unknown", 20, "the node is not ready")
    not_ready = time.monotonic() - killed

    wait_for(lambda: nodes_of(ns, "app=web") == ["node-1", "node-3"], 30, "its pods are replaced elsewhere")
    elsewhere = time.monotonic() - killed
    log.info("an agent was killed: NotReady after %.1f s, its pods replaced after %.1f s", not_ready, elsewhere)
    assert not_ready < 10
    assert elsewhere < 15
    for pod in (moved, stays):
        running = ns.host.docker("inspect", "-f", "{{.State.Running}}", container_id(pod))
        assert running == "true", "an agent's death stops no container"

    whole.up("--quiet")
    whole.wait_nodes_ready()
    ns.gone(moved["metadata"]["name"])
    left = ns.host.docker("ps", "-aq", "--filter", f"label=io.kubernetes.pod.uid={moved['metadata']['uid']}")
    assert left == "", "what was moved away is removed"
    after = ns.ready("stays")
    assert (container_id(after), state(after)["restartCount"]) == (container_id(stays), 0), "what still runs is adopted"


def test_an_agent_that_is_killed_and_comes_back_restarts_nothing(whole: Cluster, ns: Namespace) -> None:
    ns.pod("p", nodeName="node-1")
    ns.pod("gone", nodeName="node-1")
    before = ns.ready("p")
    ns.ready("gone")
    whole.kill("node-1")
    ns.delete("pods", "gone")
    whole.up("--quiet")
    ns.gone("gone")
    whole.wait_nodes_ready()
    after = ns.ready("p")
    assert (container_id(after), state(after)["restartCount"]) == (container_id(before), 0)
    began = after["status"]["startTime"]
    assert began == before["status"]["startTime"]


def test_a_frozen_agent_gives_up_what_was_moved_away(whole: Cluster, ns: Namespace) -> None:
    ns.apply(deployment("web", 3))
    ns.pod("stays", tolerations=FOR_EVER, nodeName="node-3")
    stays = ns.ready("stays")
    wait_for(lambda: len(ns.ready_pods("app=web")) == 3, 30, "three pods are ready")
    moved = next(pod for pod in ns.ready_pods("app=web") if pod["spec"]["nodeName"] == "node-3")
    agent = whole.processes()["node-3"]["pid"]
    os.kill(agent, signal.SIGSTOP)
    try:
        wait_for(lambda: whole.node_ready("node-3") == "Unknown", 20, "the node is not ready")
        wait_for(lambda: nodes_of(ns, "app=web") == ["node-1", "node-2"], 30, "its pods are replaced")
        assert not is_ready(ns.get("pods", "stays") or {}), "nobody can say that it is ready"
    finally:
        os.kill(agent, signal.SIGCONT)
    whole.wait_nodes_ready()
    ns.gone(moved["metadata"]["name"])
    after = ns.ready("stays")
    assert (container_id(after), state(after)["restartCount"]) == (container_id(stays), 0)


def test_a_killed_master_loses_and_restarts_nothing(whole: Cluster, ns: Namespace) -> None:
    ns.apply(deployment("web", 3, command=["sh", "-c", SERVES]))
    pods = wait_for(lambda: len(found := ns.ready_pods("app=web")) == 3 and found, 30, "three pods are ready")
    ns.pod("crashes")
    crashes = ns.ready("crashes")
    ns.config_map("last-word", said="before the end")
    before = identities(whole, ns.name)

    whole.kill("master")
    for pod in pods:
        assert ns.host.http(f"http://{pod['status']['podIP']}:8080/")[0] == 200
    ns.host.docker("kill", container_id(crashes))
    away = time.monotonic() + 10
    name = f"name=k8s_c_crashes_{ns.name}_"
    wait_for(
        lambda: ns.host.docker("ps", "-q", "--filter", name) not in ("", container_id(crashes)[:12]),
        20,
        "a killed container is restarted while there is no master",
    )
    wait_for(lambda: time.monotonic() > away, 12, "the master was away for longer than a node may be silent")

    whole.up("--quiet")
    whole.wait_nodes_ready()
    ns.wait_pod("crashes", lambda pod: state(pod)["restartCount"] == 1 and is_ready(pod))
    after = identities(whole, ns.name)
    uid = crashes["metadata"]["uid"]
    assert {k: v for k, v in after.items() if k != uid} == {k: v for k, v in before.items() if k != uid}
    assert (ns.get("configmaps", "last-word") or {})["data"] == {"said": "before the end"}
    ns.pod("new")
    ns.ready("new")


def test_docker_is_restarted(whole: Cluster, ns: Namespace) -> None:
    ns.apply(deployment("web", 3, command=["sh", "-c", SERVES]))
    ns.pod("alone", tolerations=FOR_EVER)
    wait_for(lambda: len(ns.ready_pods("app=web")) == 3, 30, "three pods are ready")
    ns.ready("alone")
    began = time.monotonic()
    ns.host.dockerd.stop()
    ns.host.dockerd.start()

    def recovered() -> bool:
        found = [*ns.ready_pods("app=web"), *(pod for pod in [ns.get("pods", "alone")] if pod and is_ready(pod))]
        return len(found) == 4 and all(state(pod)["restartCount"] >= 1 for pod in found)

    wait_for(recovered, 60, "all pods are ready again")
    log.info("Docker was restarted: pods recovered after %.1f s", time.monotonic() - began)
    for pod in ns.ready_pods("app=web"):
        address = f"http://{pod['status']['podIP']}:8080/"
        assert ns.host.http(address) == (200, pod["metadata"]["name"] + "\n")


def test_everything_is_killed_at_once(whole: Cluster, ns: Namespace) -> None:
    """A machine that loses its power: no process gets to say good-bye."""
    ns.apply(deployment("web", 3))
    wait_for(lambda: len(ns.ready_pods("app=web")) == 3, 30, "three pods are ready")
    names = {pod["metadata"]["name"] for pod in ns.ready_pods("app=web")}
    for name in ("master", "node-1", "node-2", "node-3"):
        whole.kill(name)
    ns.host.dockerd.kill()
    ns.host.dockerd.start()
    whole.up("--quiet")
    whole.wait_nodes_ready(60)

    def recovered() -> bool:
        found = ns.ready_pods("app=web")
        return {pod["metadata"]["name"] for pod in found} == names and all(state(p)["restartCount"] for p in found)

    wait_for(recovered, 60, "the same pods are ready again")
    for pod in ns.ready_pods("app=web"):
        assert ns.host.http(f"http://{pod['status']['podIP']}:8080/")[0] == 200


def test_docker_hangs_and_comes_back(whole: Cluster, ns: Namespace) -> None:
    ns.pod("p", tolerations=FOR_EVER)
    before = ns.ready("p")
    ns.host.dockerd.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: whole.node_ready("node-1") == "False", 40, "the node says that it is not ready")
        node = whole.get("nodes", "node-1") or {}
        message = next(c["message"] for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert "container runtime is down" in message
    finally:
        ns.host.dockerd.signal(signal.SIGCONT)
    whole.wait_nodes_ready()
    after = ns.ready("p")
    assert (container_id(after), state(after)["restartCount"]) == (container_id(before), 0)
