"""The usage that heartbeats bring, kept in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from master.registry.usage import Amount, NodeUsage, PodUsage
from timonel.rpc import node_pb2

KEPT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Sample:
    node: NodeUsage
    pods: tuple[PodUsage, ...]


class UsageBook:
    """The last sample of every node; a `UsageSource`.

    Args:
        clock: the time, with its zone.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._samples: dict[str, _Sample] = {}

    def put(self, node: str, heartbeat: node_pb2.Heartbeat, window: float) -> None:
        """Take what `node` says, averaged over `window` seconds; a heartbeat without usage changes nothing."""
        if not heartbeat.HasField("node_usage"):
            return
        now = self._clock()
        pods = tuple(
            PodUsage(
                pod.pod_namespace,
                pod.pod_name,
                pod.pod_uid,
                node,
                now,
                window,
                {name: _amount(usage) for name, usage in pod.containers.items()},
            )
            for pod in heartbeat.pod_usage
        )
        self._samples[node] = _Sample(NodeUsage(node, now, window, _amount(heartbeat.node_usage)), pods)

    def forget(self, node: str) -> None:
        """Drop what is known of `node`."""
        self._samples.pop(node, None)

    def nodes(self) -> list[NodeUsage]:
        """See `UsageSource`."""
        return sorted((sample.node for sample in self._fresh()), key=lambda usage: usage.node)

    def pods(self, namespace: str = "") -> list[PodUsage]:
        """See `UsageSource`."""
        found = (pod for sample in self._fresh() for pod in sample.pods if namespace in ("", pod.namespace))
        return sorted(found, key=lambda usage: (usage.namespace, usage.name))

    def _fresh(self) -> list[_Sample]:
        oldest = self._clock() - KEPT
        return [sample for sample in self._samples.values() if sample.node.taken >= oldest]


def _amount(usage: node_pb2.Usage) -> Amount:
    return Amount(usage.cpu_nanocores, usage.memory_working_set_bytes)
