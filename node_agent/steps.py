"""The steps that a pod worker takes. Each is idempotent; steps with different keys may run at the same time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from node_agent.runtimes.base import Resources

Key = tuple[str, ...]


class StopReason(StrEnum):
    """Why a container is stopped."""

    POD_ENDS = "pod-ends"
    SANDBOX_GONE = "sandbox-gone"
    DEFINITION_CHANGED = "definition-changed"
    RESIZED = "resized"
    LIVENESS = "liveness"
    STARTUP = "startup"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """One idempotent act on one pod."""

    @property
    def key(self) -> Key:
        """Steps of equal key never run at the same time, and share one record of failure."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class EnsureImage(Step):
    """Have the image of a container's next attempt on the node, as its pull policy says."""

    container: str

    @property
    def key(self) -> Key:
        return ("image", self.container)


@dataclass(frozen=True, slots=True)
class RunSandbox(Step):
    """Create and start the sandbox of that attempt."""

    attempt: int

    @property
    def key(self) -> Key:
        return ("sandbox",)


@dataclass(frozen=True, slots=True)
class PlugNetwork(Step):
    """Give the running sandbox its address."""

    sandbox: str

    @property
    def key(self) -> Key:
        return ("network",)


@dataclass(frozen=True, slots=True)
class MountVolumes(Step):
    """Make the pod's volumes and the files that every container gets."""

    @property
    def key(self) -> Key:
        return ("volumes",)


@dataclass(frozen=True, slots=True)
class CreateContainer(Step):
    """Create a container in the sandbox, which may still be starting. ``backoff`` is journaled for its next restart."""

    container: str
    attempt: int
    sandbox: str
    sandbox_attempt: int
    backoff: int

    @property
    def key(self) -> Key:
        return ("container", self.container)


@dataclass(frozen=True, slots=True)
class StartContainer(Step):
    """Start a created container and run its postStart hook."""

    container: str
    id: str

    @property
    def key(self) -> Key:
        return ("container", self.container)


@dataclass(frozen=True, slots=True)
class StopContainer(Step):
    """Run the preStop hook and end the container within ``grace`` seconds, by ``until`` when that is given."""

    container: str
    id: str
    why: StopReason
    grace: float
    until: datetime | None = None

    @property
    def key(self) -> Key:
        return ("stop", self.id)


@dataclass(frozen=True, slots=True)
class ResizeContainer(Step):
    """Give a running container the limits that its spec now says."""

    container: str
    id: str
    resources: Resources

    @property
    def key(self) -> Key:
        return ("resize", self.container)


@dataclass(frozen=True, slots=True)
class RemoveContainer(Step):
    """Remove an ended container, its log and its termination message."""

    id: str

    @property
    def key(self) -> Key:
        return ("remove", self.id)


@dataclass(frozen=True, slots=True)
class StopSandbox(Step):
    """End the sandbox; no container runs in it any more."""

    id: str

    @property
    def key(self) -> Key:
        return ("stop", self.id)


@dataclass(frozen=True, slots=True)
class RemoveSandbox(Step):
    """Remove a sandbox, running or not."""

    id: str

    @property
    def key(self) -> Key:
        return ("remove", self.id)


@dataclass(frozen=True, slots=True)
class Release(Step):
    """Give back the pod's address, volumes and directory."""

    @property
    def key(self) -> Key:
        return ("release",)


@dataclass(frozen=True, slots=True)
class Finish(Step):
    """Nothing is left: say so to the master and forget the pod."""

    @property
    def key(self) -> Key:
        return ("finish",)


@dataclass(frozen=True, slots=True)
class Wake(Step):
    """Decide again at that time."""

    at: datetime

    @property
    def key(self) -> Key:
        return ("wake",)
