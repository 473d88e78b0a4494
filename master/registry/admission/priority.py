"""A pod's priority class becomes its priority."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.base import Verb
from master.registry.kinds.priorityclass import PREEMPT, SYSTEM
from timonel.api.types import core_v1, scheduling_v1


class Priority(Plugin):
    """As Kubernetes' plugin of the same name."""

    order: ClassVar[int] = 40
    kinds = frozenset({core_v1.Pod, scheduling_v1.PriorityClass})
    operations = frozenset({Verb.CREATE, Verb.DELETE})

    async def validate(self, attributes: Attributes) -> None:
        """The system's classes stay."""
        call = attributes.call
        if attributes.operation is Verb.DELETE and call.resource.struct is not core_v1.Pod and call.name in SYSTEM:
            raise attributes.forbidden("this is a system priority class and cannot be deleted")

    async def mutate(self, attributes: Attributes) -> None:
        """Look the class up; a pod without one gets the default class's, or 0."""
        if attributes.call.resource.struct is not core_v1.Pod:
            return
        spec: core_v1.PodSpec = attributes.object.spec
        found = await self._class(attributes, spec.priorityClassName) if spec.priorityClassName else None
        if found is None:
            found = self._default(attributes)
        priority, policy = (found.value, found.preemptionPolicy) if found else (0, PREEMPT)
        if spec.priority is not None and spec.priority != priority:
            why = f"the integer value of priority ({spec.priority}) must not be provided in pod spec"
            raise attributes.forbidden(
                f"{why}; priority admission controller computed {priority} from the given PriorityClass name"
            )
        if spec.preemptionPolicy and spec.preemptionPolicy != policy:
            why = f"the string value of PreemptionPolicy ({spec.preemptionPolicy}) must not be provided in pod spec"
            raise attributes.forbidden(
                f"{why}; priority admission controller computed {policy} from the given PriorityClass name"
            )
        spec.priority, spec.preemptionPolicy = priority, policy
        if found and not spec.priorityClassName:
            spec.priorityClassName = found.metadata.name

    async def _class(self, attributes: Attributes, name: str) -> scheduling_v1.PriorityClass:
        found = attributes.reader.cached(scheduling_v1.PriorityClass, "", name)
        if found is None:
            found = await attributes.reader.current(scheduling_v1.PriorityClass, "", name)
        if found is None and name in SYSTEM:
            return scheduling_v1.PriorityClass(value=SYSTEM[name], preemptionPolicy=PREEMPT)
        if found is None:
            raise attributes.forbidden(f"no PriorityClass with name {name} was found")
        return found

    def _default(self, attributes: Attributes) -> scheduling_v1.PriorityClass | None:
        """The class that is the default; of several the one with the lowest value."""
        defaults = [found for found in attributes.reader.all_cached(scheduling_v1.PriorityClass) if found.globalDefault]
        return min(defaults, key=lambda found: found.value) if defaults else None
