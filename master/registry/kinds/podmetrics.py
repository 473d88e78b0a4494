"""What pods use, for `kubectl top pods`; computed, not stored."""

from collections.abc import Sequence

from master.registry.base import Verb
from master.registry.columns import Column, age
from master.registry.kinds.nodemetrics import quantities, window
from master.registry.metrics import ContainerMetrics, PodMetrics
from master.registry.objects import Reader, Sources
from master.registry.strategy import Strategy, kind
from master.registry.usage import PodUsage
from timonel.api import time
from timonel.api.types import core_v1, meta_v1


class FromUsage:
    """Pod metrics of the newest samples."""

    def read(self, sources: Sources, namespace: str, name: str) -> PodMetrics | None:
        """Of one pod."""
        return next((found for found in self.read_all(sources, namespace) if found.metadata.name == name), None)

    def read_all(self, sources: Sources, namespace: str) -> Sequence[PodMetrics]:
        """Of the pods of a namespace, or of all."""
        return [_metrics(usage, sources.reader) for usage in (sources.usage.pods(namespace) if sources.usage else ())]


def _metrics(usage: PodUsage, reader: Reader) -> PodMetrics:
    taken = time.text(usage.taken)
    pod = reader.cached(core_v1.Pod, usage.namespace, usage.name)
    labels = dict(pod.metadata.labels) if pod else {}
    return PodMetrics(
        metadata=meta_v1.ObjectMeta(name=usage.name, namespace=usage.namespace, creationTimestamp=taken, labels=labels),
        timestamp=taken,
        window=window(usage.window),
        containers=[ContainerMetrics(name=name, usage=quantities(amount)) for name, amount in usage.containers.items()],
    )


@kind(PodMetrics, plural="pods", singular="")
class PodMetricsObjects(Strategy[PodMetrics]):
    """CPU and memory of each pod's containers."""

    verbs = frozenset({Verb.GET, Verb.LIST})
    virtual = FromUsage()
    columns = [Column("Window", lambda metrics: metrics.window), age()]
