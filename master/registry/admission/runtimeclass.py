"""A pod's runtime class says what the pod costs beside its containers, and where it can run."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from timonel.api.types import core_v1, node_v1


class RuntimeClass(Plugin):
    """As Kubernetes' plugin of the same name."""

    order: ClassVar[int] = 55
    kinds = frozenset({core_v1.Pod})

    async def mutate(self, attributes: Attributes) -> None:
        """Take over the class's overhead and scheduling; a pod that says otherwise is refused."""
        spec: core_v1.PodSpec = attributes.object.spec
        found = await self._class(attributes, spec.runtimeClassName) if spec.runtimeClassName else None
        fixed = found.overhead.podFixed if found and found.overhead else {}
        if fixed and not spec.overhead:
            spec.overhead = dict(fixed)
        if spec.overhead and not fixed:
            raise attributes.forbidden(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
        if spec.overhead != fixed:
            raise attributes.forbidden("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        if found and found.scheduling:
            self._schedule(attributes, spec, found.scheduling)

    def _schedule(self, attributes: Attributes, spec: core_v1.PodSpec, scheduling: node_v1.Scheduling) -> None:
        for key, value in scheduling.nodeSelector.items():
            if spec.nodeSelector.setdefault(key, value) != value:
                why = f"pod rejected: conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}"
                raise attributes.forbidden(f"{why}; pod.spec.nodeSelector[{key}] = {spec.nodeSelector[key]}")
        spec.tolerations.extend(each for each in scheduling.tolerations if each not in spec.tolerations)

    async def _class(self, attributes: Attributes, name: str) -> node_v1.RuntimeClass:
        found = attributes.reader.cached(node_v1.RuntimeClass, "", name)
        if found is None:
            found = await attributes.reader.current(node_v1.RuntimeClass, "", name)
        if found is None:
            raise attributes.forbidden(f'pod rejected: RuntimeClass "{name}" not found')
        return found
