"""Whether tolerations cover taints. Pure."""

from typing import Protocol

from timonel.api.types import core_v1


class AnyTaint(Protocol):
    """What taints have, as the API's objects and in other forms."""

    @property
    def key(self) -> str:
        """What it is about."""

    @property
    def value(self) -> str:
        """More of that, or nothing."""

    @property
    def effect(self) -> str:
        """What it does to pods."""


def tolerates(toleration: core_v1.Toleration, taint: AnyTaint) -> bool:
    """Whether one toleration covers one taint. Source: Kubernetes' Toleration.ToleratesTaint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value
