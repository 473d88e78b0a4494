"""Nodes: address ranges, silence, taints, and the pods that have to go."""

from __future__ import annotations

from typing import Any

import pytest

from master.controllers.controller import CONTROLLERS
from master.controllers.node_ipam import node_ipam
from master.controllers.node_lifecycle import GRACE, node_lifecycle, ready, tolerated_for
from master.controllers.pod_gc import pod_gc
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.types import coordination_v1, core_v1, meta_v1


def add_node(world: Any, name: str, **spec: Any) -> core_v1.Node:
    node = {
        "metadata": {"name": name},
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "False"}]},
    }
    return world.add(codec.convert(core_v1.Node, node))


def renew(world: Any, name: str) -> None:
    lease = world.get(coordination_v1.Lease, "kube-node-lease", name)
    stamp = api_time.micro_text(world.now)
    if lease is None:
        raw = {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {"renewTime": stamp}}
        world.add(codec.convert(coordination_v1.Lease, raw))
    else:
        world.change(lease, lambda found: setattr(found.spec, "renewTime", stamp))


def add_pod(world: Any, name: str, node: str, tolerations: list[dict[str, Any]] | None = None) -> core_v1.Pod:
    pod = {
        "metadata": {"name": name, "namespace": "d"},
        "spec": {"nodeName": node, "tolerations": tolerations or [], "containers": [{"name": "c"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    return world.add(codec.convert(core_v1.Pod, pod))


def settle(world: Any) -> core_v1.Node:
    world.settle(node_lifecycle, kinds=[core_v1.Node])
    return world.list(core_v1.Node)[0]


def shown(node: core_v1.Node) -> list[str]:
    return sorted(f"{taint.key}:{taint.effect}" for taint in node.spec.taints)


def test_every_node_gets_a_range_of_its_own_and_keeps_it(world: Any) -> None:
    world.add(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="kube-system")))
    for name in ("c", "b", "a"):
        add_node(world, name)
    world.settle(node_ipam, kinds=[core_v1.Namespace])
    ranges = {node.metadata.name: node.spec.podCIDR for node in world.list(core_v1.Node)}
    assert ranges == {"a": "10.244.0.0/24", "b": "10.244.1.0/24", "c": "10.244.2.0/24"}
    world.remove(world.get(core_v1.Node, "", "b"))
    add_node(world, "d")
    world.settle(node_ipam, kinds=[core_v1.Namespace])
    assert {node.metadata.name: node.spec.podCIDRs for node in world.list(core_v1.Node)} == {
        "a": ["10.244.0.0/24"],
        "c": ["10.244.2.0/24"],
        "d": ["10.244.1.0/24"],
    }


def test_ranges_are_always_given_under_one_key(world: Any) -> None:
    """The engine looks at one key at a time, so no two nodes are ever given ranges side by side."""
    wakes = CONTROLLERS["node-ipam"].wakes_on
    keys = {key for name in ("a", "b") for wake in wakes for key in wake.keys(add_node(world, name), world)}
    assert len(keys) == 1


def test_a_node_that_renews_its_lease_stays_as_it_is(world: Any) -> None:
    add_node(world, "a")
    renew(world, "a")
    node = settle(world)
    assert shown(node) == []
    assert world.requeue == pytest.approx(GRACE, abs=0.1)


def test_a_silent_node_becomes_unknown_is_tainted_and_loses_the_pods_that_do_not_tolerate_it(world: Any) -> None:
    add_node(world, "a")
    renew(world, "a")
    add_pod(world, "plain", "a")
    add_pod(world, "brief", "a", [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}])
    add_pod(world, "loyal", "a", [{"operator": "Exists"}])
    add_node(world, "z")
    world.wait(GRACE + 0.1)
    renew(world, "z")
    node = settle(world)
    assert {c.type: c.status for c in node.status.conditions} == {"Ready": "Unknown", "MemoryPressure": "Unknown"}
    assert shown(node) == ["node.kubernetes.io/unreachable:NoExecute", "node.kubernetes.io/unreachable:NoSchedule"]
    assert [pod.metadata.name for pod in world.list(core_v1.Pod)] == ["brief", "loyal"]
    assert all(pod.status.conditions[0].status == "False" for pod in world.list(core_v1.Pod))
    world.apply(node_lifecycle(node, world, world.now))
    assert world.requeue == pytest.approx(5, abs=1)
    world.wait(5)
    settle(world)
    assert [pod.metadata.name for pod in world.list(core_v1.Pod)] == ["loyal"]


def test_a_master_that_was_away_gives_nodes_the_time_to_come_back(world: Any) -> None:
    add_node(world, "a")
    renew(world, "a")
    world.wait(GRACE * 10)
    world.since = world.now
    assert shown(settle(world)) == []
    assert world.requeue == pytest.approx(GRACE, abs=0.1)
    world.wait(GRACE + 0.1)
    assert "node.kubernetes.io/unreachable:NoExecute" in shown(settle(world))


def test_when_no_node_is_heard_no_pod_is_moved(world: Any) -> None:
    for name in ("a", "b"):
        add_node(world, name)
        renew(world, name)
        add_pod(world, f"on-{name}", name)
    world.wait(GRACE + 1)
    settle(world)
    world.wait(60)
    settle(world)
    assert [ready(node) for node in world.list(core_v1.Node)] == ["Unknown", "Unknown"]
    assert [pod.metadata.name for pod in world.list(core_v1.Pod)] == ["on-a", "on-b"]


def test_a_node_that_comes_back_loses_the_taints(world: Any) -> None:
    node = add_node(world, "a", taints=[{"key": "own", "effect": "NoSchedule"}])
    renew(world, "a")
    world.wait(GRACE + 1)
    settle(world)
    renew(world, "a")

    def is_ready(stored: core_v1.Node) -> None:
        for condition in stored.status.conditions:
            condition.status = "True" if condition.type == "Ready" else "False"

    world.change(node, is_ready)
    assert shown(settle(world)) == ["own:NoSchedule"]


def test_conditions_and_cordoning_show_as_taints(world: Any) -> None:
    node = add_node(world, "a", unschedulable=True)
    renew(world, "a")

    def pressed(stored: core_v1.Node) -> None:
        stored.status.conditions[0].status = "False"
        stored.status.conditions[1].status = "True"

    world.change(node, pressed)
    assert shown(settle(world)) == [
        "node.kubernetes.io/memory-pressure:NoSchedule",
        "node.kubernetes.io/not-ready:NoExecute",
        "node.kubernetes.io/not-ready:NoSchedule",
        "node.kubernetes.io/unschedulable:NoSchedule",
    ]


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 0.0),
        ([{"key": "k", "operator": "Exists"}], None),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 30}], 30.0),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": -3}], 0.0),
        ([{"key": "other", "operator": "Exists"}], 0.0),
        ([{"key": "k", "value": "v"}], None),
        ([{"key": "k", "value": "w"}], 0.0),
        (
            [
                {"key": "k", "operator": "Exists", "tolerationSeconds": 30},
                {"operator": "Exists", "tolerationSeconds": 9},
            ],
            9.0,
        ),
        ([{"operator": "Exists", "effect": "NoSchedule"}], 0.0),
    ],
)
def test_how_long_a_taint_is_tolerated(tolerations: list[dict[str, Any]], seconds: float | None) -> None:
    pod = codec.convert(core_v1.Pod, {"spec": {"tolerations": tolerations}})
    taint = core_v1.Taint(key="k", value="v", effect="NoExecute")
    assert tolerated_for(pod, [taint]) == seconds


def test_pods_of_a_node_that_is_gone_are_removed(world: Any) -> None:
    add_node(world, "a")
    add_pod(world, "here", "a")
    add_pod(world, "lost", "gone")
    add_pod(world, "waiting", "")
    held = add_pod(world, "held", "gone")
    world.change(held, lambda stored: stored.metadata.finalizers.append("example.com/hold"))
    world.settle(pod_gc, kinds=[core_v1.Pod])
    assert [pod.metadata.name for pod in world.list(core_v1.Pod)] == ["held", "here", "waiting"]
    (held, *_) = world.list(core_v1.Pod)
    assert held.status.phase == "Failed"
    assert [(c.type, c.reason) for c in held.status.conditions][-1] == ("DisruptionTarget", "DeletionByPodGC")
