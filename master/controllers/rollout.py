"""How many pods each ReplicaSet of a Deployment should have: the arithmetic of rolling updates, without objects' other
concerns.

Source of all rules: Kubernetes' deployment controller (rolling.go, sync.go) and its documentation of Deployments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from timonel.api.intstr import scaled
from timonel.api.types import apps_v1


@dataclass(frozen=True, slots=True)
class Size:
    """One ReplicaSet in figures."""

    name: str
    wanted: int
    available: int
    most: int = 0
    """The Deployment's replicas and surge when the set was last scaled: what its share is measured by; 0 when unknown.
    """


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a rolling update must keep to."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """So many pods may there be."""
        return self.replicas + self.surge

    @property
    def least(self) -> int:
        """So many pods must be available."""
        return max(self.replicas - self.unavailable, 0)


def bounds(deployment: apps_v1.Deployment) -> Bounds:
    """The bounds in pods: percentages of the replicas, the surge rounded up, the unavailable down; both zero would
    stand still.
    """
    replicas = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    strategy = deployment.spec.strategy
    rolling = strategy.rollingUpdate
    if strategy.type != "RollingUpdate" or rolling is None:
        return Bounds(replicas, 0, 0)
    surge = scaled(0 if rolling.maxSurge is None else rolling.maxSurge, replicas, round_up=True)
    unavailable = scaled(0 if rolling.maxUnavailable is None else rolling.maxUnavailable, replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(replicas, surge, min(unavailable, replicas))


def grow(new: int, everything: int, limits: Bounds) -> int:
    """The new set's size now: as near to the replicas as the surge allows; never less than it has, unless it has too
    many.
    """
    if new >= limits.replicas:
        return limits.replicas
    return new + max(min(limits.most - everything, limits.replicas - new), 0)


def shrink(new: Size, old: Sequence[Size], limits: Bounds) -> dict[str, int]:
    """The old sets' sizes that change now, oldest first in `old`: unhealthy pods go first, then as many as keep enough
    available.
    """
    sizes = {size.name: size.wanted for size in old}
    total = new.wanted + sum(sizes.values())
    spare = total - limits.least - max(new.wanted - new.available, 0)
    for size in old:
        gone = max(min(spare, sizes[size.name] - size.available), 0)
        sizes[size.name] -= gone
        spare -= gone
    surplus = new.available + sum(size.available for size in old) - limits.least
    for size in old:
        gone = max(min(surplus, spare, sizes[size.name]), 0)
        sizes[size.name] -= gone
        surplus -= gone
        spare -= gone
    return {size.name: sizes[size.name] for size in old if sizes[size.name] != size.wanted}


def proportional(sets: Sequence[Size], limits: Bounds) -> dict[str, int]:
    """The sizes that change when a Deployment is scaled in the middle of a rollout: each set grows or shrinks by its
    share.

    `sets` newest first. What rounding leaves over goes to the largest, and to the next where that has no more to give.
    """
    to_add = (limits.most if limits.replicas else 0) - sum(size.wanted for size in sets)
    oldest_first = list(reversed(sets))
    ordered = sorted(sets if to_add > 0 else oldest_first, key=lambda size: -size.wanted)
    sizes = {size.name: size.wanted for size in sets}
    added = 0
    for size in ordered:
        share = _share(size, limits)
        part = min(share, to_add - added) if to_add > 0 else max(share, to_add - added)
        sizes[size.name] = max(size.wanted + part, 0)
        added += part
    for size in ordered:
        left = max(to_add - added, -sizes[size.name])
        sizes[size.name] += left
        added += left
    return {size.name: sizes[size.name] for size in sets if sizes[size.name] != size.wanted}


def _share(size: Size, limits: Bounds) -> int:
    if limits.replicas == 0:
        return -size.wanted
    before = size.most or limits.most
    # Half is rounded away from zero, as Go's math.Round does.
    return (2 * size.wanted * limits.most + before) // (2 * before) - size.wanted
