"""Keeping a number of equal pods, for the kinds that do so: ReplicaSets and, of old, ReplicationControllers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from master.controllers import conditions
from master.controllers.actions import Action, Create, Delete, RequeueAfter, SetStatus
from master.controllers.controller import Key, Wake, key_of
from master.controllers.ownership import Claims, candidates, claim
from master.controllers.pods import is_active, is_available, is_ready, next_available, victims
from master.controllers.view import View
from timonel.api import codec
from timonel.api.errors import StatusError
from timonel.api.meta import controller_of, owner_reference
from timonel.api.selectors import Selector, from_map, from_struct
from timonel.api.types import apps_v1, core_v1, meta_v1

Owner = apps_v1.ReplicaSet | core_v1.ReplicationController
Status = apps_v1.ReplicaSetStatus | core_v1.ReplicationControllerStatus

BURST = 500
"""At most so many pods are created or deleted at a time. Source: Kubernetes' BurstReplicas."""


def orphans_wake(kind: type[Any]) -> Wake[core_v1.Pod]:
    """A pod that nobody controls may be adopted by any owner of ``kind`` whose selector matches."""

    def keys(pod: core_v1.Pod, view: View) -> Iterator[Key]:
        if controller_of(pod) is None:
            for owner in view.list(kind, pod.metadata.namespace or ""):
                if selector_of(owner).matches(pod.metadata.labels):
                    yield key_of(owner)

    return Wake(core_v1.Pod, keys)


def selector_of(owner: Owner) -> Selector:
    """Which pods are the owner's."""
    match owner:
        case apps_v1.ReplicaSet():
            return from_struct(owner.spec.selector)
        case core_v1.ReplicationController():
            return from_map(owner.spec.selector)


@dataclass(frozen=True, slots=True)
class Replicas:
    """An owner's pods as they are."""

    claims: Claims[core_v1.Pod]
    live: list[core_v1.Pod]
    wanted: int


def replicas_of(owner: Owner, view: View) -> Replicas:
    """What `owner` may count as its own, and how many it wants."""
    claims = claim(owner, selector_of(owner), candidates(view, owner, core_v1.Pod))
    live = [pod for pod in (*claims.held, *claims.adopted) if is_active(pod)]
    return Replicas(claims, live, 1 if owner.spec.replicas is None else owner.spec.replicas)


def replicate(owner: Owner, view: View, now: datetime, kin: Iterable[core_v1.Pod] = ()) -> Iterator[Action]:
    """Keep spec.replicas live pods; a surplus is taken from the nodes where these and `kin` are many."""
    pods = replicas_of(owner, view)
    yield from pods.claims.actions(owner)
    if not owner.metadata.deletionTimestamp:
        missing = min(pods.wanted - len(pods.live), BURST)
        yield from (Create(pod_from(owner), announce=True) for _ in range(missing))
        yield from (Delete(pod, announce=True) for pod in victims(pods.live, pods.wanted, kin)[:BURST])
    status = status_of(owner, pods, now)
    if len(pods.live) == pods.wanted:
        conditions.drop(status.conditions, "ReplicaFailure")
    yield from _told(owner, status)
    wait = next_available(pods.live, owner.spec.minReadySeconds, now)
    if wait is not None:
        yield RequeueAfter(wait)


def failed(owner: Owner, error: StatusError, view: View, now: datetime) -> Iterator[Action]:
    """Say in the status that the pods could not be brought to their number, and why."""
    pods = replicas_of(owner, view)
    status = status_of(owner, pods, now)
    reason = "FailedCreate" if len(pods.live) < pods.wanted else "FailedDelete"
    # The first such error is told: each names another pod, and telling each would wake the owner each time.
    if not any(each.type == "ReplicaFailure" and each.reason == reason for each in status.conditions):
        told = _CONDITIONS[type(owner)](type="ReplicaFailure", status="True", reason=reason, message=str(error))
        conditions.put(status.conditions, told, now)
    yield from _told(owner, status)


_CONDITIONS: dict[type[Any], type[Any]] = {
    apps_v1.ReplicaSet: apps_v1.ReplicaSetCondition,
    core_v1.ReplicationController: core_v1.ReplicationControllerCondition,
}


def _told(owner: Owner, status: Status) -> Iterator[Action]:
    if codec.encode(status) != codec.encode(owner.status):
        changed = codec.copy(owner)
        changed.status = status
        yield SetStatus(changed)


def pod_from(owner: Owner) -> core_v1.Pod:
    """A new pod of `owner`."""
    fresh = codec.copy(owner.spec.template or core_v1.PodTemplateSpec())
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            generateName=f"{owner.metadata.name}-",
            namespace=owner.metadata.namespace,
            labels=fresh.metadata.labels,
            annotations=fresh.metadata.annotations,
            finalizers=fresh.metadata.finalizers,
            ownerReferences=[owner_reference(owner)],
        ),
        spec=fresh.spec,
    )


def status_of(owner: Owner, pods: Replicas, now: datetime) -> Status:
    """The status that the pods amount to; its conditions are what they were."""
    template = owner.spec.template or core_v1.PodTemplateSpec()
    labels = template.metadata.labels.items()
    status: Status = codec.copy(owner.status)
    status.replicas = len(pods.live)
    status.fullyLabeledReplicas = sum(labels <= pod.metadata.labels.items() for pod in pods.live)
    status.readyReplicas = sum(map(is_ready, pods.live))
    status.availableReplicas = sum(is_available(pod, owner.spec.minReadySeconds, now) for pod in pods.live)
    status.observedGeneration = owner.metadata.generation
    if isinstance(status, apps_v1.ReplicaSetStatus):
        status.terminatingReplicas = sum(map(_is_ending, pods.claims.held))
    return status


def _is_ending(pod: core_v1.Pod) -> bool:
    return bool(pod.metadata.deletionTimestamp) and pod.status.phase not in ("Succeeded", "Failed")
