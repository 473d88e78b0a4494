"""What the rules are written with: the pod that they look at, what they find, and words for it."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from timonel.api.fields import quoted
from timonel.api.types import core_v1, meta_v1

LATEST = 35
USER_NAMESPACES_SINCE = 35
"""The minor version that ``latest`` stands for."""

AnyContainer = core_v1.Container | core_v1.EphemeralContainer


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod or a template of pods."""

    metadata: meta_v1.ObjectMeta
    spec: core_v1.PodSpec

    @property
    def context(self) -> core_v1.PodSecurityContext:
        """The security settings of the whole pod."""
        return self.spec.securityContext or core_v1.PodSecurityContext()

    @property
    def containers(self) -> list[AnyContainer]:
        """All containers, in the order in which Kubernetes names them."""
        return [*self.spec.initContainers, *self.spec.containers, *self.spec.ephemeralContainers]

    def has_own_users(self, version: int) -> bool:
        """Whether the pod's root is nobody on the node (a user namespace), which the rules since then allow for."""
        return version >= USER_NAMESPACES_SINCE and self.spec.hostUsers is False

    @property
    def is_windows(self) -> bool:
        """Whether the pod says that it is for Windows, where some of the fields do not exist."""
        return self.spec.os is not None and self.spec.os.name == "windows"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is broken, and by what."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Rule = Callable[[Subject, int], Violation | None]
"""Looks at a pod by the rules of a minor version."""


def context_of(container: AnyContainer) -> core_v1.SecurityContext:
    """The security settings of one container."""
    return container.securityContext or core_v1.SecurityContext()


def names(containers: Iterable[AnyContainer]) -> list[str]:
    """Their names."""
    return [container.name for container in containers]


def plural(count: int, one: str, many: str = "") -> str:
    """The word for so many."""
    return one if count == 1 else many or f"{one}s"


def listed(values: Iterable[str]) -> str:
    """Each in quotes."""
    return ", ".join(quoted(value) for value in values)


def said(values: Collection[str], one: str, many: str = "") -> str:
    """``container "a"``, ``containers "a", "b"``."""
    return f"{plural(len(values), one, many)} {listed(values)}"


def setters(pod: bool, containers: Iterable[AnyContainer]) -> str:
    """Who sets what they may not: the pod, some containers, both, or nobody."""
    bad = names(containers)
    parts = ["pod"] if pod else []
    return " and ".join([*parts, said(bad, "container")] if bad else parts)
