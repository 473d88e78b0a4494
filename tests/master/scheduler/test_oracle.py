"""The placer against a slow, obvious oracle that looks at one node at a time, on random clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from master.scheduler.place import Placed, Placer, Unplaced
from master.scheduler.plugins import load
from master.scheduler.pod import PodInfo, pod_info
from master.scheduler.table import NodeTable
from timonel.api import codec
from timonel.api.types import core_v1

MIB = 1024 * 1024

# Random clusters, as plain data. Python's generator, seeded by hypothesis: its own strategies favour repeated extremes,
# and then hardly a pod finds
# two nodes to choose from.

KEYS = ["zone", "disk"]
VALUES = ["a", "b", "7"]
EFFECTS = ["NoSchedule", "NoExecute", "PreferNoSchedule", "PreferNoSchedule"]
OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]


class Draw(Random):
    """Draws nodes and pods that are mostly plain."""

    def some(self, chance: float, make: Callable[[], Any], most: int = 2) -> list[Any]:
        return [make() for _ in range(most) if self.random() < chance]

    def labels(self, chance: float) -> dict[str, str]:
        return {key: self.choice(VALUES) for key in KEYS if self.random() < chance}

    def taint(self) -> dict[str, str]:
        return {"key": self.choice(KEYS), "value": self.choice(VALUES), "effect": self.choice(EFFECTS)}

    def toleration(self) -> dict[str, str]:
        full = {**self.taint(), "operator": self.choice(["Exists", "Equal"])}
        return {key: value for key, value in full.items() if self.random() < 0.7}

    def term(self) -> list[dict[str, Any]]:
        return self.some(
            0.8,
            lambda: {
                "key": self.choice(KEYS),
                "operator": self.choice(OPERATORS),
                "values": self.some(0.7, lambda: self.choice([*VALUES, "5", "9"])),
            },
        )

    def node(self) -> dict[str, Any]:
        return {
            "labels": self.labels(0.7),
            "taints": self.some(0.15, self.taint),
            "unschedulable": self.random() < 0.05,
            "cpu": self.choice([0, 500, *[4000] * 3, *range(1000, 4000, 250)]),
            "memory": self.choice([0, 128, *[2048] * 3, *range(512, 4096, 100)]),
            "pods": self.choice([0, 2, *[10] * 8]),
            "images": self.some(0.4, lambda: (self.choice(["one:latest", "two:1"]), self.randint(1, 2000))),
        }

    def pod(self) -> dict[str, Any]:
        return {
            "owner": self.choice(["", "x", "y"]),
            "cpu": self.choice([0, 100, self.randint(0, 1500)]),
            "memory": self.choice([0, 64, self.randint(0, 600)]),
            "selector": self.labels(0.05),
            "tolerations": self.some(0.2, self.toleration),
            "required": self.some(0.7, self.term) if self.random() < 0.2 else None,
            "preferred": self.some(0.3, lambda: (self.randint(1, 100), self.term())),
            "port": self.choice([0, 0, 0, 80, 81]),
            "address": self.choice(["", "10.0.0.1"]),
            "image": self.choice(["one", "two:1", "three"]),
            "node": self.choice(["n0", "n9"]) if self.random() < 0.05 else "",
        }


draws = st.integers(0, 2**32).map(Draw)


def make_node(index: int, data: dict[str, Any]) -> core_v1.Node:
    return codec.convert(
        core_v1.Node,
        {
            "metadata": {"name": f"n{index}", "labels": data["labels"]},
            "spec": {"taints": data["taints"], "unschedulable": data["unschedulable"]},
            "status": {
                "allocatable": {"cpu": f"{data['cpu']}m", "memory": f"{data['memory']}Mi", "pods": str(data["pods"])},
                "images": [{"names": [name], "sizeBytes": size * MIB} for name, size in data["images"]],
            },
        },
    )


def make_pod(index: int, data: dict[str, Any]) -> PodInfo:
    requests = {"cpu": f"{data['cpu']}m", "memory": f"{data['memory']}Mi"}
    port = [{"containerPort": 1, "hostPort": data["port"], "hostIP": data["address"]}] if data["port"] else []
    node_affinity: dict[str, Any] = {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": weight, "preference": {"matchExpressions": term}} for weight, term in data["preferred"]
        ]
    }
    if data["required"] is not None:
        node_affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {
            "nodeSelectorTerms": [{"matchExpressions": term} for term in data["required"]]
        }
    owners = (
        [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": data["owner"], "controller": True}]
        if data["owner"]
        else []
    )
    return pod_info(
        codec.convert(
            core_v1.Pod,
            {
                "metadata": {"name": f"p{index}", "namespace": "d", "uid": f"u{index}", "ownerReferences": owners},
                "spec": {
                    "nodeName": data["node"],
                    "nodeSelector": data["selector"],
                    "tolerations": data["tolerations"],
                    "affinity": {"nodeAffinity": node_affinity},
                    "containers": [
                        {"name": "c", "image": data["image"], "resources": {"requests": requests}, "ports": port}
                    ],
                },
            },
        )
    )


# The oracle.


class Oracle:
    """One node at a time, from the documented rules."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        self.nodes = nodes
        self.placed: list[list[dict[str, Any]]] = [[] for _ in nodes]
        self.cursor = 0

    def place(self, pod: dict[str, Any]) -> int | Counter[str]:
        reasons = [self.refusals(pod, index) for index in range(len(self.nodes))]
        feasible = [index for index, found in enumerate(reasons) if not found]
        if not feasible:
            return Counter(reason for found in reasons for reason in found)
        scores = self.scores(pod, feasible)
        best = [index for index in feasible if scores[index] == max(scores.values())]
        chosen = next((index for index in best if index >= self.cursor), best[0])
        self.cursor = chosen + 1
        self.placed[chosen].append(pod)
        return chosen

    def refusals(self, pod: dict[str, Any], index: int) -> list[str]:
        node = self.nodes[index]
        if node["unschedulable"] and not tolerated(
            pod, {"key": "node.kubernetes.io/unschedulable", "value": "", "effect": "NoSchedule"}
        ):
            return ["node(s) were unschedulable"]
        if pod["node"] and pod["node"] != f"n{index}":
            return ["node(s) didn't match the requested node name"]
        if any(taint["effect"] != "PreferNoSchedule" and not tolerated(pod, taint) for taint in node["taints"]):
            return ["node(s) had untolerated taint(s)"]
        selected = all(node["labels"].get(key) == value for key, value in pod["selector"].items())
        if not selected or (pod["required"] is not None and not any(matches(term, node) for term in pod["required"])):
            return ["node(s) didn't match Pod's node affinity/selector"]
        if pod["port"] and any(conflict(pod, other) for other in self.placed[index]):
            return ["node(s) didn't have free ports for the requested pod ports"]
        found = ["Too many pods"] if len(self.placed[index]) >= node["pods"] else []
        return found + [
            f"Insufficient {resource}"
            for resource in ("cpu", "memory")
            if pod[resource] and pod[resource] + self.used(index, resource) > node[resource]
        ]

    def scores(self, pod: dict[str, Any], feasible: list[int]) -> dict[int, int]:
        total = dict.fromkeys(feasible, 0)
        bad_taints = {
            index: sum(
                1
                for taint in {tuple(sorted(taint.items())) for taint in self.nodes[index]["taints"]}
                if dict(taint)["effect"] == "PreferNoSchedule" and not tolerated(pod, dict(taint))
            )
            for index in feasible
        }
        preferred = {
            index: sum(weight for weight, term in pod["preferred"] if matches(term, self.nodes[index]))
            for index in feasible
        }
        owned = {
            index: sum(1 for other in self.placed[index] if pod["owner"] and other["owner"] == pod["owner"])
            for index in feasible
        }
        for index in feasible:
            total[index] += 3 * (100 - scaled(bad_taints, index))
            total[index] += 2 * scaled(preferred, index)
            total[index] += 2 * (100 - scaled(owned, index))
            total[index] += self.least_allocated(pod, index) + self.balanced(pod, index) + self.image(pod, index)
        return total

    def used(self, index: int, resource: str) -> int:
        return sum(other[resource] for other in self.placed[index])

    def least_allocated(self, pod: dict[str, Any], index: int) -> int:
        parts = []
        for resource in ("cpu", "memory"):
            # A request of "0" is a request: only a missing one counts as the default.
            capacity = self.nodes[index][resource] * (1 if resource == "cpu" else MIB)
            used = (self.used(index, resource) + pod[resource]) * (1 if resource == "cpu" else MIB)
            if capacity:
                parts.append(max(capacity - used, 0) * 100 // capacity)
        return sum(parts) // len(parts) if parts else 0

    def balanced(self, pod: dict[str, Any], index: int) -> int:
        if not pod["cpu"] and not pod["memory"]:
            return 0
        node = self.nodes[index]
        if not node["cpu"] or not node["memory"]:
            return 100
        shares = [
            min(self.used(index, resource) + pod[resource], node[resource]) * unit * 100_000 // (node[resource] * unit)
            for resource, unit in (("cpu", 1), ("memory", 1024))
        ]
        return (200_000 - abs(shares[0] - shares[1])) // 2000

    def image(self, pod: dict[str, Any], index: int) -> int:
        name = pod["image"] if ":" in pod["image"] else pod["image"] + ":latest"
        having = [dict(node["images"]) for node in self.nodes]
        size = having[index].get(name, 0) * MIB * sum(1 for images in having if name in images) // len(self.nodes)
        return (min(max(size, 23 * MIB), 1000 * MIB) - 23 * MIB) * 100 // (977 * MIB)


def tolerated(pod: dict[str, Any], taint: dict[str, Any]) -> bool:
    for toleration in pod["tolerations"]:
        if toleration.get("effect", taint["effect"]) != taint["effect"]:
            continue
        key = toleration.get("key")
        if key is not None and key != taint["key"]:
            continue
        if toleration.get("operator") == "Exists":
            return True
        if key is not None and toleration.get("value", "") == taint["value"]:
            return True
    return False


def matches(term: list[dict[str, Any]], node: dict[str, Any]) -> bool:
    return bool(term) and all(holds(expression, node["labels"]) for expression in term)


def holds(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression["values"]
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            if value is None or len(values) != 1 or not value.isdigit() or not values[0].isdigit():
                return False
            return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])


def conflict(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["port"] == other["port"] and (
        not one["address"] or not other["address"] or one["address"] == other["address"]
    )


def scaled(values: dict[int, int], index: int) -> int:
    highest = max(values.values())
    return values[index] * 100 // highest if highest else 0


@settings(max_examples=400, deadline=None)
@given(draws)
def test_places_as_the_oracle(draw: Draw) -> None:
    nodes = [draw.node() for _ in range(draw.randint(1, 6))]
    table = NodeTable()
    for index, data in enumerate(nodes):
        table.set_node(make_node(index, data))
    oracle = Oracle(nodes)
    placer = Placer(load())
    for index in range(draw.randint(1, 12)):
        data = draw.pod()
        [outcome] = placer.place([make_pod(index, data)], table)
        expected = oracle.place(data)
        if isinstance(outcome, Placed):
            assert outcome.node == f"n{expected}"
        else:
            assert isinstance(outcome, Unplaced)
            assert outcome.reasons == expected


@settings(max_examples=200, deadline=None)
@given(draws)
def test_a_table_changed_step_by_step_equals_one_made_at_once(draw: Draw) -> None:
    table = NodeTable()
    present: dict[int, dict[str, Any]] = {}
    counted: dict[str, PodInfo] = {}
    for step in range(draw.randint(1, 40)):
        index = draw.randint(0, 20)
        match draw.choice(["set", "remove", "pod", "resize", "unpod"]):
            case "set":
                present[index] = draw.node()
                table.set_node(make_node(index, present[index]))
            case "remove":
                present.pop(index, None)
                table.remove_node(f"n{index}")
                counted = {uid: pod for uid, pod in counted.items() if pod.node != f"n{index}"}
            case "pod" if index in present:
                pod = make_pod(step, draw.pod() | {"node": f"n{index}"})
                counted[pod.uid] = pod
                table.add_pod(pod)
                table.add_pod(pod)
            case "resize" if counted:
                pod = counted[draw.choice(sorted(counted))]
                cpu = draw.randint(1, 4000)
                asked = {"requests": pod.requests | {"cpu": cpu}, "nonzero": pod.nonzero | {"cpu": cpu}}
                counted[pod.uid] = replace(pod, **asked)
                table.add_pod(counted[pod.uid])
            case "unpod" if counted:
                pod = counted.pop(draw.choice(sorted(counted)))
                table.remove_pod(pod)
                table.remove_pod(pod)
    fresh = NodeTable()
    for index, node in present.items():
        fresh.set_node(make_node(index, node))
    for pod in counted.values():
        fresh.add_pod(pod)
    probe = make_pod(99, draw.pod())
    explained = {verdict.node: (verdict.refusals, verdict.scores) for verdict in Placer(load()).explain(probe, table)}
    assert explained == {
        verdict.node: (verdict.refusals, verdict.scores) for verdict in Placer(load()).explain(probe, fresh)
    }
