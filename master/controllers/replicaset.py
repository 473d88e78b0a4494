"""ReplicaSets: as many live pods as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Create, Delete, RequeueAfter, SetStatus
from master.controllers.controller import Key, Wake, controlled_by, controller, key_of
from master.controllers.ownership import candidates, claim
from master.controllers.pods import is_active, is_available, is_ready, next_available, victims
from master.controllers.view import View, owned
from timonel.api import codec
from timonel.api.meta import controller_of, owner_reference
from timonel.api.selectors import from_struct
from timonel.api.types import apps_v1, core_v1, meta_v1

BURST = 500
"""At most so many pods are created or deleted at a time. Source: Kubernetes' BurstReplicas."""


def _orphan_wakes(pod: core_v1.Pod, view: View) -> Iterator[Key]:
    """An orphan may be adopted by any ReplicaSet whose selector matches."""
    if controller_of(pod) is None:
        for rs in view.list(apps_v1.ReplicaSet, pod.metadata.namespace or ""):
            if from_struct(rs.spec.selector).matches(pod.metadata.labels):
                yield key_of(rs)


@controller(
    apps_v1.ReplicaSet, wakes_on=[controlled_by(apps_v1.ReplicaSet, core_v1.Pod), Wake(core_v1.Pod, _orphan_wakes)]
)
def replicaset(rs: apps_v1.ReplicaSet, view: View, now: datetime) -> Iterator[Action]:
    """Keep spec.replicas live pods."""
    claims = claim(rs, from_struct(rs.spec.selector), candidates(view, rs, core_v1.Pod))
    yield from claims.actions(rs)
    live = [pod for pod in (*claims.held, *claims.adopted) if is_active(pod)]
    wanted = 1 if rs.spec.replicas is None else rs.spec.replicas
    if not rs.metadata.deletionTimestamp:
        missing = min(wanted - len(live), BURST)
        yield from (Create(pod_from(rs, rs.spec.template), announce=True) for _ in range(missing))
        too_many = victims(live, wanted, _kin(rs, view))
        yield from (Delete(pod, announce=True) for pod in too_many[:BURST])
    status = status_of(rs, live, claims.held, now)
    if codec.encode(status) != codec.encode(rs.status):
        changed = codec.copy(rs)
        changed.status = status
        yield SetStatus(changed)
    wait = next_available(live, rs.spec.minReadySeconds or 0, now)
    if wait is not None:
        yield RequeueAfter(wait)


def pod_from(owner: apps_v1.ReplicaSet, template: core_v1.PodTemplateSpec) -> core_v1.Pod:
    """A new pod of `owner`."""
    fresh = codec.copy(template)
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


def status_of(
    rs: apps_v1.ReplicaSet, live: list[core_v1.Pod], held: list[core_v1.Pod], now: datetime
) -> apps_v1.ReplicaSetStatus:
    """The status that the live pods amount to."""
    labels = rs.spec.template.metadata.labels.items()
    return apps_v1.ReplicaSetStatus(
        replicas=len(live),
        fullyLabeledReplicas=sum(1 for pod in live if labels <= pod.metadata.labels.items()) or None,
        readyReplicas=sum(map(is_ready, live)) or None,
        availableReplicas=sum(is_available(pod, rs.spec.minReadySeconds or 0, now) for pod in live) or None,
        terminatingReplicas=sum(
            1 for pod in held if pod.metadata.deletionTimestamp and pod.status.phase not in ("Succeeded", "Failed")
        ),
        observedGeneration=rs.metadata.generation,
        conditions=rs.status.conditions,
    )


def _kin(rs: apps_v1.ReplicaSet, view: View) -> Iterator[core_v1.Pod]:
    """The live pods of the other ReplicaSets of the same owner: a surplus is taken from where these are many."""
    reference = controller_of(rs)
    if reference is None:
        return
    for other in view.list(apps_v1.ReplicaSet, rs.metadata.namespace or ""):
        theirs = controller_of(other)
        if theirs and theirs.uid == reference.uid and other.metadata.uid != rs.metadata.uid:
            yield from filter(is_active, owned(view, other, core_v1.Pod))
