"""Puts together what the runtime is given for a container and for a sandbox. Pure: all is resolved before."""

from collections.abc import Mapping, Sequence

from node_agent.env import command_line
from node_agent.observed import LABEL_BACKOFF, LABEL_IMAGE, LABEL_SANDBOX_ATTEMPT, LABEL_SPEC_HASH, pod_id
from node_agent.restarts import spec_hash
from node_agent.runtimes.base import ContainerSpec, HostPort, Image, Mount, Resources, SandboxSpec, Security
from node_agent.steps import CreateContainer
from timonel.api.types import core_v1


def container_spec(
    pod: core_v1.Pod,
    container: core_v1.Container,
    step: CreateContainer,
    *,
    image: Image,
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    resources: Resources,
    security: Security,
    joins: str = "",
) -> ContainerSpec:
    """The container with its journal in its labels."""
    return ContainerSpec(
        pod=pod_id(pod),
        name=container.name,
        attempt=step.attempt,
        image=container.image,
        command=command_line(container.command, env),
        args=command_line(container.args, env),
        env=list(env.items()),
        working_dir=container.workingDir,
        mounts=mounts,
        resources=resources,
        security=security,
        joins=joins,
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdinOnce),
        tty=bool(container.tty),
        stop_signal=(container.lifecycle.stopSignal or "") if container.lifecycle is not None else "",
        labels={
            LABEL_SPEC_HASH: spec_hash(container),
            LABEL_BACKOFF: str(step.backoff),
            LABEL_SANDBOX_ATTEMPT: str(step.sandbox_attempt),
            LABEL_IMAGE: digest_of(container.image, image),
        },
    )


def digest_of(name: str, image: Image) -> str:
    """The image as repository@digest, that of ``name`` where it has several; empty when it came from no registry."""
    digests = [known for known in image.names if "@" in known]
    same = (known for known in digests if name.startswith(known.partition("@")[0]))
    return next(same, digests[0] if digests else "")


def sandbox_spec(pod: core_v1.Pod, attempt: int, hostname: str, handler: str) -> SandboxSpec:
    """The pod's sandbox."""
    context = pod.spec.securityContext
    return SandboxSpec(
        pod=pod_id(pod),
        hostname=hostname,
        host_network=bool(pod.spec.hostNetwork),
        host_ipc=bool(pod.spec.hostIPC),
        host_pid=bool(pod.spec.hostPID),
        share_processes=bool(pod.spec.shareProcessNamespace),
        sysctls={s.name: s.value for s in context.sysctls} if context is not None else {},
        attempt=attempt,
        handler=handler,
    )


def host_ports(pod: core_v1.Pod) -> list[HostPort]:
    """The node's ports that lead to the pod."""
    if pod.spec.hostNetwork:
        return []
    return [
        HostPort(port.protocol or "TCP", port.hostPort, port.containerPort, port.hostIP)
        for container in (*pod.spec.initContainers, *pod.spec.containers)
        for port in container.ports
        if port.hostPort
    ]
