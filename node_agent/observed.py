"""What a pod worker knows when it decides: the runtime's view, and what became of its own earlier steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from node_agent.resizes import Hindrance
from node_agent.runtimes.base import Container, ObservedPod, PodId, State
from node_agent.steps import Key, Step
from timonel.api.types import core_v1

LABEL_SPEC_HASH = "timonel.io/spec-hash"
LABEL_BACKOFF = "timonel.io/backoff-seconds"
LABEL_IMAGE = "timonel.io/image-digest"
LABEL_SANDBOX_ATTEMPT = "timonel.io/sandbox-attempt"


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed. ``reason`` is a container's waiting reason; ``count`` is of failures in a row."""

    reason: str
    message: str
    at: datetime
    count: int
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """What a running container's probes say so far. ``failed`` names the kind of probe that condemned it."""

    started: bool = False
    ready: bool = False
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that the decisions look at.

    ``previous`` is the status last reported, which keeps phases and transition times. ``address_sure`` is False while
    the address is only what that says, after the agent's start. ``volumes_until`` tells when the volumes' contents must
    be looked at again. ``images`` holds the names of containers whose image is there for their next attempt, ``pulls``
    how far the pulls of others have come, ``busy`` the steps that are under way, ``messages`` the termination messages
    by container id. ``hindrance`` is what keeps a resize waiting.
    """

    runtime: ObservedPod
    previous: core_v1.PodStatus = field(default_factory=core_v1.PodStatus)
    assigned: bool = True
    address: str | None = None
    address_sure: bool = True
    volumes_ready: bool = False
    volumes_until: datetime | None = None
    released: bool = False
    images: frozenset[str] = frozenset()
    pulls: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[Key, Failure] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)
    busy: Mapping[Key, Step] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    stopping_since: datetime | None = None
    hindrance: Hindrance | None = None


def pod_id(pod: core_v1.Pod) -> PodId:
    """The pod's identity on the node."""
    return PodId(pod.metadata.namespace or "default", pod.metadata.name, pod.metadata.uid)


def has_ended(container: Container) -> bool:
    """Whether it ran and ended, or could never start (runtimes leave such a container "created", with an exit code)."""
    return container.state is State.EXITED or (container.state is State.CREATED and container.exit_code != 0)


def has_completed(container: Container) -> bool:
    """Whether it ran and ended well."""
    return has_ended(container) and container.exit_code == 0


def is_running(container: Container) -> bool:
    """Whether its main process lives."""
    return container.state is State.RUNNING


def ended_at(container: Container) -> datetime:
    """When it ended; for one that never started, when it was made."""
    return container.finished or container.started or container.created


def ran_seconds(container: Container) -> float:
    """How long an ended container ran; 0 when it never started."""
    if container.started is None:
        return 0.0
    return (ended_at(container) - container.started).total_seconds()


def number_label(container: Container, label: str) -> int | None:
    """A journaled number; None when the label is absent or damaged."""
    try:
        return int(container.labels[label])
    except (KeyError, ValueError):
        return None
