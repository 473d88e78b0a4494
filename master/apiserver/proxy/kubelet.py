"""What nodes say of themselves under `nodes/<name>/proxy`.

Nodes here open no port: the master answers for them, of what they report, and passes on what only they can tell.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from master.registry.objects import Sources
from master.registry.usage import Amount, NodeUsage, PodUsage
from timonel.api import codec, time
from timonel.api.errors import MethodNotAllowed, NotFound
from timonel.api.types import core_v1

PORT = 10250
"""Where a kubelet would listen; the only port of a node that the master answers for."""

_PERMISSIONS = {
    "stats": "stats",
    "metrics": "metrics",
    "logs": "log",
    "healthz": "healthz",
    "pods": "pods",
    "runningpods": "pods",
    "configz": "configz",
}
_SERVED = "configz, containerLogs, healthz, metrics, metrics/cadvisor, metrics/resource, pods, stats/summary"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"

ContainerLog = Callable[[web.BaseRequest, core_v1.Pod, str], Awaitable[web.StreamResponse]]
"""Answers with the log of a pod's container."""


def permission_of(path: str) -> str:
    """The subresource of nodes that is enough to read a path; empty where only `proxy` is."""
    return _PERMISSIONS.get(path.strip("/").split("/")[0], "")


@dataclass(frozen=True, slots=True)
class _Usage:
    """What a node has reported of its use, if it has."""

    node: NodeUsage | None
    pods: Sequence[PodUsage]


class Kubelet:
    """Answers for all nodes.

    Args:
        sources: the pods of a node, and what it uses.
        container_log: reads logs from nodes.
    """

    def __init__(self, sources: Sources, container_log: ContainerLog) -> None:
        self._sources = sources
        self._container_log = container_log

    async def serve(self, http: web.BaseRequest, node: core_v1.Node, path: str) -> web.StreamResponse:
        """Answer a request for a path of a node.

        Raises:
            NotFound: nodes here have nothing at that path.
            MethodNotAllowed: they can only be read.
        """
        if http.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("nodes/proxy", http.method)
        name = node.metadata.name or ""
        match path.strip("/").split("/"):
            case ["healthz", *_]:
                return _health(node)
            case ["pods"] | ["runningpods"]:
                return _json(self._pods(name))
            case ["configz"]:
                return _json(_configuration())
            case ["stats", "summary"] | ["stats"]:
                return _json(summary(name, self._usage(name)))
            case ["metrics", "resource" | "cadvisor" as form]:
                return web.Response(text=metrics(self._usage(name), form), headers={"Content-Type": _TEXT})
            case ["metrics"]:
                return web.Response(text=_own_metrics(self._pods(name)["items"]), headers={"Content-Type": _TEXT})
            case ["containerLogs", namespace, pod_name, container]:
                pod = self._sources.reader.cached(core_v1.Pod, namespace, pod_name)
                if pod is None or pod.spec.nodeName != name:
                    raise NotFound("pods", pod_name)
                return await self._container_log(http, pod, container)
        refusal = NotFound("nodes", name)
        refusal.message = f"nodes have nothing at {path or '/'}; they serve {_SERVED}"
        raise refusal

    def _pods(self, node: str) -> dict[str, Any]:
        mine = [pod for pod in self._sources.reader.all_cached(core_v1.Pod) if pod.spec.nodeName == node]
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": mine}

    def _usage(self, name: str) -> _Usage:
        known = self._sources.usage
        if known is None:
            return _Usage(None, ())
        node = next((usage for usage in known.nodes() if usage.node == name), None)
        return _Usage(node, [usage for usage in known.pods() if usage.node == name])


def _json(document: Any) -> web.Response:
    return web.Response(body=codec.encode(document), headers={"Content-Type": "application/json"})


def _health(node: core_v1.Node) -> web.Response:
    """`ok` while the node is heard of."""
    ready = next((each for each in node.status.conditions if each.type == "Ready"), None)
    if ready is None or ready.status == "Unknown":
        return web.Response(status=503, text=f"node {node.metadata.name} is not heard of")
    return web.Response(text="ok")


def _configuration() -> dict[str, Any]:
    """What of a kubelet's configuration means something here."""
    return {
        "kubeletconfig": {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "port": PORT,
            "readOnlyPort": 0,
            "clusterDomain": "cluster.local",
            "authentication": {"anonymous": {"enabled": False}},
        }
    }


def summary(node: str, usage: _Usage) -> dict[str, Any]:
    """`/stats/summary`, of what is measured.

    Source: https://kubernetes.io/docs/reference/instrumentation/node-metrics/
    """
    own = _stats(usage.node.usage, time.text(usage.node.taken)) if usage.node else {}
    pods = [
        {
            "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            **_stats(_sum(pod.containers.values()), time.text(pod.taken)),
            "containers": [
                {"name": name, **_stats(amount, time.text(pod.taken))} for name, amount in pod.containers.items()
            ],
        }
        for pod in usage.pods
    ]
    return {"node": {"nodeName": node, **own}, "pods": pods}


def _stats(amount: Amount, taken: str) -> dict[str, Any]:
    return {
        "cpu": {"time": taken, "usageNanoCores": amount.cpu_nanocores},
        "memory": {"time": taken, "workingSetBytes": amount.memory_bytes},
    }


def _sum(amounts: Iterable[Amount]) -> Amount:
    found = list(amounts)
    return Amount(sum(each.cpu_nanocores for each in found), sum(each.memory_bytes for each in found))


def metrics(usage: _Usage, form: str) -> str:
    """`/metrics/resource` and `/metrics/cadvisor` in Prometheus' format: memory, which is all that is known as it is
    now. CPU seconds are not: nodes report what they used a second, not in all.
    """
    name = "container_memory_working_set_bytes"
    lines = [f"# TYPE {name} gauge"]
    for pod in usage.pods:
        for container, amount in pod.containers.items():
            labels = {"container": container, "namespace": pod.namespace, "pod": pod.name}
            text = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
            lines.append(f"{name}{{{text}}} {amount.memory_bytes}")
    if form == "resource" and usage.node:
        lines += ["# TYPE node_memory_working_set_bytes gauge"]
        lines += [f"node_memory_working_set_bytes {usage.node.usage.memory_bytes}"]
    return "\n".join([*lines, ""])


def _own_metrics(pods: Sequence[core_v1.Pod]) -> str:
    running = sum(pod.status.phase == "Running" for pod in pods)
    return f"# TYPE kubelet_running_pods gauge\nkubelet_running_pods {running}\n"
