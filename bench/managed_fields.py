"""What field ownership costs: microseconds a call of managed_fields for typical writes.

Run it as `python -m bench.managed_fields`.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import msgspec

from timonel.api import managed_fields
from timonel.api.types import core_v1

NOW = "2026-01-02T03:04:05Z"


def pod() -> dict[str, Any]:
    """A defaulted pod of about 3 KB."""
    container = {
        "image": "registry.example/shop/web:1.2.3",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": f"SETTING_{number}", "value": f"value-{number}"} for number in range(12)],
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"mountPath": "/etc/web", "name": "config"},
            {"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "token", "readOnly": True},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-7d4b9c6f5-x2x9p",
            "namespace": "shop",
            "uid": "7f1c9a52-0f6d-4a37-9a52-8a1f2f1d2b11",
            "creationTimestamp": NOW,
            "generateName": "web-7d4b9c6f5-",
            "labels": {"app": "web", "pod-template-hash": "7d4b9c6f5", "tier": "front"},
            "annotations": {"example.com/note": "x" * 200},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9c6f5", "uid": "abc"}],
        },
        "spec": {
            "containers": [{"name": "web", **container}, {"name": "sidecar", **container}],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}],
            "volumes": [{"name": "config", "configMap": {"name": "web", "defaultMode": 420}}],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }


def status(phase: str) -> dict[str, Any]:
    """A pod's status, as a node reports it."""
    return {
        "phase": phase,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": NOW}
            for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        ],
        "containerStatuses": [{"name": "web", "ready": True, "restartCount": 0, "image": "web:1.2.3"}],
        "podIP": "10.244.1.7",
        "podIPs": [{"ip": "10.244.1.7"}],
        "qosClass": "Burstable",
        "startTime": NOW,
    }


def main() -> None:
    """Measure and print."""

    def update(old: dict[str, Any] | None, new: dict[str, Any], who: str, subresource: str = "") -> dict[str, Any]:
        return managed_fields.update(
            core_v1.Pod, old, new, manager=who, now=NOW, subresource=subresource, api_version="v1"
        )

    def copy(value: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
        return result

    created = update(None, pod(), "kube-controller-manager")
    first = update(created, copy(created) | {"status": status("Running")}, "node-agent", "status")
    second = copy(first) | {"status": status("Failed")}
    relabelled = copy(first)
    relabelled["metadata"]["labels"]["more"] = "yes"
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": pod()["spec"]}
    print(f"the pod is {len(msgspec.json.encode(pod()))} bytes, with managedFields {len(msgspec.json.encode(first))}")
    cases: dict[str, Callable[[], object]] = {
        "create": lambda: update(None, pod_new, "kube-controller-manager"),
        "first status": lambda: update(created, first, "node-agent", "status"),
        "status update": lambda: update(first, second, "node-agent", "status"),
        "label added": lambda: update(first, relabelled, "kubectl-label"),
        "nothing changed": lambda: update(first, same, "kubectl-edit"),
        "server-side apply": lambda: managed_fields.apply(
            core_v1.Pod, first, applied, manager="me", force=True, now=NOW, api_version="v1"
        ),
    }
    pod_new, same = pod(), copy(first)
    for name, case in cases.items():
        best = min(timeit.repeat(case, number=500, repeat=7)) / 500
        print(f"{name:20} {best * 1e6:8.1f} µs")


if __name__ == "__main__":
    main()
