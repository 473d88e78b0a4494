"""The Node as the agent sees it: capacity, conditions, addresses, system, images and labels."""

import os
import platform
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from node_agent.runtimes.base import Image, RuntimeInfo
from node_agent.usage import memory_info
from timonel.api import codec
from timonel.api.quantity import Quantity
from timonel.api.time import text
from timonel.api.types import core_v1

KUBELET_VERSION = "v1.35.0+timonel"
MAX_IMAGES = 50
MAX_PODS = 110
MEMORY_PRESSURE_BYTES = 100 * 1024 * 1024
DISK_PRESSURE_PART = 0.10
"""Below so much free memory, or free part of the disk, there is pressure, by the kubelet's default thresholds."""

PID_PRESSURE_PART = 0.95

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What the agent was told of its node; None means what the machine has."""

    name: str
    state_dir: Path
    addresses: Sequence[str]
    cpus: float | None = None
    memory_bytes: int | None = None
    pods: int = MAX_PODS
    container_pids: int | None = None
    unsafe_sysctls: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    secrets_in_memory: bool = True
    """Whether Secrets and tokens are written to a tmpfs, never to a disk; a node that pretends needs none."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine says now."""

    cpus: float
    memory_bytes: int
    memory_free: int
    disk_bytes: int
    disk_free: int
    pids: int
    pids_most: int


@dataclass(frozen=True, slots=True)
class RuntimeState:
    """What the runtime says now: its info, or why there is none; and what keeps pods from having a network."""

    info: RuntimeInfo | None
    problem: str = ""
    network_problem: str = ""
    images: Sequence[Image] = ()


def read_machine(state_dir: Path) -> Machine:
    """Ask the kernel."""
    memory = memory_info()
    disk = shutil.disk_usage(state_dir)
    return Machine(
        cpus=float(len(os.sched_getaffinity(0))),
        memory_bytes=memory["MemTotal"],
        memory_free=memory["MemAvailable"],
        disk_bytes=disk.total,
        disk_free=disk.free,
        pids=int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2]),
        pids_most=int(Path("/proc/sys/kernel/pid_max").read_text()),
    )


def default_address() -> str:
    """The address that this machine uses to reach others; without a route, localhost's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def node_object(config: NodeConfig, status: core_v1.NodeStatus) -> core_v1.Node:
    """The Node as it is registered."""
    node = core_v1.Node(status=status)
    node.metadata.name = config.name
    arch = _ARCHITECTURES.get(platform.machine(), platform.machine())
    node.metadata.labels = {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": config.name,
        "kubernetes.io/os": "linux",
        **config.labels,
    }
    return node


def node_status(
    config: NodeConfig, machine: Machine, runtime: RuntimeState, now: datetime, before: core_v1.NodeStatus | None
) -> core_v1.NodeStatus:
    """The whole NodeStatus but for its heartbeat times; conditions that stay keep their transition time."""
    capacity = _capacity(config, machine)
    return core_v1.NodeStatus(
        addresses=[
            *(core_v1.NodeAddress(type="InternalIP", address=a) for a in config.addresses),
            core_v1.NodeAddress(type="Hostname", address=config.name),
        ],
        capacity=capacity,
        allocatable=dict(capacity),
        conditions=_conditions(machine, runtime, now, before),
        nodeInfo=_system(machine, runtime.info, before),
        images=[
            core_v1.ContainerImage(names=list(i.names), sizeBytes=i.size_bytes)
            for i in sorted(runtime.images, key=lambda i: i.size_bytes, reverse=True)[:MAX_IMAGES]
        ],
    )


def allocatable_amounts(status: core_v1.NodeStatus) -> dict[str, int]:
    """What limits default to in the downward API: cpu in thousandths of a core, the rest in whole units."""
    return {n: q.to_milli() if n == "cpu" else q.to_int() for n, q in status.allocatable.items()}


def _capacity(config: NodeConfig, machine: Machine) -> dict[str, Quantity]:
    cpus = machine.cpus if config.cpus is None else config.cpus
    memory = machine.memory_bytes if config.memory_bytes is None else config.memory_bytes
    return {
        "cpu": Quantity.milli(int(cpus * 1000)),
        "memory": Quantity(f"{memory // 1024}Ki"),
        "ephemeral-storage": Quantity(f"{machine.disk_bytes // 1024}Ki"),
        "pods": Quantity(str(config.pods)),
    }


def _conditions(
    machine: Machine, runtime: RuntimeState, now: datetime, before: core_v1.NodeStatus | None
) -> list[core_v1.NodeCondition]:
    conditions = [
        _pressure("Memory", machine.memory_free < MEMORY_PRESSURE_BYTES),
        _pressure("Disk", machine.disk_free < machine.disk_bytes * DISK_PRESSURE_PART),
        _pressure("PID", machine.pids > machine.pids_most * PID_PRESSURE_PART),
        _ready(runtime),
    ]
    known = {c.type: c for c in before.conditions} if before is not None else {}
    for condition in conditions:
        last = known.get(condition.type)
        kept = last.lastTransitionTime if last is not None and last.status == condition.status else None
        condition.lastTransitionTime = kept or text(now)
    return conditions


def changes(before: core_v1.NodeStatus | None, status: core_v1.NodeStatus) -> list[str]:
    """What has changed in the conditions, as the reasons of the kubelet's events: NodeReady and others."""
    known = {c.type: c.status for c in before.conditions} if before is not None else {}
    changed = (c for c in status.conditions if known.get(c.type) != c.status)
    return ["Node" + (c.reason or "").removeprefix("Kubelet") for c in changed]


def stamped(status: core_v1.NodeStatus, now: datetime) -> core_v1.NodeStatus:
    """The status as it is sent, with the time at which its conditions held."""
    sent = codec.copy(status)
    for condition in sent.conditions:
        condition.lastHeartbeatTime = text(now)
    return sent


_PRESSURES = {
    ("Memory", True): ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ("Memory", False): ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("Disk", True): ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ("Disk", False): ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PID", True): ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ("PID", False): ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


def _pressure(what: str, pressed: bool) -> core_v1.NodeCondition:
    reason, message = _PRESSURES[what, pressed]
    return core_v1.NodeCondition(
        type=f"{what}Pressure", status="True" if pressed else "False", reason=reason, message=message
    )


def _ready(runtime: RuntimeState) -> core_v1.NodeCondition:
    problems = []
    if runtime.info is None:
        problems.append(f"container runtime is down: {runtime.problem}")
    if runtime.network_problem:
        problems.append(f"container runtime network not ready: {runtime.network_problem}")
    if problems:
        return core_v1.NodeCondition(
            type="Ready", status="False", reason="KubeletNotReady", message="; ".join(problems)
        )
    text_ = "kubelet is posting ready status"
    return core_v1.NodeCondition(type="Ready", status="True", reason="KubeletReady", message=text_)


def _system(machine: Machine, info: RuntimeInfo | None, before: core_v1.NodeStatus | None) -> core_v1.NodeSystemInfo:
    if info is None and before is not None and before.nodeInfo.kubeletVersion:
        return before.nodeInfo
    return core_v1.NodeSystemInfo(
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        bootID=_read("/proc/sys/kernel/random/boot_id"),
        containerRuntimeVersion=f"{info.name}://{info.version}" if info is not None else "unknown",
        kernelVersion=platform.release(),
        kubeProxyVersion="",
        kubeletVersion=KUBELET_VERSION,
        machineID=_read("/etc/machine-id"),
        operatingSystem="linux",
        osImage=info.os_image if info is not None else "",
        systemUUID=_read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
