"""Resources and security contexts."""

from pathlib import Path
from typing import Any

import pytest

from node_agent.resources import container_resources, cpu_quota, cpu_shares
from node_agent.runtimes.base import RuntimeFailure
from node_agent.security import container_security, verify_non_root

GIB = 1 << 30


@pytest.mark.parametrize(("milli", "shares"), [(0, 2), (1, 2), (100, 102), (1000, 1024), (10**9, 262144)])
def test_cpu_shares(milli: int, shares: int) -> None:
    assert cpu_shares(milli) == shares


@pytest.mark.parametrize(("milli", "quota"), [(1, 1000), (500, 50000), (2000, 200000)])
def test_cpu_quota(milli: int, quota: int) -> None:
    assert cpu_quota(milli) == quota


@pytest.mark.parametrize(
    ("resources", "score"),
    [
        ({}, 1000),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, -997),
        ({"requests": {"memory": "4Gi"}}, 500),
        ({"requests": {"cpu": "1"}}, 999),
        ({"requests": {"memory": "8191Mi"}}, 3),
    ],
)
def test_oom_scores(build: Any, resources: dict[str, Any], score: int) -> None:
    pod = build.pod({"resources": resources})
    assert container_resources(pod, pod.spec.containers[0], 8 * GIB).oom_score_adj == score


def test_limits_become_the_runtime_s(build: Any) -> None:
    pod = build.pod({"resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}}})
    found = container_resources(pod, pod.spec.containers[0], 8 * GIB, 100)
    assert (found.cpu_shares, found.cpu_quota, found.cpu_period) == (256, 150000, 100000)
    assert (found.memory_bytes, found.pids) == (64 << 20, 100)


def secure(build: Any, pod: dict[str, Any], container: dict[str, Any], root: Path = Path("/none")) -> Any:
    made = build.pod({"securityContext": container}, securityContext=pod)
    return container_security(made, made.spec.containers[0], root)


def test_the_container_s_context_comes_before_the_pod_s(build: Any) -> None:
    shared = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 7, "supplementalGroups": [5, 6]}
    found = secure(
        build, shared, {"runAsUser": 2000, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
    )
    assert (found.user, list(found.groups)) == ("2000:1000", [5, 6, 7])
    assert (found.no_new_privileges, found.read_only_root) == (True, True)
    assert secure(build, {}, {}).user == ""
    assert secure(build, {"runAsGroup": 3}, {}).user == "0:3"


def test_privileged_keeps_its_powers(build: Any) -> None:
    found = secure(build, {}, {"privileged": True, "allowPrivilegeEscalation": False})
    assert (found.privileged, found.no_new_privileges) == (True, False)


def test_seccomp(build: Any, tmp_path: Path) -> None:
    assert secure(build, {}, {}).seccomp == "unconfined"
    assert secure(build, {"seccompProfile": {"type": "RuntimeDefault"}}, {}).seccomp == ""
    (tmp_path / "p.json").write_text("{}")
    local = {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}
    assert secure(build, {}, local, tmp_path).seccomp == "{}"
    outside = {"seccompProfile": {"type": "Localhost", "localhostProfile": "../../etc/passwd"}}
    with pytest.raises(RuntimeFailure, match="is outside of"):
        secure(build, {}, outside, tmp_path)


@pytest.mark.parametrize(
    ("context", "image_user", "words"),
    [
        ({"runAsNonRoot": True}, "", "image will run as root"),
        ({"runAsNonRoot": True}, "0:0", "image will run as root"),
        ({"runAsNonRoot": True}, "app", "non-numeric user (app)"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "1000", "runAsUser breaks non-root policy"),
        ({"runAsNonRoot": True}, "1000", ""),
        ({"runAsNonRoot": True, "runAsUser": 5}, "", ""),
        ({}, "", ""),
    ],
)
def test_root_is_refused_where_it_must_be(build: Any, context: dict[str, Any], image_user: str, words: str) -> None:
    pod = build.pod({"securityContext": context})
    if not words:
        verify_non_root(pod, pod.spec.containers[0], image_user)
        return
    with pytest.raises(RuntimeFailure) as raised:
        verify_non_root(pod, pod.spec.containers[0], image_user)
    assert words in raised.value.message
