"""Specs as the Engine API's container configurations. Pure.

The Engine API is documented at docs.docker.com/reference/api/engine.
"""

from dataclasses import dataclass
from typing import Any

from node_agent.runtimes.base import PRIVATE, ContainerSpec, Mount, Resources, SandboxSpec, Security
from node_agent.runtimes.docker.names import SHARE_PROCESSES, Scope

_LOG_MAX_SIZE = "10m"
_LOG_MAX_FILES = "5"
"""The kubelet's defaults, containerLogMaxSize and containerLogMaxFiles."""
_SANDBOX_OOM_SCORE = -998
"""Below every container of its pod, as the kubelet has it."""
_SANDBOX_SHARES = 2
MAKE_NETWORK = ["net"]
"""The argument of pause.c."""

_DOCKER_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this machine's daemon lets us ask for."""

    own_network: bool
    """The pause program can make the network namespace itself, which Docker does much slower (see pause.c)."""
    negative_oom_score: bool


@dataclass(frozen=True, slots=True)
class Joins:
    """What a container takes from its pod's sandbox."""

    network: str
    ipc: str
    pid: str
    runtime: str = ""


def makes_network(spec: SandboxSpec, abilities: Abilities) -> bool:
    """Whether the pause program makes the network namespace."""
    return abilities.own_network and not spec.host_network


def network_sysctls(spec: SandboxSpec) -> dict[str, str]:
    """What to set in a namespace that the pause program made: Docker's own defaults, and the pod's wishes."""
    return {**_DOCKER_SYSCTLS, **{name: value for name, value in spec.sysctls.items() if name.startswith("net.")}}


def sandbox_config(scope: Scope, spec: SandboxSpec, image: str, abilities: Abilities) -> Config:
    """The sandbox: a pause container that holds the pod's namespaces."""
    own = makes_network(spec, abilities)
    host: Config = {
        "NetworkMode": "host" if own or spec.host_network else "none",
        "IpcMode": "host" if spec.host_ipc else "shareable",
        "PidMode": "host" if spec.host_pid else "",
        "CapDrop": ["ALL"],
        "CapAdd": ["SYS_ADMIN"] if own else [],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "LogConfig": {"Type": "none"},
        "CpuShares": _SANDBOX_SHARES,
        "OomScoreAdj": _oom_score(_SANDBOX_OOM_SCORE, abilities),
        "Sysctls": {k: v for k, v in spec.sysctls.items() if not (own and k.startswith("net."))},
        "Runtime": spec.handler,
    }
    share = {SHARE_PROCESSES: "true"} if spec.share_processes else {}
    return {
        "Image": image,
        "Cmd": MAKE_NETWORK if own else [],
        "Hostname": spec.hostname,
        "Labels": {**share, **scope.labels(spec.pod, spec.attempt)},
        "HostConfig": host,
    }


def joins(inspected: Config) -> Joins:
    """What containers of this inspected sandbox take from it."""
    here = f"container:{inspected['Id']}"
    host = inspected["HostConfig"]
    share = inspected["Config"]["Labels"].get(SHARE_PROCESSES) == "true"
    return Joins(
        network=here,
        ipc="host" if host.get("IpcMode") == "host" else here,
        pid="host" if host.get("PidMode") == "host" else here if share else "",
        runtime=host.get("Runtime", ""),
    )


def container_config(scope: Scope, spec: ContainerSpec, sandbox: Joins, abilities: Abilities) -> Config:
    """One container of a pod, in its sandbox's namespaces."""
    config: Config = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.env],
        "WorkingDir": spec.working_dir,
        "User": spec.security.user,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin_once,
        "Tty": spec.tty,
        "Labels": {**spec.labels, **scope.labels(spec.pod, spec.attempt, container=spec.name)},
        "HostConfig": {
            "NetworkMode": sandbox.network,
            "IpcMode": sandbox.ipc,
            "PidMode": f"container:{spec.joins}" if spec.joins else sandbox.pid,
            "Runtime": sandbox.runtime,
            "Mounts": [_mount(mount) for mount in spec.mounts],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": _LOG_MAX_SIZE, "max-file": _LOG_MAX_FILES}},
            **limits(spec.resources),
            **_security(spec.security),
        },
    }
    if spec.resources.oom_score_adj is not None:
        config["HostConfig"]["OomScoreAdj"] = _oom_score(spec.resources.oom_score_adj, abilities)
    if spec.command:
        config["Entrypoint"] = list(spec.command)
    if spec.args:
        config["Cmd"] = list(spec.args)
    if spec.stop_signal:
        config["StopSignal"] = spec.stop_signal
    return config


def limits(resources: Resources) -> Config:
    """Limits for create and update. Swap is part of the memory limit: Docker would allow as much again of it."""
    wanted = {
        "CpuShares": resources.cpu_shares,
        "CpuQuota": resources.cpu_quota,
        "CpuPeriod": resources.cpu_period,
        "Memory": resources.memory_bytes,
        "MemorySwap": resources.memory_bytes,
        "PidsLimit": resources.pids,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _oom_score(score: int, abilities: Abilities) -> int:
    return score if abilities.negative_oom_score else max(score, 0)


def _mount(mount: Mount) -> Config:
    """A bind mount. What is private is left to the daemon, which must let mounts of its own folder, as `/` is, in."""
    wanted = {"Type": "bind", "Source": mount.host_path, "Target": mount.container_path, "ReadOnly": mount.read_only}
    if mount.propagation == PRIVATE:
        return wanted
    return {**wanted, "BindOptions": {"Propagation": mount.propagation}}


def _security(security: Security) -> Config:
    options = ["no-new-privileges"] if security.no_new_privileges else []
    if security.seccomp:
        options.append(f"seccomp={security.seccomp}")
    config: Config = {
        "Privileged": security.privileged,
        "ReadonlyRootfs": security.read_only_root,
        "CapAdd": list(security.add_capabilities),
        "CapDrop": list(security.drop_capabilities),
        "GroupAdd": [str(group) for group in security.groups],
        "SecurityOpt": options,
    }
    if security.unmask_proc:
        config |= {"MaskedPaths": [], "ReadonlyPaths": []}
    return config
