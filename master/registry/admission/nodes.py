"""How new nodes begin."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from timonel.api.types import core_v1

NOT_READY = "node.kubernetes.io/not-ready"


class TaintNodesByCondition(Plugin):
    """A new node is not ready, whatever its status says, until the node controller has seen it."""

    order: ClassVar[int] = 60
    kinds = frozenset({core_v1.Node})

    async def mutate(self, attributes: Attributes) -> None:
        """Add the taint."""
        taints: list[core_v1.Taint] = attributes.object.spec.taints
        if not any(taint.key == NOT_READY for taint in taints):
            taints.append(core_v1.Taint(key=NOT_READY, effect="NoSchedule"))
