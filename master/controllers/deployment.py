"""Deployments: ReplicaSets, one a pod template, and the way from an old one to the new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from master.controllers.actions import Action, Create, Delete, Patch, RequeueAfter, SetStatus, Tell, Update
from master.controllers.controller import Key, Wake, controlled_by, controller
from master.controllers.deployment_status import deadline_in, status_of
from master.controllers.ownership import candidates, claim
from master.controllers.rollout import Bounds, Size, bounds, grow, proportional, shrink
from master.controllers.view import View, owned
from timonel.api import codec
from timonel.api.meta import SUFFIX_LETTERS, controller_of, owner_reference
from timonel.api.selectors import from_struct
from timonel.api.types import apps_v1, core_v1, meta_v1

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
}

KEPT_REVISIONS = 10


@dataclass(frozen=True, slots=True)
class Family:
    """A Deployment with its ReplicaSets: `new` has its current template, `old` are the others, oldest first."""

    deployment: apps_v1.Deployment
    new: apps_v1.ReplicaSet | None
    old: Sequence[apps_v1.ReplicaSet]
    limits: Bounds

    @property
    def all(self) -> list[apps_v1.ReplicaSet]:
        """Old and new."""
        return [*self.old, *([self.new] if self.new else [])]

    @property
    def complete(self) -> bool:
        """Whether only new pods are left, and all of them are available."""
        new = self.new
        return (
            new is not None
            and replicas(new) == self.limits.replicas
            and new.status.availableReplicas >= self.limits.replicas
            and all(old.status.replicas == 0 and replicas(old) == 0 for old in self.old)
        )


def _pod_of_recreate(pod: core_v1.Pod, view: View) -> Iterator[Key]:
    """A Recreate waits for the old pods' end, which their ReplicaSets' figures do not show."""
    reference = controller_of(pod)
    if reference and reference.kind == "ReplicaSet":
        rs = view.get(apps_v1.ReplicaSet, pod.metadata.namespace or "", reference.name)
        owner = controller_of(rs) if rs else None
        if owner and owner.kind == "Deployment":
            yield Key(apps_v1.Deployment, pod.metadata.namespace or "", owner.name)


@controller(
    apps_v1.Deployment,
    wakes_on=[controlled_by(apps_v1.Deployment, apps_v1.ReplicaSet), Wake(core_v1.Pod, _pod_of_recreate)],
)
def deployment(deploy: apps_v1.Deployment, view: View, now: datetime) -> Iterator[Action]:
    """Bring the Deployment's ReplicaSets to its template and replicas, within the bounds of its strategy."""
    claims = claim(deploy, from_struct(deploy.spec.selector), candidates(view, deploy, apps_v1.ReplicaSet))
    yield from claims.actions(deploy)
    family = family_of(deploy, [*claims.held, *claims.adopted])
    collided = False
    if not deploy.metadata.deletionTimestamp:
        collided = not deploy.spec.paused and family.new is None and _name_taken(deploy, view)
        if not collided:
            for action in steps(family, view):
                yield action
                if isinstance(action, Update):  # The Deployment has another version now, with which it comes again.
                    return
    status = status_of(deploy, family.new, family.all, family.limits, now)
    if collided:
        status.collisionCount = (status.collisionCount or 0) + 1
    if codec.encode(status) != codec.encode(deploy.status):
        changed = codec.copy(deploy)
        changed.status = status
        yield SetStatus(changed)
    wait = deadline_in(deploy, status, now)
    if wait is not None:
        yield RequeueAfter(wait)


def steps(family: Family, view: View) -> Iterator[Action]:
    """The writes to ReplicaSets that may be done now."""
    deploy = family.deployment
    if deploy.spec.paused or _was_scaled(family):
        yield from _scale(family)
        return
    if deploy.spec.strategy.type == "Recreate":
        yield from _recreate(family, view)
    else:
        yield from _roll(family)
    if family.new is not None:
        yield from _keep_revision(family)
    if family.complete:
        yield from _forget_old(family)


def family_of(deploy: apps_v1.Deployment, sets: Sequence[apps_v1.ReplicaSet]) -> Family:
    """Sort a Deployment's ReplicaSets; of several with its template the oldest is the new one."""
    by_age = sorted(sets, key=lambda rs: (rs.metadata.creationTimestamp or "", rs.metadata.name or ""))
    template = _essence(deploy.spec.template)
    new = next((rs for rs in by_age if _essence(rs.spec.template) == template), None)
    return Family(deploy, new, [rs for rs in by_age if rs is not new], bounds(deploy))


def replicas(rs: apps_v1.ReplicaSet) -> int:
    """The pods that a ReplicaSet asks for."""
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def revision(obj: apps_v1.ReplicaSet | apps_v1.Deployment) -> int:
    """The revision that an object is annotated with; 0 without one."""
    text = obj.metadata.annotations.get(REVISION, "0")
    return int(text) if text.isdigit() else 0


# Strategies.


def _roll(family: Family) -> Iterator[Action]:
    limits, everything = family.limits, sum(map(replicas, family.all))
    if family.new is None:
        yield from _create_new(family, grow(0, everything, limits))
        return
    wanted = grow(replicas(family.new), everything, limits)
    if wanted != replicas(family.new):
        yield from _resize(family, family.new, wanted)
        return
    changes = shrink(_size(family.new), [_size(rs) for rs in family.old], limits)
    for rs in family.old:
        if rs.metadata.name in changes:
            yield from _resize(family, rs, changes[rs.metadata.name])


def _recreate(family: Family, view: View) -> Iterator[Action]:
    shrinking = [rs for rs in family.old if replicas(rs)]
    for rs in shrinking:
        yield from _resize(family, rs, 0)
    if shrinking or any(_still_runs(pod) for rs in family.old for pod in owned(view, rs, core_v1.Pod)):
        return
    if family.new is None:
        yield from _create_new(family, family.limits.replicas)
    elif replicas(family.new) != family.limits.replicas:
        yield from _resize(family, family.new, family.limits.replicas)


def _scale(family: Family) -> Iterator[Action]:
    """Follow a change of the Deployment's replicas without going on with a rollout."""
    limits = family.limits
    active = [rs for rs in family.all if replicas(rs)]
    if len(active) <= 1:
        target = active[0] if active else family.new or max(family.old, key=revision, default=None)
        if target is not None and (replicas(target) != limits.replicas or _desired(target) != limits.replicas):
            yield from _resize(family, target, limits.replicas)
        return
    newest_first = sorted(active, key=lambda rs: rs.metadata.creationTimestamp or "", reverse=True)
    changes = proportional([_size(rs) for rs in newest_first], limits)
    for rs in active:
        yield from _resize(family, rs, changes.get(rs.metadata.name or "", replicas(rs)))


def _was_scaled(family: Family) -> bool:
    return any(replicas(rs) and _desired(rs) not in (None, family.limits.replicas) for rs in family.all)


def _still_runs(pod: core_v1.Pod) -> bool:
    return pod.status.phase not in ("Succeeded", "Failed")


# Writes.


def _create_new(family: Family, size: int) -> Iterator[Action]:
    deploy = family.deployment
    template = codec.copy(deploy.spec.template)
    digest = template_hash(deploy)
    template.metadata.labels[HASH] = digest
    selector = codec.copy(deploy.spec.selector or meta_v1.LabelSelector())
    selector.matchLabels[HASH] = digest
    name = f"{deploy.metadata.name}-{digest}"
    yield Create(
        apps_v1.ReplicaSet(
            metadata=meta_v1.ObjectMeta(
                name=name,
                namespace=deploy.metadata.namespace,
                labels=template.metadata.labels,
                annotations={**_copied_annotations(deploy), **_figures(family), REVISION: str(_next_revision(family))},
                ownerReferences=[owner_reference(deploy)],
            ),
            spec=apps_v1.ReplicaSetSpec(
                replicas=size, minReadySeconds=deploy.spec.minReadySeconds, selector=selector, template=template
            ),
        )
    )
    if size:
        yield Tell(deploy, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")


def _resize(family: Family, rs: apps_v1.ReplicaSet, size: int) -> Iterator[Action]:
    before = replicas(rs)
    yield Patch(rs, {"metadata": {"uid": rs.metadata.uid, "annotations": _figures(family)}, "spec": {"replicas": size}})
    if size != before:
        direction = "up" if size > before else "down"
        message = f"Scaled {direction} replica set {rs.metadata.name} from {before} to {size}"
        yield Tell(family.deployment, "ScalingReplicaSet", message)


def _keep_revision(family: Family) -> Iterator[Action]:
    """The new set has the highest revision, also when it was an old one; the Deployment shows it."""
    deploy, new = family.deployment, family.new
    if new is None:
        return
    wanted = _next_revision(family)
    annotations = dict(_copied_annotations(deploy))
    current = revision(new)
    if current < wanted:
        annotations[REVISION] = str(wanted)
        if current:
            history = new.metadata.annotations.get(HISTORY, "")
            annotations[HISTORY] = f"{history},{current}" if history else str(current)
    changed = {key: value for key, value in annotations.items() if new.metadata.annotations.get(key) != value}
    spec = (
        {"minReadySeconds": deploy.spec.minReadySeconds}
        if new.spec.minReadySeconds != deploy.spec.minReadySeconds
        else {}
    )
    if changed or spec:
        yield Patch(new, {"metadata": {"uid": new.metadata.uid, "annotations": changed}, "spec": spec})
    shown = str(max(wanted, current))
    if deploy.metadata.annotations.get(REVISION) != shown:
        revised = codec.copy(deploy)
        revised.metadata.annotations[REVISION] = shown
        yield Update(revised)


def _forget_old(family: Family) -> Iterator[Action]:
    limit = family.deployment.spec.revisionHistoryLimit
    kept = KEPT_REVISIONS if limit is None else limit
    removable = [
        rs
        for rs in sorted(family.old, key=revision)
        if not rs.status.replicas and not replicas(rs) and not rs.metadata.deletionTimestamp
    ]
    yield from (Delete(rs) for rs in removable[: max(len(family.old) - kept, 0)])


# Figures.


def template_hash(deploy: apps_v1.Deployment) -> str:
    """Ten letters that stand for the pod template and the number of collisions so far."""
    text = _essence(deploy.spec.template) + str(deploy.status.collisionCount or 0).encode()
    digest = hashlib.blake2b(text, digest_size=10).digest()
    return "".join(SUFFIX_LETTERS[byte % len(SUFFIX_LETTERS)] for byte in digest)


def _name_taken(deploy: apps_v1.Deployment, view: View) -> bool:
    """Whether the name of the set to be made belongs to one with another template."""
    return (
        view.get(apps_v1.ReplicaSet, deploy.metadata.namespace or "", f"{deploy.metadata.name}-{template_hash(deploy)}")
        is not None
    )


def _essence(template: core_v1.PodTemplateSpec) -> bytes:
    """The template without the label that the controller adds."""
    labels = {key: value for key, value in sorted(template.metadata.labels.items()) if key != HASH}
    metadata = codec.copy(template.metadata)
    metadata.labels = labels
    return codec.encode([metadata, template.spec])


def _size(rs: apps_v1.ReplicaSet) -> Size:
    most = rs.metadata.annotations.get(MOST, "")
    return Size(rs.metadata.name or "", replicas(rs), rs.status.availableReplicas, int(most) if most.isdigit() else 0)


def _desired(rs: apps_v1.ReplicaSet) -> int | None:
    text = rs.metadata.annotations.get(DESIRED, "")
    return int(text) if text.isdigit() else None


def _figures(family: Family) -> dict[str, str]:
    return {DESIRED: str(family.limits.replicas), MOST: str(family.limits.most)}


def _next_revision(family: Family) -> int:
    """One more than any old set has; the new set keeps its own if that is higher."""
    highest = max(map(revision, family.old), default=0) + 1
    return max(highest, revision(family.new)) if family.new else highest


def _copied_annotations(deploy: apps_v1.Deployment) -> dict[str, str]:
    return {key: value for key, value in deploy.metadata.annotations.items() if key not in _NOT_COPIED}
