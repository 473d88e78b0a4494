"""Pods bear the loss of their node for a while, unless they say for how long."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from timonel.api.types import core_v1

SECONDS = 3
"""Kubernetes waits for 300. Here a lost node's pods are to run elsewhere within 15 seconds of the loss."""
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
NO_EXECUTE = "NoExecute"


class DefaultTolerationSeconds(Plugin):
    """As Kubernetes' plugin of the same name, with a shorter time."""

    order: ClassVar[int] = 50
    kinds = frozenset({core_v1.Pod})

    async def mutate(self, attributes: Attributes) -> None:
        """Add a toleration for each of the two taints that the pod says nothing of."""
        tolerations: list[core_v1.Toleration] = attributes.object.spec.tolerations
        for taint in TAINTS:
            if not any(_covers(toleration, taint) for toleration in tolerations):
                tolerations.append(
                    core_v1.Toleration(key=taint, operator="Exists", effect=NO_EXECUTE, tolerationSeconds=SECONDS)
                )


def _covers(toleration: core_v1.Toleration, taint: str) -> bool:
    return toleration.key in (taint, None, "") and toleration.effect in (NO_EXECUTE, None, "")
