"""What nodes use, for `kubectl top nodes`; computed, not stored."""

from collections.abc import Sequence

from master.registry.base import Verb
from master.registry.columns import Column, age
from master.registry.metrics import NodeMetrics
from master.registry.objects import Reader, Sources
from master.registry.strategy import Strategy, kind
from master.registry.usage import Amount, NodeUsage
from timonel.api import time
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1, meta_v1


def quantities(amount: Amount) -> dict[str, Quantity]:
    """An amount as the API writes it."""
    return {"cpu": Quantity(f"{amount.cpu_nanocores}n"), "memory": Quantity(f"{amount.memory_bytes // 1024}Ki")}


def window(seconds: float) -> str:
    """A sample's window as Go writes a duration."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


class FromUsage:
    """Node metrics of the newest samples."""

    def read(self, sources: Sources, namespace: str, name: str) -> NodeMetrics | None:
        """Of one node."""
        return next((found for found in self.read_all(sources, "") if found.metadata.name == name), None)

    def read_all(self, sources: Sources, namespace: str) -> Sequence[NodeMetrics]:
        """Of all nodes."""
        return [_metrics(usage, sources.reader) for usage in (sources.usage.nodes() if sources.usage else ())]


def _metrics(usage: NodeUsage, reader: Reader) -> NodeMetrics:
    taken = time.text(usage.taken)
    node = reader.cached(core_v1.Node, "", usage.node)
    labels = dict(node.metadata.labels) if node else {}
    return NodeMetrics(
        metadata=meta_v1.ObjectMeta(name=usage.node, creationTimestamp=taken, labels=labels),
        timestamp=taken,
        window=window(usage.window),
        usage=quantities(usage.usage),
    )


@kind(NodeMetrics, plural="nodes", singular="", namespaced=False)
class NodeMetricsObjects(Strategy[NodeMetrics]):
    """CPU and memory of each node."""

    verbs = frozenset({Verb.GET, Verb.LIST})
    virtual = FromUsage()
    columns = [
        Column("CPU", lambda metrics: metrics.usage["cpu"]),
        Column("Memory", lambda metrics: metrics.usage["memory"]),
        Column("Window", lambda metrics: metrics.window),
        age(),
    ]
