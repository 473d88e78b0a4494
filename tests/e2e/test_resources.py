"""What containers may use: in their cgroups, and changed while they run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from whole_cluster import Namespace, Object, container_id, state


def cgroup(ns: Namespace, pod: Object, controller: str, file: str) -> str:
    """A value of the container's cgroup, version 1 or 2."""
    pid = ns.host.docker("inspect", "-f", "{{.State.Pid}}", container_id(pod))
    paths = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    found = next((path for names, path in paths.items() if controller in names.split(",")), None)
    if found is None:
        pytest.skip(f"no cgroup v1 controller {controller} on this machine")
    return (Path("/sys/fs/cgroup") / controller / found.lstrip("/") / file).read_text().strip()


def test_resources_reach_the_cgroups(ns: Namespace) -> None:
    limits = {"cpu": "500m", "memory": "64Mi"}
    ns.pod("burst", resources={"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": limits})
    ns.pod("sure", resources={"limits": limits})
    pod = ns.ready("burst")
    assert pod["status"]["qosClass"] == "Burstable"
    assert cgroup(ns, pod, "cpu", "cpu.shares") == "102"
    assert cgroup(ns, pod, "cpu", "cpu.cfs_quota_us") == "50000"
    assert cgroup(ns, pod, "cpu", "cpu.cfs_period_us") == "100000"
    assert cgroup(ns, pod, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert cgroup(ns, pod, "memory", "memory.memsw.limit_in_bytes") == str(64 << 20), "a limit is no leave to swap"
    assert ns.ready("sure")["status"]["qosClass"] == "Guaranteed"


def asking(cpu: str, memory: str, most_cpu: str = "1") -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": "16Mi"}, "limits": {"cpu": most_cpu, "memory": memory}}


def resize(ns: Namespace, name: str, resources: dict[str, Any]) -> str:
    """What kubectl says."""
    patch = {"spec": {"containers": [{"name": "c", "resources": resources}]}}
    return ns.kubectl("patch", "pod", name, "--subresource=resize", "-p", json.dumps(patch), check=False)


def condition(pod: Object, kind: str) -> Object:
    """A condition; empty when there is none."""
    return next((c for c in pod["status"]["conditions"] if c["type"] == kind), {})


def has(pod: Object, resources: dict[str, Any]) -> bool:
    """Whether the container has these by its status, and no resize is under way."""
    under_way = condition(pod, "PodResizePending") or condition(pod, "PodResizeInProgress")
    return state(pod).get("resources") == resources and not under_way


@pytest.mark.kubectl(min="1.32")
def test_a_pod_is_resized_in_place(ns: Namespace) -> None:
    ns.pod("p", resources=asking("100m", "64Mi"))
    before = ns.ready("p")
    assert "patched" in resize(ns, "p", asking("250m", "128Mi", "500m"))
    pod = ns.wait_pod("p", lambda pod: has(pod, asking("250m", "128Mi", "500m")))
    assert (container_id(pod), state(pod)["restartCount"]) == (container_id(before), 0)
    assert state(pod)["allocatedResources"] == {"cpu": "250m", "memory": "16Mi"}
    assert cgroup(ns, pod, "cpu", "cpu.shares") == "256"
    assert cgroup(ns, pod, "cpu", "cpu.cfs_quota_us") == "50000"
    assert cgroup(ns, pod, "memory", "memory.limit_in_bytes") == str(128 << 20)

    ns.exec("p", "dd if=/dev/zero of=/dev/shm/fill bs=1M count=40 2>/dev/null")
    resize(ns, "p", asking("250m", "20Mi", "500m"))
    pod = ns.wait_pod("p", lambda pod: condition(pod, "PodResizeInProgress").get("reason") == "Error")
    assert cgroup(ns, pod, "memory", "memory.limit_in_bytes") == str(128 << 20), "it uses more than that"
    ns.exec("p", "rm /dev/shm/fill")
    pod = ns.wait_pod("p", lambda pod: has(pod, asking("250m", "20Mi", "500m")))
    assert container_id(pod) == container_id(before)


@pytest.mark.kubectl(min="1.32")
def test_a_resize_restarts_where_its_policy_says_so(ns: Namespace) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    ns.pod("p", resources=asking("100m", "64Mi"), resizePolicy=policy)
    ns.ready("p")
    resize(ns, "p", asking("200m", "64Mi"))
    assert state(ns.wait_pod("p", lambda pod: has(pod, asking("200m", "64Mi"))))["restartCount"] == 0
    resize(ns, "p", asking("200m", "96Mi"))
    pod = ns.wait_pod("p", lambda pod: state(pod)["restartCount"] == 1 and has(pod, asking("200m", "96Mi")))
    assert cgroup(ns, pod, "memory", "memory.limit_in_bytes") == str(96 << 20)
    ns.wait_event("Killing", "Container c resize requires restart")


@pytest.mark.kubectl(min="1.32")
def test_resizes_that_cannot_be(ns: Namespace) -> None:
    ns.pod("p", resources={"requests": {"cpu": "100m"}})
    before = ns.ready("p")
    said = resize(ns, "p", {"requests": {"cpu": "100m", "memory": "1Mi"}, "limits": {"cpu": "100m", "memory": "1Mi"}})
    assert "Pod QOS Class may not change as a result of resizing" in said
    resize(ns, "p", {"requests": {"cpu": "1000"}})
    pod = ns.wait_pod("p", lambda pod: condition(pod, "PodResizePending"))
    assert condition(pod, "PodResizePending")["reason"] == "Infeasible"
    assert "requested: 1000000" in condition(pod, "PodResizePending")["message"]
    assert state(pod)["resources"] == state(before)["resources"]
    assert cgroup(ns, pod, "cpu", "cpu.shares") == "102"
    resize(ns, "p", {"requests": {"cpu": "50m"}})
    ns.wait_pod("p", lambda pod: has(pod, {"requests": {"cpu": "50m"}}))
