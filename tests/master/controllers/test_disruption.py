"""How many evictions a budget allows."""

from __future__ import annotations

from typing import Any

import pytest

from master.controllers.disruption import disruption
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.meta import owner_reference
from timonel.api.types import apps_v1, core_v1, policy_v1


def add_pods(world: Any, ready: int, waiting: int = 0, replicas: int | None = None) -> None:
    raw = {"metadata": {"name": "r", "namespace": "d"}, "spec": {"replicas": replicas}}
    owner = world.add(codec.convert(apps_v1.ReplicaSet, raw))
    for number in range(ready + waiting):
        pod = codec.convert(
            core_v1.Pod,
            {
                "metadata": {"name": f"p{number}", "namespace": "d", "labels": {"app": "a"}},
                "status": {
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True" if number < ready else "False"}],
                },
            },
        )
        pod.metadata.ownerReferences = [owner_reference(owner)]
        world.add(pod)


def settled(world: Any, **spec: Any) -> policy_v1.PodDisruptionBudgetStatus:
    raw = {"metadata": {"name": "b", "namespace": "d"}, "spec": {"selector": {"matchLabels": {"app": "a"}}, **spec}}
    world.add(codec.convert(policy_v1.PodDisruptionBudget, raw))
    world.settle(disruption, kinds=[policy_v1.PodDisruptionBudget])
    return world.list(policy_v1.PodDisruptionBudget)[0].status


@pytest.mark.parametrize(
    ("spec", "ready", "waiting", "replicas", "expected"),
    [
        ({"minAvailable": 2}, 3, 0, 3, (3, 2, 3, 1)),
        ({"minAvailable": 2}, 1, 2, 3, (1, 2, 3, 0)),
        ({"minAvailable": "50%"}, 3, 0, 3, (3, 2, 3, 1)),
        ({"maxUnavailable": 1}, 3, 0, 5, (3, 4, 5, 0)),
        ({"maxUnavailable": 1}, 5, 0, 5, (5, 4, 5, 1)),
        ({"maxUnavailable": "30%"}, 10, 0, 10, (10, 7, 10, 3)),
        ({"minAvailable": 0}, 2, 0, 2, (2, 0, 2, 2)),
        ({"minAvailable": 1}, 0, 0, 0, (0, 1, 0, 0)),
    ],
)
def test_a_budget_allows_what_leaves_enough(
    world: Any, spec: dict[str, Any], ready: int, waiting: int, replicas: int, expected: tuple[int, ...]
) -> None:
    add_pods(world, ready, waiting, replicas)
    status = settled(world, **spec)
    figures = (status.currentHealthy, status.desiredHealthy, status.expectedPods, status.disruptionsAllowed)
    assert figures == expected
    assert status.conditions[0].reason == ("SufficientPods" if expected[3] else "InsufficientPods")


def test_an_eviction_that_was_granted_counts_until_its_pod_goes_or_for_two_minutes(world: Any) -> None:
    add_pods(world, 3, replicas=3)
    settled(world, minAvailable=2)
    budget = world.list(policy_v1.PodDisruptionBudget)[0]
    world.change(budget, lambda b: b.status.disruptedPods.update(p0=api_time.text(world.now)))
    world.settle(disruption, kinds=[policy_v1.PodDisruptionBudget])
    assert world.list(policy_v1.PodDisruptionBudget)[0].status.disruptionsAllowed == 0
    world.wait(121)
    world.settle(disruption, kinds=[policy_v1.PodDisruptionBudget])
    assert world.list(policy_v1.PodDisruptionBudget)[0].status.disruptionsAllowed == 1
