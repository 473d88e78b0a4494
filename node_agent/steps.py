"""The steps that a pod worker takes. Each is idempotent; steps with different keys may run at the same time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

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

    _key: ClassVar[Key]
    """What is done, then the names of the fields that say to what."""

    @property
    def key(self) -> Key:
        """Steps of equal key never run at the same time, and share one record of failure."""
        act, *fields = self._key
        return (act, *(getattr(self, name) for name in fields))


@dataclass(frozen=True, slots=True)
class EnsureImage(Step):
    """Have the image of a container's next attempt on the node, as its pull policy says."""

    _key = ("image", "container")
    container: str


@dataclass(frozen=True, slots=True)
class RunSandbox(Step):
    """Create and start the sandbox of that attempt."""

    _key = ("sandbox",)
    attempt: int


@dataclass(frozen=True, slots=True)
class PlugNetwork(Step):
    """Give the running sandbox its address."""

    _key = ("network",)
    sandbox: str


@dataclass(frozen=True, slots=True)
class MountVolumes(Step):
    """Make the pod's volumes and the files that every container gets."""

    _key = ("volumes",)


@dataclass(frozen=True, slots=True)
class CreateContainer(Step):
    """Create a container in the sandbox, which may still be starting. ``backoff`` is journaled for its next restart."""

    _key = ("container", "container")
    container: str
    attempt: int
    sandbox: str
    sandbox_attempt: int
    backoff: int


@dataclass(frozen=True, slots=True)
class StartContainer(Step):
    """Start a created container and run its postStart hook."""

    _key = ("container", "container")
    container: str
    id: str


@dataclass(frozen=True, slots=True)
class StopContainer(Step):
    """Run the preStop hook and end the container within ``grace`` seconds, by ``until`` when that is given."""

    _key = ("stop", "id")
    container: str
    id: str
    why: StopReason
    grace: float
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResizeContainer(Step):
    """Give a running container the limits that its spec now says."""

    _key = ("resize", "container")
    container: str
    id: str
    resources: Resources


@dataclass(frozen=True, slots=True)
class RemoveContainer(Step):
    """Remove an ended container, its log and its termination message."""

    _key = ("remove", "id")
    id: str


@dataclass(frozen=True, slots=True)
class StopSandbox(Step):
    """End the sandbox; no container runs in it any more."""

    _key = ("stop", "id")
    id: str


@dataclass(frozen=True, slots=True)
class RemoveSandbox(Step):
    """Remove a sandbox, running or not."""

    _key = ("remove", "id")
    id: str


@dataclass(frozen=True, slots=True)
class Release(Step):
    """Give back the pod's address, volumes and directory."""

    _key = ("release",)


@dataclass(frozen=True, slots=True)
class Finish(Step):
    """Nothing is left: say so to the master and forget the pod."""

    _key = ("finish",)


@dataclass(frozen=True, slots=True)
class Wake(Step):
    """Decide again at that time."""

    _key = ("wake",)
    at: datetime
