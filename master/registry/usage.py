"""What nodes and pods use, as metrics.k8s.io and `top` show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Amount:
    """CPU in billionths of a core, averaged over the sample's window; memory in bytes, the working set at its end."""

    cpu_nanocores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """What a node uses. `window` is in seconds."""

    node: str
    taken: datetime
    window: float
    usage: Amount


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What each container of a pod uses. `window` is in seconds."""

    namespace: str
    name: str
    uid: str
    node: str
    taken: datetime
    window: float
    containers: Mapping[str, Amount]


class UsageSource(Protocol):
    """The newest samples; what has not been heard of for a while is left out."""

    def nodes(self) -> Sequence[NodeUsage]:
        """Of all nodes, by name."""

    def pods(self, namespace: str = "") -> Sequence[PodUsage]:
        """Of all pods, or those of one namespace, by namespace and name."""
