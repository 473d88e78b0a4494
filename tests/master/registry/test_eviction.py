"""Evictions keep to disruption budgets, however many come at once."""

import asyncio
from typing import Any

import pytest

from timonel.api.errors import Conflict, InternalError, NotFound, TooManyRequests
from timonel.api.types import core_v1, policy_v1

Budget = policy_v1.PodDisruptionBudget
RUNNING = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


async def running(api: Any, pod: dict[str, Any], name: str, **status: Any) -> None:
    await api.create(core_v1.Pod, {**pod, "metadata": {"name": name, "labels": {"app": "web"}}})
    await api.merge(core_v1.Pod, name, {"status": {**RUNNING, **status}}, subresource="status")


async def budget(api: Any, name: str = "b", policy: str | None = None, **status: Any) -> None:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}, "unhealthyPodEvictionPolicy": policy}
    await api.create(Budget, {"metadata": {"name": name}, "spec": spec})
    counted = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2}
    await api.merge(Budget, name, {"status": {**counted, **status}}, subresource="status")
    await api.registry.cache(Budget).fresh(5)


async def evict(api: Any, name: str, **body: Any) -> Any:
    return await api.create(core_v1.Pod, {"metadata": {"name": name}, **body}, name=name, subresource="eviction")


async def test_a_pod_without_a_budget_goes(api: Any, pod: dict[str, Any]) -> None:
    await running(api, pod, "a")
    assert (await evict(api, "a"))["status"] == "Success"
    with pytest.raises(NotFound):
        await api.get(core_v1.Pod, "a")
    with pytest.raises(NotFound):
        await evict(api, "a")


async def test_a_budget_refuses_and_says_why(api: Any, pod: dict[str, Any]) -> None:
    await running(api, pod, "a")
    await budget(api)
    with pytest.raises(TooManyRequests, match="would violate the pod's disruption budget") as refused:
        await evict(api, "a")
    status = refused.value.status()
    assert status.details.retryAfterSeconds == 10
    [cause] = status.details.causes
    assert cause.reason == "DisruptionBudget"
    assert cause.message == "The disruption budget b needs 2 healthy pods and has 2 currently"
    await api.get(core_v1.Pod, "a")


async def test_a_budget_that_nobody_has_counted(api: Any, pod: dict[str, Any]) -> None:
    await running(api, pod, "a")
    await budget(api, observedGeneration=0, disruptionsAllowed=5)
    with pytest.raises(TooManyRequests) as refused:
        await evict(api, "a")
    assert "still being processed" in refused.value.status().details.causes[0].message


async def test_racing_evictions_share_no_place(api: Any, pod: dict[str, Any]) -> None:
    for number in range(6):
        await running(api, pod, f"p{number}")
    await budget(api, disruptionsAllowed=2)
    done = await asyncio.gather(*(evict(api, f"p{number}") for number in range(6)), return_exceptions=True)
    assert sum(isinstance(one, TooManyRequests) for one in done) == 4
    assert len(await api.names(core_v1.Pod)) == 4
    status = (await api.get(Budget, "b"))["status"]
    assert status["disruptionsAllowed"] == 0
    assert len(status["disruptedPods"]) == 2
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [("DisruptionAllowed", "False")]


async def test_a_dry_run_costs_nothing(api: Any, pod: dict[str, Any]) -> None:
    await running(api, pod, "a")
    await budget(api, disruptionsAllowed=1)
    await api.create(core_v1.Pod, {"metadata": {"name": "a"}}, name="a", subresource="eviction", dry_run=True)
    assert (await api.get(Budget, "b"))["status"]["disruptionsAllowed"] == 1
    await api.get(core_v1.Pod, "a")


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_pods_that_serve_nobody_are_free(api: Any, pod: dict[str, Any], phase: str) -> None:
    await running(api, pod, "a", phase=phase)
    await budget(api)
    await evict(api, "a")


@pytest.mark.parametrize(
    ("policy", "healthy", "goes"),
    [("AlwaysAllow", 0, True), (None, 2, True), (None, 1, False), ("IfHealthyBudget", 1, False)],
)
async def test_unready_pods(api: Any, pod: dict[str, Any], policy: str | None, healthy: int, goes: bool) -> None:
    await running(api, pod, "a", conditions=[{"type": "Ready", "status": "False"}])
    await budget(api, policy=policy, currentHealthy=healthy)
    if goes:
        await evict(api, "a")
    else:
        with pytest.raises(TooManyRequests):
            await evict(api, "a")


async def test_two_budgets_are_a_mistake(api: Any, pod: dict[str, Any]) -> None:
    await running(api, pod, "a")
    await budget(api, "b")
    await budget(api, "c")
    with pytest.raises(InternalError, match="more than one PodDisruptionBudget"):
        await evict(api, "a")


async def test_preconditions_hold(api: Any, pod: dict[str, Any]) -> None:
    await running(api, pod, "a")
    with pytest.raises(Conflict):
        await evict(api, "a", deleteOptions={"preconditions": {"uid": "other"}})
