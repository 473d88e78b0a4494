"""ComponentStatuses: which parts this master knows to be well; computed, not stored."""

from collections.abc import Sequence

from master.registry.base import Verb
from master.registry.columns import Column
from master.registry.objects import Sources
from master.registry.strategy import Strategy, kind
from timonel.api.types import core_v1, meta_v1

HEALTHY = "Healthy"
STORE = "etcd-0"
SCHEDULER = "scheduler"


class OfThisProcess:
    """The store, without which nothing could be read, and the scheduler where it runs in this process."""

    def read(self, sources: Sources, namespace: str, name: str) -> core_v1.ComponentStatus | None:
        """One part."""
        return next((found for found in self.read_all(sources, namespace) if found.metadata.name == name), None)

    def read_all(self, sources: Sources, namespace: str) -> Sequence[core_v1.ComponentStatus]:
        """All parts that are known."""
        return [_well(name) for name in (SCHEDULER, STORE) if name != SCHEDULER or sources.explainer]


def _well(name: str) -> core_v1.ComponentStatus:
    condition = core_v1.ComponentCondition(type=HEALTHY, status="True", message="ok")
    return core_v1.ComponentStatus(metadata=meta_v1.ObjectMeta(name=name), conditions=[condition])


def _condition(status: core_v1.ComponentStatus) -> core_v1.ComponentCondition:
    found = (condition for condition in status.conditions if condition.type == HEALTHY)
    return next(found, core_v1.ComponentCondition(type=HEALTHY, status="Unknown"))


WORDS = {"True": "Healthy", "False": "Unhealthy"}


@kind(core_v1.ComponentStatus, plural="componentstatuses", short=["cs"], namespaced=False)
class ComponentStatuses(Strategy[core_v1.ComponentStatus]):
    """Out of use since v1.19; some tools still ask."""

    verbs = frozenset({Verb.GET, Verb.LIST})
    virtual = OfThisProcess()
    columns = [
        Column("Status", lambda status: WORDS.get(_condition(status).status, "Unknown")),
        Column("Message", lambda status: _condition(status).message),
        Column("Error", lambda status: _condition(status).error or ""),
    ]
