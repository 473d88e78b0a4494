"""Whether the node takes a pod at all: asked once, before anything of it is made. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from timonel.api.types import core_v1

SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
"""What a pod may set without doing harm to others. Source: Kubernetes' documentation of sysctls."""

_OF_NETWORK = ("net.",)
_OF_IPC = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the node does not take a pod, in the kubelet's words."""

    reason: str
    message: str


def refusal(pod: core_v1.Pod, unsafe_sysctls: Sequence[str]) -> Refusal | None:
    """Why the node does not take the pod, if it does not.

    ``unsafe_sysctls`` are those that the node allows beside the safe ones: names, or beginnings that end in ``*``.
    """
    if pod.spec.os is not None and pod.spec.os.name != "linux":
        return Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    forbidden = next(_forbidden_sysctls(pod.spec, unsafe_sysctls), None)
    return Refusal("SysctlForbidden", f"forbidden sysctl: {forbidden}") if forbidden else None


def _forbidden_sysctls(spec: core_v1.PodSpec, unsafe: Sequence[str]) -> Iterator[str]:
    for sysctl in spec.securityContext.sysctls if spec.securityContext is not None else ():
        name = sysctl.name.replace("/", ".")
        if spec.hostNetwork and name.startswith(_OF_NETWORK):
            yield f'"{name}" not allowed with host net enabled'
        elif spec.hostIPC and name.startswith(_OF_IPC):
            yield f'"{name}" not allowed with host ipc enabled'
        elif name not in SAFE_SYSCTLS and not any(fnmatchcase(name, pattern) for pattern in unsafe):
            yield f'"{name}" not allowlisted'
