"""Eviction: a delete of a pod that its disruption budget may refuse (Kubernetes' registry/core/pod/storage)."""

from collections.abc import Sequence
from dataclasses import replace

from master.registry import metadata
from master.registry.base import DeleteOptions, Preconditions
from master.registry.kinds.poddisruptionbudget import ALWAYS, PodDisruptionBudgets
from master.registry.objects import APIObject, Call
from master.registry.subresources import Action, Actor
from timonel.api import selectors
from timonel.api.errors import Forbidden, InternalError, NotFound, TooManyRequests
from timonel.api.types import core_v1, meta_v1, policy_v1

CAUSE = "DisruptionBudget"
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
RETRY_SECONDS = 10
MOST_DISRUPTED = 2000
"""How many evicted pods a budget remembers: more means that nobody watches over it."""
ALLOWED = "DisruptionAllowed"
TARGET = "DisruptionTarget"

Budget = policy_v1.PodDisruptionBudget


class Eviction(Action[policy_v1.Eviction]):
    """Delete the pod if its budget allows; the budget pays for it first, so that two evictions never share a place."""

    name = "eviction"
    struct = policy_v1.Eviction
    gvk = policy_v1.Eviction.gvk

    async def run(self, actor: Actor, call: Call, body: policy_v1.Eviction) -> APIObject:
        """Delete the pod with the options that came along.

        Raises:
            TooManyRequests: its budget allows no disruption now.
        """
        options = delete_options(body.deleteOptions, call.dry_run)
        pod = await actor.reader.current(core_v1.Pod, call.namespace, call.name)
        if pod is None:
            raise NotFound("pods", call.name)
        budget = None if is_free(pod) else _only(budgets_of(pod, list(actor.reader.all_cached(Budget, call.namespace))))
        if budget:
            options = await self._paid(actor, call, pod, budget, options)
        if not call.dry_run:
            options = await self._marked(actor, call, options)
        await actor.delete_object(call, call.namespace, call.name, options)
        return meta_v1.Status(status="Success", code=201)  # type: ignore[return-value]  # Status is an answer

    async def _marked(self, actor: Actor, call: Call, options: DeleteOptions) -> DeleteOptions:
        """Tell in the pod's status why it ends, and delete it as it is with that."""
        wanted = options.preconditions

        def mark(pod: core_v1.Pod) -> None:
            metadata.check(wanted, pod.metadata, int(pod.metadata.resourceVersion or 0), call.resource)
            others = [condition for condition in pod.status.conditions if condition.type != TARGET]
            pod.status.conditions = [
                *others,
                core_v1.PodCondition(
                    type=TARGET,
                    status="True",
                    reason="EvictionByEvictionAPI",
                    message="Eviction API: evicting",
                    lastTransitionTime=call.now,
                ),
            ]

        marked = await actor.modify(replace(call, subresource="status"), call.namespace, call.name, mark)
        if not wanted.resource_version:
            return options
        return replace(options, preconditions=replace(wanted, resource_version=str(marked.revision)))

    async def _paid(
        self, actor: Actor, call: Call, pod: core_v1.Pod, budget: Budget, options: DeleteOptions
    ) -> DeleteOptions:
        """Take the pod off its budget, and delete no other pod than the one that was looked at."""
        if not _is_ready(pod) and may_go_unready(budget):
            wanted = replace(
                options.preconditions,
                uid=options.preconditions.uid or pod.metadata.uid or "",
                resource_version=options.preconditions.resource_version or pod.metadata.resourceVersion or "",
            )
            return replace(options, preconditions=wanted)
        of_budget = replace(
            call, resource=PodDisruptionBudgets.resource, name=budget.metadata.name or "", subresource="status"
        )
        await actor.modify(
            of_budget, call.namespace, of_budget.name, lambda current: take_off(current, call.name, call.now)
        )
        uid = options.preconditions.uid or pod.metadata.uid or ""
        return replace(options, preconditions=replace(options.preconditions, uid=uid))


def is_free(pod: core_v1.Pod) -> bool:
    """Whether no budget has a say: the pod serves nobody yet, or no more."""
    return bool(pod.metadata.deletionTimestamp) or pod.status.phase in ("Pending", "Succeeded", "Failed")


def budgets_of(pod: core_v1.Pod, budgets: Sequence[Budget]) -> list[Budget]:
    """The budgets of the pod's namespace that count it."""
    return [
        budget
        for budget in budgets
        if budget.spec.selector and selectors.from_struct(budget.spec.selector).matches(pod.metadata.labels)
    ]


def _only(budgets: Sequence[Budget]) -> Budget | None:
    if len(budgets) > 1:
        raise InternalError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    return budgets[0] if budgets else None


def _is_ready(pod: core_v1.Pod) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions)


def may_go_unready(budget: Budget) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    status = budget.status
    if budget.spec.unhealthyPodEvictionPolicy == ALWAYS:
        return True
    return status.currentHealthy >= status.desiredHealthy > 0


def take_off(budget: Budget, pod: str, now: str) -> None:
    """Count the pod as disrupted.

    Raises:
        TooManyRequests: none may be disrupted now.
        Forbidden: the budget's status cannot be right.
    """
    name, status = budget.metadata.name or "", budget.status
    if (status.observedGeneration or 0) < budget.metadata.generation:
        raise _refusal(f"The disruption budget {name} is still being processed by the server.")
    if status.disruptionsAllowed < 0:
        raise Forbidden("poddisruptionbudgets.policy", name, "pdb disruptions allowed is negative")
    if len(status.disruptedPods) > MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise Forbidden("poddisruptionbudgets.policy", name, why)
    if status.disruptionsAllowed == 0:
        raise _refusal(
            f"The disruption budget {name} needs {status.desiredHealthy} healthy pods "
            f"and has {status.currentHealthy} currently"
        )
    status.disruptionsAllowed -= 1
    status.disruptedPods[pod] = now
    if status.disruptionsAllowed == 0:
        _say_none_allowed(budget, now)


def _say_none_allowed(budget: Budget, now: str) -> None:
    conditions = budget.status.conditions
    known = next((condition for condition in conditions if condition.type == ALLOWED), None)
    if known and known.status == "False":
        return
    budget.status.conditions = [condition for condition in conditions if condition is not known] + [
        meta_v1.Condition(
            type=ALLOWED,
            status="False",
            reason="InsufficientPods",
            lastTransitionTime=now,
            observedGeneration=budget.status.observedGeneration,
        )
    ]


def _refusal(why: str) -> TooManyRequests:
    return TooManyRequests(REFUSED, RETRY_SECONDS, causes=[meta_v1.StatusCause(reason=CAUSE, message=why)])


def delete_options(body: meta_v1.DeleteOptions | None, dry_run: bool) -> DeleteOptions:
    """The options of a delete as its body says them."""
    if body is None:
        return DeleteOptions(dry_run=dry_run)
    wanted = body.preconditions or meta_v1.Preconditions()
    return DeleteOptions(
        dry_run=dry_run or bool(body.dryRun),
        grace_seconds=body.gracePeriodSeconds,
        propagation=body.propagationPolicy,
        preconditions=Preconditions(wanted.uid or "", wanted.resourceVersion or ""),
    )
