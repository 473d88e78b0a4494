"""The arithmetic of rolling updates, and whole rollouts played to their end."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from master.controllers.deployment import deployment, replicas
from master.controllers.replicaset import replicaset
from master.controllers.rollout import Bounds, Size, bounds, grow, proportional, shrink
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.types import apps_v1, core_v1

KINDS = [apps_v1.Deployment, apps_v1.ReplicaSet]


def make(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%", **spec: Any) -> apps_v1.Deployment:
    return codec.convert(
        apps_v1.Deployment,
        {
            "metadata": {"name": "web", "namespace": "d"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
                },
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "c", "image": "one"}]},
                },
                **spec,
            },
        },
    )


def set_image(deploy: apps_v1.Deployment, image: str) -> None:
    deploy.spec.template.spec.containers[0].image = image
    deploy.metadata.generation = (deploy.metadata.generation or 0) + 1


def make_ready(pod: core_v1.Pod, at: str) -> None:
    pod.status.phase = "Running"
    pod.status.conditions = [core_v1.PodCondition(type="Ready", status="True", lastTransitionTime=at)]


def ready_all(world: Any) -> None:
    for pod in world.list(core_v1.Pod):
        world.change(pod, lambda p: make_ready(p, api_time.text(world.now)))


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", Bounds(10, 3, 2)),
        (1, "25%", "25%", Bounds(1, 1, 0)),
        (3, 0, 0, Bounds(3, 0, 1)),
        (3, 0, "10%", Bounds(3, 0, 1)),
        (2, 1, 5, Bounds(2, 1, 2)),
        (0, "50%", "50%", Bounds(0, 0, 0)),
    ],
)
def test_bounds_round_surge_up_and_unavailable_down(
    replicas: int, surge: int | str, unavailable: int | str, expected: Bounds
) -> None:
    assert bounds(make(replicas, surge, unavailable)) == expected


sizes = st.integers(0, 20)


@given(sizes, sizes, sizes, sizes, st.lists(st.tuples(sizes, sizes), max_size=4))
def test_no_step_leaves_the_bounds(
    replicas: int, surge: int, unavailable: int, new: int, old: list[tuple[int, int]]
) -> None:
    limits = Bounds(replicas, surge, min(unavailable, replicas))
    sets = [Size(str(number), wanted, min(wanted, available)) for number, (wanted, available) in enumerate(old)]
    everything = new + sum(size.wanted for size in sets)
    grown = grow(new, everything, limits)
    assert grown <= max(new, limits.replicas)
    assert grown <= new or everything - new + grown <= limits.most
    changes = shrink(Size("new", new, new), sets, limits)
    available = new + sum(min(size.available, changes.get(size.name, size.wanted)) for size in sets)
    before = new + sum(size.available for size in sets)
    assert available >= min(limits.least, before)
    assert all(0 <= changes[size.name] < size.wanted for size in sets if size.name in changes)


@example([1, 1, 1, 1, 1], 3, 0)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(0, 40), st.integers(0, 10))
def test_proportional_scaling_reaches_the_total(wanted: list[int], replicas: int, surge: int) -> None:
    limits = Bounds(replicas, surge, 0)
    sets = [Size(str(number), size, 0, most=sum(wanted)) for number, size in enumerate(wanted)]
    changes = proportional(sets, limits)
    total = sum(changes.get(size.name, size.wanted) for size in sets)
    assert total == (limits.most if replicas else 0)


def test_a_deployment_makes_a_replicaset_and_that_its_pods(world: Any) -> None:
    world.add(make(3))
    world.settle(deployment, replicaset, kinds=KINDS)
    [rs] = world.list(apps_v1.ReplicaSet)
    assert replicas(rs) == 3
    assert rs.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
    assert rs.metadata.labels["pod-template-hash"] in rs.metadata.name
    assert len(world.list(core_v1.Pod)) == 3
    [deploy] = world.list(apps_v1.Deployment)
    assert {c.type: c.status for c in deploy.status.conditions} == {"Available": "False", "Progressing": "True"}
    ready_all(world)
    world.settle(deployment, replicaset, kinds=KINDS)
    [deploy] = world.list(apps_v1.Deployment)
    assert (deploy.status.readyReplicas, deploy.status.availableReplicas, deploy.status.unavailableReplicas) == (
        3,
        3,
        0,
    )
    assert {c.type: c.reason for c in deploy.status.conditions} == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "NewReplicaSetAvailable",
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_rolling_update_ends_and_never_leaves_its_bounds(new_world: Any, seed: int) -> None:
    draw = Random(seed)
    world = new_world()
    size = draw.randint(1, 8)
    world.add(make(size, draw.choice([0, 1, 3, "25%", "100%"]), draw.choice([0, 1, 2, "25%", "100%"])))
    world.settle(deployment, replicaset, kinds=KINDS)
    ready_all(world)
    world.settle(deployment, replicaset, kinds=KINDS)
    [deploy] = world.list(apps_v1.Deployment)
    limits = bounds(deploy)
    world.change(deploy, lambda d: set_image(d, "two"))
    for _ in range(400):
        world.wait(1)
        kind, reconcile = draw.choice([(apps_v1.Deployment, deployment), (apps_v1.ReplicaSet, replicaset)])
        for obj in world.list(kind):
            world.apply(reconcile(obj, world, world.now))
        waiting = [pod for pod in world.list(core_v1.Pod) if pod.status.phase != "Running"]
        if waiting and draw.random() < 0.5:
            world.change(draw.choice(waiting), lambda p: make_ready(p, api_time.text(world.now)))
        pods = world.list(core_v1.Pod)
        assert len(pods) <= limits.most
        assert sum(pod.status.phase == "Running" for pod in pods) >= limits.least
    images = {pod.spec.containers[0].image for pod in world.list(core_v1.Pod)}
    assert images == {"two"}
    [deploy] = world.list(apps_v1.Deployment)
    assert deploy.metadata.annotations["deployment.kubernetes.io/revision"] == "2"
    assert deploy.status.updatedReplicas == deploy.status.availableReplicas == size


def test_a_bad_image_leaves_the_old_pods_serving(world: Any) -> None:
    world.add(make(3, surge=1, unavailable=0))
    world.settle(deployment, replicaset, kinds=KINDS)
    ready_all(world)
    world.settle(deployment, replicaset, kinds=KINDS)
    world.change(world.list(apps_v1.Deployment)[0], lambda d: set_image(d, "bad"))
    world.settle(deployment, replicaset, kinds=KINDS)
    images = sorted(pod.spec.containers[0].image for pod in world.list(core_v1.Pod))
    assert images == ["bad", "one", "one", "one"]
    world.wait(601)
    world.settle(deployment, replicaset, kinds=KINDS)
    [deploy] = world.list(apps_v1.Deployment)
    assert {c.type: c.reason for c in deploy.status.conditions}["Progressing"] == "ProgressDeadlineExceeded"


def test_going_back_uses_the_old_replicaset_with_a_new_revision(world: Any) -> None:
    world.add(make(2))
    for image in ("one", "two", "one"):
        world.change(world.list(apps_v1.Deployment)[0], lambda d, image=image: set_image(d, image))
        for _ in range(6):
            world.settle(deployment, replicaset, kinds=KINDS)
            ready_all(world)
        world.wait(5)
    revisions = {
        rs.spec.template.spec.containers[0].image: rs.metadata.annotations["deployment.kubernetes.io/revision"]
        for rs in world.list(apps_v1.ReplicaSet)
    }
    assert revisions == {"one": "3", "two": "2"}
    assert {pod.spec.containers[0].image for pod in world.list(core_v1.Pod)} == {"one"}


def test_recreate_waits_until_the_old_pods_are_gone(world: Any) -> None:
    deploy = make(2)
    deploy.spec.strategy = apps_v1.DeploymentStrategy(type="Recreate")
    world.add(deploy)
    world.settle(deployment, replicaset, kinds=KINDS)
    for pod in world.list(core_v1.Pod):
        world.change(pod, lambda p: p.metadata.finalizers.append("test/hold"))
    world.change(world.list(apps_v1.Deployment)[0], lambda d: set_image(d, "two"))
    world.settle(deployment, replicaset, kinds=KINDS)
    assert {pod.spec.containers[0].image for pod in world.list(core_v1.Pod)} == {"one"}
    for pod in world.list(core_v1.Pod):
        world.change(pod, lambda p: p.metadata.finalizers.clear())
        world.remove(world.get(core_v1.Pod, "d", pod.metadata.name))
    world.settle(deployment, replicaset, kinds=KINDS)
    assert [pod.spec.containers[0].image for pod in world.list(core_v1.Pod)] == ["two", "two"]


def test_a_paused_deployment_scales_but_does_not_roll(world: Any) -> None:
    world.add(make(2))
    world.settle(deployment, replicaset, kinds=KINDS)

    def pause(deploy: apps_v1.Deployment) -> None:
        set_image(deploy, "two")
        deploy.spec.paused = True
        deploy.spec.replicas = 4

    world.change(world.list(apps_v1.Deployment)[0], pause)
    world.settle(deployment, replicaset, kinds=KINDS)
    assert [pod.spec.containers[0].image for pod in world.list(core_v1.Pod)] == ["one"] * 4
    [deploy] = world.list(apps_v1.Deployment)
    assert {c.type: c.reason for c in deploy.status.conditions}["Progressing"] == "DeploymentPaused"


def test_old_replicasets_beyond_the_history_limit_go(world: Any) -> None:
    world.add(make(1, revisionHistoryLimit=2))
    for number in range(6):
        world.change(world.list(apps_v1.Deployment)[0], lambda d, number=number: set_image(d, f"v{number}"))
        for _ in range(4):
            world.settle(deployment, replicaset, kinds=KINDS)
            ready_all(world)
    kept = [rs.spec.template.spec.containers[0].image for rs in world.list(apps_v1.ReplicaSet)]
    assert sorted(kept) == ["v3", "v4", "v5"]
