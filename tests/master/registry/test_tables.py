"""What `kubectl get` prints, column by column."""

from typing import Any

import pytest

from master.registry import resources
from timonel.api import codec
from timonel.api.types import core_v1


def cells(kind: type[Any], obj: dict[str, Any]) -> dict[str, Any]:
    decoded = codec.convert(kind, obj)
    return {column.name: column.value(decoded) for column in resources.load()[kind].columns}


def pod(**status: Any) -> dict[str, Any]:
    containers = [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]
    return {"spec": {"containers": containers, "initContainers": [{"name": "i", "image": "x"}]}, "status": status}


def state(name: str, **what: Any) -> dict[str, Any]:
    return {"name": name, "ready": "running" in what, "state": what}


RUNNING = {"running": {}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}
INITIALIZED = [{"type": "Initialized", "status": "True"}]


@pytest.mark.parametrize(
    ("status", "word", "ready"),
    [
        ({"phase": "Pending"}, "Pending", "0/2"),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
         "SchedulingGated", "0/2"),
        ({"phase": "Pending", "initContainerStatuses": [state("i", **RUNNING)]}, "Init:0/1", "0/2"),
        ({"phase": "Pending", "initContainerStatuses": [state("i", waiting={"reason": "ErrImagePull"})]},
         "Init:ErrImagePull", "0/2"),
        ({"phase": "Pending", "initContainerStatuses": [state("i", terminated={"exitCode": 3, "reason": "Error"})]},
         "Init:Error", "0/2"),
        ({"phase": "Pending", "initContainerStatuses": [state("i", **DONE)],
          "containerStatuses": [state("a", waiting={"reason": "PodInitializing"})]}, "PodInitializing", "0/2"),
        ({"phase": "Running", "conditions": INITIALIZED,
          "containerStatuses": [state("a", **RUNNING), state("b", waiting={"reason": "CrashLoopBackOff"})]},
         "CrashLoopBackOff", "1/2"),
        ({"phase": "Running", "containerStatuses": [state("a", **RUNNING), state("b", **RUNNING)]}, "Running", "2/2"),
        ({"phase": "Running", "containerStatuses": [state("a", **RUNNING), state("b", **DONE)]}, "NotReady", "1/2"),
        ({"phase": "Succeeded", "containerStatuses": [state("a", **DONE), state("b", **DONE)]}, "Completed", "0/2"),
        ({"phase": "Failed", "containerStatuses": [state("a", terminated={"exitCode": 2})]}, "ExitCode:2", "0/2"),
        ({"phase": "Failed", "containerStatuses": [state("a", terminated={"exitCode": 137, "signal": 9})]},
         "Signal:9", "0/2"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted", "0/2"),
    ],
)  # fmt: skip
def test_a_pods_status(status: dict[str, Any], word: str, ready: str) -> None:
    shown = cells(core_v1.Pod, pod(**status))
    assert (shown["Status"], shown["Ready"]) == (word, ready)


def test_an_ending_pod() -> None:
    ending = {**pod(phase="Running"), "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert cells(core_v1.Pod, ending)["Status"] == "Terminating"


def test_restarts() -> None:
    last = {"terminated": {"exitCode": 1, "finishedAt": "2020-01-01T00:00:00Z"}}
    statuses = [{**state("a", **RUNNING), "restartCount": 3, "lastState": last}, {**state("b"), "restartCount": 1}]
    shown = str(cells(core_v1.Pod, pod(phase="Running", containerStatuses=statuses))["Restarts"])
    assert shown.startswith("4 (")
    assert shown.endswith(" ago)")
    assert cells(core_v1.Pod, pod())["Restarts"] == "0"


def test_nodes() -> None:
    ready = {"type": "Ready", "status": "True"}
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "old"}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [ready], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
    }
    shown = cells(core_v1.Node, node)
    assert (shown["Status"], shown["Roles"]) == ("Ready,SchedulingDisabled", "old,worker")
    assert (shown["Internal-IP"], shown["External-IP"]) == ("10.0.0.1", "<none>")
    assert cells(core_v1.Node, {})["Status"] == "Unknown"


def test_services() -> None:
    ports = [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    shown = cells(core_v1.Service, {"spec": {"type": "LoadBalancer", "ports": ports, "selector": {"b": "2", "a": "1"}}})
    assert shown["Port(s)"] == "80:30080/TCP,53/UDP"
    assert shown["External-IP"] == "<pending>"
    assert shown["Selector"] == "a=1,b=2"


def test_every_kind_has_columns_that_bear_an_empty_object() -> None:
    for struct, strategy in resources.load().items():
        if strategy.virtual is None:
            for column in strategy.columns:
                column.value(struct())
