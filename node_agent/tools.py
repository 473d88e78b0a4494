"""What all pod workers of a node share."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from node_agent.events import PodEvents
from node_agent.fieldrefs import NodeFacts
from node_agent.images import ImageKeeper
from node_agent.pod_files import PodFiles
from node_agent.references import References
from node_agent.runtimes.base import Network, PodId, Runtime, Streams
from node_agent.volumes.base import Tokens
from node_agent.volumes.pod_volumes import PodVolumes
from timonel.api.time import utc_now
from timonel.api.types import core_v1


@dataclass(slots=True)
class NodeSettings:
    """Facts of the node and the cluster; those of the cluster come with the master's welcome."""

    facts: NodeFacts
    memory_bytes: int = 0
    pids_limit: int | None = None
    unsafe_sysctls: Sequence[str] = ()
    seccomp_root: Path = Path("/var/lib/kubelet/seccomp")
    cluster_domain: str = "cluster.local"


Report = Callable[[PodId, core_v1.PodStatus | None], None]
"""Takes a pod's new status; None when nothing is left of the pod on this node."""


@dataclass(slots=True)
class Tools:
    """Runtime, network and the rest. ``network_up`` is set once pods can be plugged."""

    runtime: Runtime
    streams: Streams
    network: Network
    images: ImageKeeper
    volumes: PodVolumes
    tokens: Tokens
    refs: References
    events: PodEvents
    settings: NodeSettings
    report: Report
    network_up: asyncio.Event = field(default_factory=asyncio.Event)
    clock: Callable[[], datetime] = utc_now
    pods: Callable[[], Iterable[core_v1.Pod]] = list
    """All pods of the node, as last assigned; the agent, who knows them, puts this in."""

    def files(self, uid: str) -> PodFiles:
        """The files of that pod."""
        return PodFiles(self.volumes.directory(uid), self.settings.cluster_domain)
