"""Disruption budgets: how many of the pods that they protect may be evicted now.

Source: Kubernetes' documentation of disruptions, and its disruption controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from master.controllers.actions import Action, RequeueAfter, SetStatus
from master.controllers.controller import Key, Wake, controller, key_of
from master.controllers.pods import is_active, is_ready
from master.controllers.view import View
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.intstr import scaled
from timonel.api.meta import controller_of
from timonel.api.selectors import from_struct
from timonel.api.types import core_v1, meta_v1, policy_v1

EVICTION_SECONDS = 120
"""How long an eviction that was granted counts although its pod is still there."""


def _budgets(pod: core_v1.Pod, view: View) -> Iterator[Key]:
    for budget in view.list(policy_v1.PodDisruptionBudget, pod.metadata.namespace or ""):
        if from_struct(budget.spec.selector).matches(pod.metadata.labels):
            yield key_of(budget)


@controller(policy_v1.PodDisruptionBudget, wakes_on=[Wake(core_v1.Pod, _budgets)])
def disruption(budget: policy_v1.PodDisruptionBudget, view: View, now: datetime) -> Iterator[Action]:
    """Keep a budget's figures in step with its pods."""
    selector = from_struct(budget.spec.selector)
    pods = [
        pod
        for pod in view.list(core_v1.Pod, budget.metadata.namespace or "")
        if selector.matches(pod.metadata.labels) and pod.status.phase not in ("Succeeded", "Failed")
    ]
    status = status_of(budget, pods, expected(budget, pods, view), now)
    if codec.encode(status) != codec.encode(budget.status):
        changed = codec.copy(budget)
        changed.status = status
        yield SetStatus(changed)
    if status.disruptedPods:
        yield RequeueAfter(float(EVICTION_SECONDS))


def expected(budget: policy_v1.PodDisruptionBudget, pods: Sequence[core_v1.Pod], view: View) -> int:
    """How many pods there should be: those that there are, or for a budget in shares what their owners ask for."""
    if isinstance(budget.spec.minAvailable, int):
        return len(pods)
    total, seen = 0, set[str]()
    for pod in pods:
        reference = controller_of(pod)
        kind = view.kind(reference.apiVersion, reference.kind) if reference else None
        owner = view.get(kind, pod.metadata.namespace or "", reference.name) if kind and reference else None
        uid = owner.metadata.uid if owner is not None else pod.metadata.uid
        if uid not in seen:
            seen.add(uid or "")
            replicas = getattr(getattr(owner, "spec", None), "replicas", None)
            total += 1 if replicas is None else int(replicas)
    return total


def status_of(
    budget: policy_v1.PodDisruptionBudget, pods: Sequence[core_v1.Pod], count: int, now: datetime
) -> policy_v1.PodDisruptionBudgetStatus:
    """The status for these pods of `count` expected ones."""
    disrupted = dict(_still_disrupted(budget, pods, now))
    healthy = sum(1 for pod in pods if is_active(pod) and is_ready(pod) and pod.metadata.name not in disrupted)
    desired = _desired(budget, count)
    allowed = max(healthy - desired, 0) if count else 0
    return policy_v1.PodDisruptionBudgetStatus(
        currentHealthy=healthy,
        desiredHealthy=desired,
        expectedPods=count,
        disruptionsAllowed=allowed,
        disruptedPods=disrupted,
        observedGeneration=budget.metadata.generation,
        conditions=[_condition(budget, allowed, now)],
    )


def _desired(budget: policy_v1.PodDisruptionBudget, count: int) -> int:
    if budget.spec.maxUnavailable is not None:
        return max(count - scaled(budget.spec.maxUnavailable, count, round_up=True), 0)
    if budget.spec.minAvailable is not None:
        return scaled(budget.spec.minAvailable, count, round_up=True)
    return count


def _still_disrupted(
    budget: policy_v1.PodDisruptionBudget, pods: Iterable[core_v1.Pod], now: datetime
) -> Iterator[tuple[str, str]]:
    there = {pod.metadata.name for pod in pods if not pod.metadata.deletionTimestamp}
    for name, since in budget.status.disruptedPods.items():
        if name in there and now - api_time.parse(since) < timedelta(seconds=EVICTION_SECONDS):
            yield name, since


def _condition(budget: policy_v1.PodDisruptionBudget, allowed: int, now: datetime) -> meta_v1.Condition:
    status, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    known = next((c for c in budget.status.conditions if c.type == "DisruptionAllowed"), None)
    since = known.lastTransitionTime if known and known.status == status else api_time.text(now)
    return meta_v1.Condition(
        type="DisruptionAllowed",
        status=status,
        reason=reason,
        message="",
        observedGeneration=budget.metadata.generation,
        lastTransitionTime=since,
    )
