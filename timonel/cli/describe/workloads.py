"""Describes Deployments and ReplicaSets."""

from __future__ import annotations

from collections.abc import Sequence

from timonel.api import codec, selectors
from timonel.api.meta import controller_of, is_controlled_by
from timonel.api.types import apps_v1, core_v1
from timonel.cli.describe.generic import notes
from timonel.cli.describe.page import NONE, Page, moment
from timonel.cli.describe.pod import template

PHASES = {"Running": "Running", "Pending": "Waiting", "Succeeded": "Succeeded", "Failed": "Failed"}
"""Phases of pods, in the words of descriptions."""


def deployment(page: Page, obj: apps_v1.Deployment, replica_sets: Sequence[apps_v1.ReplicaSet]) -> None:
    """How it rolls out, its conditions, and which ReplicaSets of `replica_sets` are its old and its new."""
    metadata, spec, status = obj.metadata, obj.spec, obj.status
    page.field(0, "Name", metadata.name)
    page.field(0, "Namespace", metadata.namespace)
    page.field(0, "CreationTimestamp", moment(metadata.creationTimestamp))
    page.mapping(0, "Labels", metadata.labels)
    page.mapping(0, "Annotations", notes(metadata.annotations), sign=": ")
    page.field(0, "Selector", selectors.from_struct(spec.selector))
    counts = (
        f"{spec.replicas if spec.replicas is not None else 1} desired",
        f"{status.updatedReplicas} updated",
        f"{status.replicas or 0} total",
        f"{status.availableReplicas} available",
        f"{status.unavailableReplicas} unavailable",
    )
    page.field(0, "Replicas", " | ".join(counts))
    strategy = spec.strategy
    page.field(0, "StrategyType", strategy.type)
    page.field(0, "MinReadySeconds", spec.minReadySeconds)
    if strategy.rollingUpdate:
        rolling = strategy.rollingUpdate
        page.field(
            0, "RollingUpdateStrategy", f"{rolling.maxUnavailable} max unavailable, {rolling.maxSurge} max surge"
        )
    template(page, 0, spec.template)
    if status.conditions:
        page.line(0, "Conditions:")
        rows = [[condition.type, condition.status, condition.reason or ""] for condition in status.conditions]
        page.table(1, [["Type", "Status", "Reason"], *rows])
    own = [each for each in replica_sets if is_controlled_by(each, obj)]
    new = [each for each in own if _same_template(each, obj)]
    old = [each for each in own if each not in new]
    page.field(0, "OldReplicaSets", ", ".join(map(_created, old)) or NONE)
    page.field(0, "NewReplicaSet", ", ".join(map(_created, new)) or NONE)


def replica_set(page: Page, obj: apps_v1.ReplicaSet, pods: Sequence[core_v1.Pod]) -> None:
    """Whose it is, and how its pods among `pods` do."""
    metadata, spec, status = obj.metadata, obj.spec, obj.status
    page.field(0, "Name", metadata.name)
    page.field(0, "Namespace", metadata.namespace)
    page.field(0, "Selector", selectors.from_struct(spec.selector))
    page.mapping(0, "Labels", metadata.labels)
    page.mapping(0, "Annotations", notes(metadata.annotations), sign=": ")
    if controller := controller_of(obj):
        page.field(0, "Controlled By", f"{controller.kind}/{controller.name}")
    page.field(0, "Replicas", f"{status.replicas or 0} current / {spec.replicas or 0} desired")
    own = [pod for pod in pods if is_controlled_by(pod, obj)]
    counts = [f"{sum(pod.status.phase == phase for pod in own)} {word}" for phase, word in PHASES.items()]
    page.field(0, "Pods Status", " / ".join(counts))
    template(page, 0, spec.template)


def _created(each: apps_v1.ReplicaSet) -> str:
    return f"{each.metadata.name} ({each.status.replicas or 0}/{each.spec.replicas or 0} replicas created)"


def _same_template(each: apps_v1.ReplicaSet, obj: apps_v1.Deployment) -> bool:
    """Whether the ReplicaSet is of the Deployment's present template; its own hash label aside."""
    return comparable(each.spec.template) == comparable(obj.spec.template)


def comparable(found: core_v1.PodTemplateSpec) -> core_v1.PodTemplateSpec:
    """A copy of a template without the label that tells revisions apart."""
    copy = codec.copy(found)
    copy.metadata.labels.pop("pod-template-hash", None)
    return copy
