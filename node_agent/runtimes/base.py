"""What the agent asks of a container runtime.

Every call is idempotent: what is done already is success. A pod is a sandbox (it holds the network and IPC namespaces
and the hostname) and the containers that join it. Labels on both are the agent's only journal: `Runtime.pods` reads it
back after a restart. Fake and Docker pass one suite, ``tests/contracts/test_runtime.py``.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class RuntimeFailure(Exception):
    """The runtime refused or failed. ``reason`` is a Kubernetes waiting reason (for instance CreateContainerError)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class RuntimeUnavailable(RuntimeFailure):
    """The runtime does not answer: absent, hung, or too old."""

    def __init__(self, message: str) -> None:
        super().__init__("RuntimeUnavailable", message)


class ImageFailure(RuntimeFailure):
    """An image cannot be had: ErrImagePull, InvalidImageName, ErrImageNeverPull."""


class NotRunning(RuntimeFailure):
    """The container that a call needs running is not."""


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """Who the runtime is, for the Node's status."""

    name: str
    version: str
    os_image: str


@dataclass(frozen=True, slots=True)
class PodId:
    """A pod on this node. Equal names with different uids are different pods."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What makes a pod's sandbox."""

    pod: PodId
    hostname: str
    host_network: bool = False
    host_ipc: bool = False
    host_pid: bool = False
    share_processes: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 0
    handler: str = ""
    """Which of the machine's low-level runtimes runs the pod, as its RuntimeClass says; empty is the usual one."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox as the runtime sees it. ``pid`` is its first process on the host, 0 when it does not run."""

    id: str
    pod: PodId
    attempt: int
    running: bool
    pid: int
    created: datetime


PRIVATE = "rprivate"
"""Mounts made below a mount are seen neither way."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path seen in a container."""

    host_path: str
    container_path: str
    read_only: bool = False
    propagation: str = PRIVATE


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits in the runtime's units; None leaves the runtime's default.

    Source of the conversions: the kubelet's cm/helpers_linux.
    """

    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    memory_bytes: int | None = None
    pids: int | None = None
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True)
class Security:
    """The parts of the security contexts that the runtime applies."""

    user: str = ""
    groups: Sequence[int] = ()
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()
    seccomp: str = ""
    """Empty for the runtime's default, ``unconfined``, or a profile's JSON."""
    unmask_proc: bool = False


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container, everything resolved: no variable left to expand, no reference left to look up.

    ``command`` and ``args`` are Kubernetes' (None keeps the image's).
    """

    pod: PodId
    name: str
    attempt: int
    image: str
    command: Sequence[str] | None = None
    args: Sequence[str] | None = None
    env: Sequence[tuple[str, str]] = ()
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    resources: Resources = field(default_factory=Resources)
    security: Security = field(default_factory=Security)
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    stop_signal: str = ""
    joins: str = ""
    """The id of a container whose processes it shares; empty where it shares none, or those of the whole pod."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Also the journal: the spec's hash, restart count and the like, under the agent's own label prefix."""


class State(StrEnum):
    """A container's state; it never goes back."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the runtime sees it. ``started`` and ``finished`` are None until they happened."""

    id: str
    pod: PodId
    name: str
    attempt: int
    state: State
    image: str
    image_id: str
    pid: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    exit_code: int
    oom_killed: bool
    message: str
    """Why the runtime could not start it, or what it said at its end."""
    labels: Mapping[str, str]
    resources: Resources | None = None
    """The limits that it has now, as far as they can be changed; None where the runtime does not say."""


@dataclass(frozen=True, slots=True)
class ObservedPod:
    """All that the runtime has of one pod, sandboxes and containers newest first, ended ones too."""

    id: PodId
    sandboxes: Sequence[Sandbox]
    containers: Sequence[Container]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is on the node."""

    id: str
    names: Sequence[str]
    size_bytes: int
    user: str = ""
    """The USER of its configuration, for runAsNonRoot."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a registry asks for."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class PullProgress:
    """Bytes of layers so far; ``total`` is 0 while unknown."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """Something of a pod changed (started, died, oom): look at it again. ``pod`` None: look at all of them."""

    pod: PodId | None
    action: str


class Runtime(Protocol):
    """Sandboxes and containers of one node; others on the same daemon are never seen or touched."""

    async def info(self) -> RuntimeInfo:
        """Who answers. Raises RuntimeUnavailable with what to do when nobody does, or it is too old."""

    async def pods(self) -> list[ObservedPod]:
        """Everything that this node has, running or ended."""

    async def pod(self, pod: PodId) -> ObservedPod:
        """What there is of one pod; empty when nothing is."""

    async def create_sandbox(self, spec: SandboxSpec) -> str:
        """Create the sandbox of (pod, attempt), or find it: its id. Containers can be created in it while it starts."""

    async def run_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Start the sandbox of (pod, attempt), created if need be, or return the running one; it has no network yet."""

    async def stop_sandbox(self, sandbox: str) -> None:
        """Kill the sandbox; its containers are stopped by the caller before."""

    async def remove_sandbox(self, sandbox: str) -> None:
        """Remove it, running or not."""

    async def create_container(self, sandbox: str, spec: ContainerSpec) -> str:
        """Create the container of (pod, name, attempt) in its sandbox, which may still be starting; returns its id."""

    async def start_container(self, container: str) -> None:
        """Start it. Raises RuntimeFailure(RunContainerError or CreateContainerError) with the runtime's words."""

    async def stop_container(self, container: str, grace_seconds: float) -> None:
        """Send the stop signal, SIGKILL after the grace (0: at once); returns when it has ended."""

    async def remove_container(self, container: str) -> None:
        """Remove an ended container with its log and writable layer; a running one is killed."""

    async def update_container(self, container: str, resources: Resources) -> None:
        """Change a running container's limits."""

    def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """What happens to this node's pods, until closed; each (re)connection begins with one event for all pods."""

    async def close(self) -> None:
        """Release connections; what runs goes on."""


class Images(Protocol):
    """The node's images."""

    async def image(self, name: str) -> Image | None:
        """The image under that name or id, if it is here."""

    async def images(self) -> list[Image]:
        """All images."""

    def pull(self, name: str, credentials: Credentials | None) -> AsyncIterator[PullProgress]:
        """Pull until done. Raises ImageFailure with the registry's words."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of a log; None means no limit."""

    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None
    stream: str = "All"


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command did. ``output`` is bounded."""

    exit_code: int
    output: bytes


class Terminal(Protocol):
    """A running exec or attach, both ways."""

    async def write(self, data: bytes) -> None:
        """Give it input; waits while it does not read."""

    async def close_stdin(self) -> None:
        """No more input."""

    async def resize(self, columns: int, rows: int) -> None:
        """The user's window changed; without a tty nothing happens."""

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(1 or 2 for stdout or stderr, bytes) until both have ended; with a tty all is 1."""

    async def exit_code(self) -> int:
        """Wait for the end. For attach: 0 when the stream ends."""

    async def close(self) -> None:
        """Leave; an exec's process is not killed."""


class Streams(Protocol):
    """Logs, exec and attach."""

    def logs(self, container: str, query: LogQuery) -> AsyncIterator[bytes]:
        """The log, each chunk whole lines, rotated files included; with follow until the container has ended."""

    async def exec(self, container: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Terminal:
        """Start a command in a running container. Raises NotRunning, or RuntimeFailure when it cannot be started."""

    async def run(self, container: str, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        """Run a command to its end, for probes and hooks. Raises TimeoutError."""

    async def attach(self, container: str, *, stdin: bool, tty: bool) -> Terminal:
        """Join the main process's streams. Raises NotRunning."""


@dataclass(frozen=True, slots=True)
class UsageSample:
    """A container's counters at one time (Linux clock ``monotonic`` seconds)."""

    at: float
    cpu_nanoseconds: int
    memory_working_set_bytes: int


class Stats(Protocol):
    """Usage, cheap enough to ask every few seconds."""

    async def usage(self, container: str) -> UsageSample | None:
        """The container's counters; None when it does not run."""


class NodeRuntime(Runtime, Images, Streams, Stats, Protocol):
    """A node's runtime in all its roles."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that leads to a pod.

    ``protocol`` is TCP, UDP or SCTP; an empty ``host_ip`` means every address of the node.
    """

    protocol: str
    host_port: int
    container_port: int
    host_ip: str = ""


class ServicePort(NamedTuple):
    """A port of a service's virtual address, or one of those that it stands for."""

    address: str
    protocol: str
    port: int


Services = Mapping[ServicePort, ServicePort]
"""Where connections to virtual addresses are led."""


class Network(Protocol):
    """Plugs sandboxes into the node's network (node_agent/network)."""

    async def ready(self, pod_cidr: str, services: Services) -> None:
        """Make the node's bridge for this range, and rules by which these services lead where they should.

        May be called again, with other services. Raises RuntimeFailure with what is missing.
        """

    async def plug(self, sandbox: Sandbox) -> str:
        """Give a running sandbox its address (or return the one that it has); the address as text."""

    async def unplug(self, pod: PodId) -> None:
        """Give the pod's address and host ports back."""

    async def address(self, sandbox: Sandbox) -> str | None:
        """The address that the sandbox has."""

    async def map_ports(self, pod: PodId, address: str, ports: Sequence[HostPort]) -> None:
        """Make these host ports, and no others, lead to the pod. Raises RuntimeFailure when another pod has one."""

    async def close(self, *, remove: bool = False) -> None:
        """Release what is held; ``remove`` also takes down bridge and rules."""
