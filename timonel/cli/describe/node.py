"""Describes nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from timonel.api.podresources import amount, requests
from timonel.api.quantity import NANOS, Quantity
from timonel.api.types import core_v1
from timonel.cli.describe.containers import quantities
from timonel.cli.describe.generic import notes
from timonel.cli.describe.page import NONE, Page, moment
from timonel.cli.describe.pod import taints

ROLE = "node-role.kubernetes.io/"


def node(page: Page, obj: core_v1.Node, pods: Sequence[core_v1.Pod]) -> None:
    """What it is, how it does, what it has, and what `pods` take of that."""
    metadata, spec, status = obj.metadata, obj.spec, obj.status
    roles = sorted(label.removeprefix(ROLE) for label in metadata.labels if label.startswith(ROLE))
    page.field(0, "Name", metadata.name)
    page.field(0, "Roles", ",".join(roles) or NONE)
    page.mapping(0, "Labels", metadata.labels)
    page.mapping(0, "Annotations", notes(metadata.annotations), sign=": ")
    page.field(0, "CreationTimestamp", moment(metadata.creationTimestamp))
    page.field(0, "Taints", taints(spec.taints))
    page.field(0, "Unschedulable", str(bool(spec.unschedulable)).lower())
    page.line(0, "Conditions:")
    head = ["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"]
    page.table(1, [head, *map(_condition, status.conditions)])
    page.line(0, "Addresses:")
    for address in status.addresses:
        page.field(1, address.type, address.address)
    quantities(page, 0, "Capacity", status.capacity)
    quantities(page, 0, "Allocatable", status.allocatable)
    _system(page, status.nodeInfo)
    page.fields(0, [("PodCIDR", spec.podCIDR), ("PodCIDRs", ",".join(spec.podCIDRs))])
    _pods(page, [pod for pod in pods if pod.status.phase not in ("Succeeded", "Failed")], obj)


def _condition(condition: core_v1.NodeCondition) -> list[str]:
    times = (moment(condition.lastHeartbeatTime), moment(condition.lastTransitionTime))
    return [condition.type, condition.status, *times, condition.reason or "", condition.message]


def _system(page: Page, info: core_v1.NodeSystemInfo | None) -> None:
    if info is None:
        return
    page.line(0, "System Info:")
    for name, value in (
        ("Machine ID", info.machineID),
        ("System UUID", info.systemUUID),
        ("Boot ID", info.bootID),
        ("Kernel Version", info.kernelVersion),
        ("OS Image", info.osImage),
        ("Operating System", info.operatingSystem),
        ("Architecture", info.architecture),
        ("Container Runtime Version", info.containerRuntimeVersion),
        ("Kubelet Version", info.kubeletVersion),
    ):
        page.field(1, name, value)


def _pods(page: Page, pods: Sequence[core_v1.Pod], obj: core_v1.Node) -> None:
    """The pods and their shares, and the sums."""
    page.field(0, "Non-terminated Pods", f"({len(pods)} in total)")
    rows = [["Namespace", "Name", "CPU Requests", "Memory Requests"]]
    total = {"cpu": 0, "memory": 0}
    for pod in pods:
        amounts = requests(pod.spec)
        total = {name: total[name] + amounts.get(name, 0) for name in total}
        rows.append([pod.metadata.namespace, pod.metadata.name, *_shares(amounts, obj)])
    page.table(1, rows)
    page.line(0, "Allocated resources:")
    cpu, memory = _shares(total, obj)
    page.table(1, [["Resource", "Requests"], ["cpu", cpu], ["memory", memory]])


def _shares(amounts: Mapping[str, int], obj: core_v1.Node) -> tuple[str, str]:
    """CPU and memory, each with its share of what the node has for pods."""
    has = {name: amount(name, obj.status.allocatable.get(name, Quantity("0"))) for name in ("cpu", "memory")}
    cpu, memory = amounts.get("cpu", 0), amounts.get("memory", 0)
    texts = (str(Quantity.milli(cpu)), str(Quantity.of(memory * NANOS, "binary")))
    shares = (used * 100 // has[name] if has[name] else 0 for name, used in (("cpu", cpu), ("memory", memory)))
    first, second = (f"{text} ({share}%)" for text, share in zip(texts, shares, strict=True))
    return first, second
