"""Pods bear the loss of their node for a while, unless they say for how long."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.base import Verb
from timonel.api.types import core_v1

SECONDS = {"node.kubernetes.io/not-ready": 300, "node.kubernetes.io/unreachable": 3}
"""Kubernetes waits for 300 in both cases. Here a lost node's pods are to run elsewhere within 15 seconds of the loss; a
node that is there to say that it is not ready (its Docker restarts) keeps its pods.
"""
NO_EXECUTE = "NoExecute"


class DefaultTolerationSeconds(Plugin):
    """As Kubernetes' plugin of the same name, with a shorter time."""

    order: ClassVar[int] = 50
    kinds = frozenset({core_v1.Pod})
    operations = frozenset({Verb.CREATE, Verb.UPDATE})

    async def mutate(self, attributes: Attributes) -> None:
        """Add a toleration for each of the two taints that the pod says nothing of."""
        tolerations: list[core_v1.Toleration] = attributes.object.spec.tolerations
        for taint, seconds in SECONDS.items():
            if not any(_covers(toleration, taint) for toleration in tolerations):
                tolerations.append(
                    core_v1.Toleration(key=taint, operator="Exists", effect=NO_EXECUTE, tolerationSeconds=seconds)
                )


def _covers(toleration: core_v1.Toleration, taint: str) -> bool:
    return toleration.key in (taint, "") and toleration.effect in (NO_EXECUTE, "")
