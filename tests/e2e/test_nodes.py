"""Who may join as a node, and as which."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from further_node import NODE, agent, agent_command, token
from whole_cluster import Cluster, Namespace, wait_for


def refused(cluster: Cluster, state: Path, options: list[str]) -> str:
    """What an agent says that cannot join."""
    done = cluster.host.run(*agent_command(cluster, "stranger", state, *options), check=False, seconds=20)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert cluster.get("nodes", "stranger") is None
    return done.stdout + done.stderr


def join(cluster: Cluster, name: str, state: Path, options: list[str]) -> None:
    """Let an agent join, wait until its node is there, stop it and remove the node."""
    command = cluster.host.command(*agent_command(cluster, name, state, *options))
    agent = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=cluster.host.env)
    try:
        wait_for(lambda: cluster.node_ready(name) == "True", 20, f"{name} is ready")
    finally:
        agent.terminate()
        agent.wait(10)
    cluster.kubectl("delete", "node", name)


def test_a_further_node_joins_with_limits_of_its_own(ns: Namespace, tmp_path: Path) -> None:
    with agent(ns.cluster, tmp_path, "--pod-max-pids", "50"):
        ns.pod("p", nodeSelector={"kubernetes.io/hostname": NODE}, labels={"app": "p"})
        address = ns.ready("p")["status"]["podIP"]
        assert address in ns.exec("p", "ip -4 addr show eth0")
        assert ns.exec("p", "cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max").strip() == "50"
        ns.delete("pods", "p")
        ns.gone("p")


def test_tokens_that_are_no_good(cluster: Cluster, tmp_path: Path) -> None:
    good = token(cluster)
    for wrong in ("abcdef.0123456789abcdef", "nonsense"):
        assert "token" in refused(cluster, tmp_path, ["--join-token", wrong, *good[2:]])


def test_a_token_that_is_used_up(cluster: Cluster, tmp_path: Path) -> None:
    once = token(cluster, "--uses", "1")
    join(cluster, "first", tmp_path / "first", once)
    assert "used" in refused(cluster, tmp_path / "second", once)


def test_a_token_that_has_expired(cluster: Cluster, tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": "bootstrap-token-aaaaaa", "namespace": "kube-system"},
        "stringData": {
            "token-id": "aaaaaa",
            "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
            "expiration": "2020-01-01T00:00:00Z",
        },
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
    late = ["--join-token", "aaaaaa.0123456789abcdef", *token(cluster)[2:]]
    said = refused(cluster, tmp_path, late)
    assert "expired" in said or "deleted" in said, "expired tokens are removed after a while"
    cluster.kubectl("delete", "secret", "-n", "kube-system", "bootstrap-token-aaaaaa", "--ignore-not-found")


def test_a_master_with_another_authority_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    good = token(cluster)
    assert "CA" in refused(cluster, tmp_path, [*good[:2], "--ca-pin", "sha256:" + "0" * 64])


def test_a_node_with_another_nodes_certificate_gets_no_session(cluster: Cluster, tmp_path: Path) -> None:
    shutil.copytree(cluster.root / "nodes" / "node-1" / "pki", tmp_path / "thief" / "pki")
    command = agent_command(cluster, "node-2", tmp_path / "thief")
    log = tmp_path / "log"
    with log.open("wb") as output:
        thief = subprocess.Popen(cluster.host.command(*command), stdout=output, stderr=output, env=cluster.host.env)
    try:
        wait_for(lambda: "no session with" in log.read_text(), 20, "the session is refused")
        assert "node-1" in log.read_text()
    finally:
        thief.terminate()
        thief.wait(10)
    node = cluster.get("nodes", "node-2") or {}
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("docker://")
    cluster.wait_nodes_ready()
