"""PriorityClasses."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import one_of, unchanged
from timonel.api.fields import FieldError, Path, forbidden
from timonel.api.types import scheduling_v1

HIGHEST_FOR_USERS = 1_000_000_000
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
PREEMPT = "PreemptLowerPriority"


@kind(scheduling_v1.PriorityClass, plural="priorityclasses", short=["pc"], namespaced=False)
class PriorityClasses(Strategy[scheduling_v1.PriorityClass]):
    """Names for how important a pod is."""

    has_generation = True
    columns = [
        Column("Value", lambda pc: pc.value, "integer"),
        Column("Global-Default", lambda pc: bool(pc.globalDefault), "boolean"),
        age(),
        Column("PreemptionPolicy", lambda pc: pc.preemptionPolicy),
    ]

    def counted(self, obj: scheduling_v1.PriorityClass) -> object:
        """Nothing: its generation stays 1, as Kubernetes has it."""
        return None

    def default(self, obj: scheduling_v1.PriorityClass, old: scheduling_v1.PriorityClass | None) -> None:
        """Preempt unless told otherwise."""
        if obj.preemptionPolicy is None:
            obj.preemptionPolicy = PREEMPT

    def validate(
        self, obj: scheduling_v1.PriorityClass, old: scheduling_v1.PriorityClass | None
    ) -> Iterator[FieldError]:
        """The highest values and the prefix system- are the system's."""
        name = obj.metadata.name or ""
        if name.startswith("system-"):
            if SYSTEM.get(name) != obj.value or obj.globalDefault:
                why = "priority class names with 'system-' prefix are reserved for system use only. error: "
                yield forbidden(Path("metadata.name"), f"{why}{name} is not a known system priority class")
        elif obj.value > HIGHEST_FOR_USERS:
            yield forbidden(Path("value"), f"maximum allowed value of a user defined priority is {HIGHEST_FOR_USERS}")
        if old and obj.value != old.value:
            yield forbidden(Path("value"), "may not be changed in an update.")
        if old:
            yield from unchanged(obj, old, "preemptionPolicy")
        else:
            yield from one_of(Path("preemptionPolicy"), obj.preemptionPolicy, (PREEMPT, "Never"))
