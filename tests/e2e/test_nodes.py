"""Who may join as a node, and as which."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from whole_cluster import TIMONEL, Cluster, wait_for


def agent(cluster: Cluster, name: str, state: Path, *options: str, seconds: float = 20) -> tuple[int, str]:
    """(exit code, output) of a node agent's own program; it must end by itself."""
    shape = json.loads((cluster.root / "cluster.json").read_text())
    command = [sys.executable, "-m", "node_agent", "--name", name, "--cluster", "e2e", "--runtime", "fake"]
    command += ["--state-dir", str(state), "--master", f"127.0.0.1:{shape['node_port']}"]
    command += ["--join", f"127.0.0.1:{shape['bootstrap_port']}", *options]
    done = cluster.host.run(*command, check=False, seconds=seconds)
    return done.returncode, done.stdout + done.stderr


def pin(cluster: Cluster) -> str:
    """The hash of the cluster's CA, as `join-token` prints it."""
    said = cluster.host.run(str(TIMONEL), "join-token", "--name", "e2e").stdout
    return next(word for word in said.split() if word.startswith("sha256:"))


def test_tokens_that_are_no_good(cluster: Cluster, tmp_path: Path) -> None:
    good = pin(cluster)
    for token, words in (("abcdef.0123456789abcdef", "token"), ("nonsense", "token")):
        code, said = agent(cluster, "stranger", tmp_path / "s", "--join-token", token, "--ca-pin", good)
        assert code != 0
        assert words in said
        assert "Traceback" not in said
    assert cluster.get("nodes", "stranger") is None


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
    options = ["--join-token", "aaaaaa.0123456789abcdef", "--ca-pin", pin(cluster)]
    code, said = agent(cluster, "late", tmp_path / "s", *options)
    assert code != 0
    assert "expired" in said
    cluster.kubectl("delete", "secret", "-n", "kube-system", "bootstrap-token-aaaaaa")


def test_a_master_with_another_authority_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    code, said = agent(
        cluster, "n", tmp_path / "s", "--join-token", "abcdef.0123456789abcdef", "--ca-pin", "sha256:" + "0" * 64
    )
    assert code != 0
    assert "CA" in said or "authority" in said


def test_a_node_with_another_nodes_certificate_gets_no_session(cluster: Cluster, tmp_path: Path) -> None:
    shutil.copytree(cluster.root / "nodes" / "node-1" / "pki", tmp_path / "thief" / "pki")
    shape = json.loads((cluster.root / "cluster.json").read_text())
    command = [sys.executable, "-m", "node_agent", "--name", "node-2", "--cluster", "thief", "--runtime", "fake"]
    command += ["--state-dir", str(tmp_path / "thief"), "--master", f"127.0.0.1:{shape['node_port']}"]
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
