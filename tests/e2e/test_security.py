"""What a container may do."""

from __future__ import annotations

import pytest
from whole_cluster import OTHER_RUNTIME, Namespace, state, waiting

SYS_RESOURCE = 24
"""The number of CAP_SYS_RESOURCE. Source: capabilities(7), linux/capability.h."""


def has_all_capabilities() -> bool:
    """Whether this machine may give a container every capability."""
    from pathlib import Path

    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    return bool(int(line.split()[1], 16) >> SYS_RESOURCE & 1)


def test_users_groups_and_file_systems(ns: Namespace) -> None:
    ns.pod(
        "p",
        "id -u; id -g; id -G; touch /x 2>&1; touch /data/y; stat -c %g /data/y; sleep 1000",
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
        volumes=[{"name": "data", "emptyDir": {}}],
        securityContext={"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000]},
    )
    ns.ready("p")
    user, group, groups, refused, owner = ns.lines("p", 5)
    assert (user, group, owner) == ("1000", "3000", "2000")
    assert set(groups.split()) == {"3000", "2000", "4000"}
    assert "Permission denied" in refused


def test_capabilities_and_a_read_only_root(ns: Namespace) -> None:
    shows = "grep CapEff /proc/self/status; touch /x 2>&1; grep NoNewPrivs /proc/self/status; sleep 1000"
    none = {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, "readOnlyRootFilesystem": True}
    spec = {"name": "c", "image": "busybox:1.35.0", "command": ["sh", "-c", shows]}
    ns.pod("p", containers=[{**spec, "securityContext": {**none, "allowPrivilegeEscalation": False}}])
    ns.ready("p")
    capabilities, refused, escalation = ns.lines("p", 3)
    assert int(capabilities.split()[1], 16) == 1 << 10
    assert "Read-only file system" in refused
    assert escalation.split() == ["NoNewPrivs:", "1"]


def test_root_is_refused_where_the_pod_says_so(ns: Namespace) -> None:
    ns.pod("p", securityContext={"runAsNonRoot": True})
    pod = ns.wait_pod("p", lambda pod: waiting(pod) == "CreateContainerConfigError")
    assert "container has runAsNonRoot and image will run as root" in state(pod)["state"]["waiting"]["message"]


@pytest.mark.skipif(not has_all_capabilities(), reason="this machine lacks CAP_SYS_RESOURCE: no privileged containers")
def test_privileged(ns: Namespace) -> None:
    spec = {"name": "c", "image": "busybox:1.35.0", "command": ["sh", "-c", "mount -t tmpfs x /mnt && sleep 1000"]}
    ns.pod("p", containers=[{**spec, "securityContext": {"privileged": True}}])
    ns.ready("p")


def test_a_runtime_class_chooses_the_runtime_of_the_whole_pod(ns: Namespace) -> None:
    for name, handler in ((f"{ns.name}-known", OTHER_RUNTIME), (f"{ns.name}-unknown", "nobody")):
        kind = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"}
        ns.apply({**kind, "metadata": {"name": name}, "handler": handler})
        ns.pod(name, runtimeClassName=name)
    pod = ns.ready(f"{ns.name}-known")
    mine = f"label=timonel.io/pod-uid={pod['metadata']['uid']}"
    runtimes = ns.host.docker("inspect", "-f", "{{.HostConfig.Runtime}}", *ns.host.docker("ps", "-qf", mine).split())
    assert runtimes.split() == [OTHER_RUNTIME] * 2
    ns.wait_event("FailedCreatePodSandBox", "nobody")
    ns.cluster.kubectl("delete", "runtimeclasses", f"{ns.name}-known", f"{ns.name}-unknown")


def test_processes_are_shared_where_the_pod_says_so(ns: Namespace) -> None:
    ns.pod("shared", "sleep 12345", shareProcessNamespace=True)
    ns.pod("apart", "sleep 12345")
    ns.ready("shared")
    ns.ready("apart")
    assert "pause" in ns.exec("shared", "ps -o args")
    assert "pause" not in ns.exec("apart", "ps -o args")


def test_seccomp_and_oom_scores(ns: Namespace) -> None:
    ns.pod("p", "grep Seccomp: /proc/self/status; cat /proc/self/oom_score_adj; sleep 1000",
           securityContext={"seccompProfile": {"type": "RuntimeDefault"}})  # fmt: skip
    ns.ready("p")
    seccomp, score = ns.lines("p", 2)
    assert seccomp.split() == ["Seccomp:", "2"]
    assert score == "1000", "a BestEffort pod goes first"
