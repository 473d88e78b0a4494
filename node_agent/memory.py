"""What one worker remembers of its pod between two looks at it."""

from dataclasses import dataclass, field
from datetime import datetime

from node_agent.observed import Failure
from node_agent.pod_spec import all_statuses, container_specs
from node_agent.runtimes.base import Image, PodId, Resources
from node_agent.steps import Key
from node_agent.volumes.pod_volumes import VolumeSet
from timonel.api.types import core_v1


@dataclass(slots=True)
class PodMemory:
    """All of it can be lost: an agent that starts anew finds the rest on the runtime and in the pod's last status."""

    id: PodId
    pod: core_v1.Pod | None = None
    assigned: bool = False
    judged: bool = False
    """Whether it was asked if this node takes the pod."""
    previous: core_v1.PodStatus = field(default_factory=core_v1.PodStatus)
    plugged: tuple[str, str] | None = None
    """The sandbox that has an address, and the address."""
    address_sure: bool = True
    volumes: VolumeSet | None = None
    volumes_until: datetime | None = None
    refreshes: int = 0
    """How often the volumes' sources may have changed: what is mounted meanwhile may be half old."""
    released: bool = False
    images: dict[str, Image] = field(default_factory=dict)
    failures: dict[Key, Failure] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    resized: dict[str, Resources] = field(default_factory=dict)
    """What running containers were last resized to, by their ids."""
    stopping_since: datetime | None = None

    def adopt(self, pod: core_v1.Pod) -> None:
        """Begin from what the pod's status says: phase, times and messages."""
        self.previous = pod.status
        for known in all_statuses(pod.status):
            for state in (known.state, known.lastState):
                ended = state.terminated
                if ended is not None and ended.containerID and ended.message:
                    self.messages[ended.containerID.rpartition("//")[2]] = ended.message

    def take(self, pod: core_v1.Pod) -> None:
        """The pod's newest state; what was found out about an image that it no longer asks for is forgotten."""
        before = {c.name: c.image for c in container_specs(self.pod)} if self.pod is not None else {}
        for container in container_specs(pod):
            if before.get(container.name, container.image) != container.image:
                self.images.pop(container.name, None)
                self.failures.pop(("image", container.name), None)
        self.pod, self.assigned = pod, True

    def assume_address(self, sandbox: str) -> None:
        """Take the address that the last status says for that of the running sandbox, until the network confirms it."""
        if self.plugged is None and self.previous.podIP and not (self.pod and self.pod.spec.hostNetwork):
            self.plugged, self.address_sure = (sandbox, self.previous.podIP), False

    def address_of(self, sandbox: str | None) -> str | None:
        """The address, if it is that sandbox's."""
        return self.plugged[1] if self.plugged is not None and self.plugged[0] == sandbox else None
