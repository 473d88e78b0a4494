"""Statuses of several writers: a report replaces what is the node's and nothing else."""

import msgspec
import pytest

from master.dispatcher import merge
from timonel.api.types import core_v1

NOW = "2026-03-01T00:00:00Z"
BEFORE = "2026-01-01T00:00:00Z"


def pod(**status: object) -> core_v1.PodStatus:
    return msgspec.convert(status, core_v1.PodStatus)


def node(**status: object) -> core_v1.NodeStatus:
    return msgspec.convert(status, core_v1.NodeStatus)


def condition(kind: str, status: str = "True", since: str | None = BEFORE) -> dict[str, object]:
    return {"type": kind, "status": status, "lastTransitionTime": since}


def test_a_pods_report_replaces_the_nodes_part() -> None:
    stored = pod(phase="Pending", qosClass="Burstable", message="old", conditions=[condition("Gate")])
    merged = merge.pod_status(stored, pod(phase="Running", podIP="10.0.0.2", conditions=[condition("Ready")]))
    assert (merged.phase, merged.podIP, merged.message, merged.qosClass) == ("Running", "10.0.0.2", "", "Burstable")
    assert [c.type for c in merged.conditions] == ["Ready", "Gate"]


@pytest.mark.parametrize(
    ("phase", "reported", "stays"),
    [
        ("Failed", "Running", "Failed"),
        ("Succeeded", "Pending", "Succeeded"),
        ("Failed", "Succeeded", "Succeeded"),
        ("Running", "Failed", "Failed"),
    ],
)
def test_a_pod_that_has_ended_stays_ended(phase: str, reported: str, stays: str) -> None:
    assert merge.pod_status(pod(phase=phase), pod(phase=reported)).phase == stays


def test_why_a_pod_was_evicted_is_not_forgotten() -> None:
    merged = merge.pod_status(pod(phase="Failed", reason="Evicted", message="disk"), pod(phase="Running"))
    assert (merged.reason, merged.message) == ("Evicted", "disk")


def test_a_condition_keeps_its_time_while_it_holds() -> None:
    stored = pod(conditions=[condition("Ready"), condition("Initialized")])
    reported = pod(conditions=[condition("Ready", "True", NOW), condition("Initialized", "False", NOW)])
    times = {c.type: c.lastTransitionTime for c in merge.pod_status(stored, reported).conditions}
    assert times == {"Ready": BEFORE, "Initialized": NOW}


def test_a_nodes_heartbeat_alone_says_nothing_new() -> None:
    stored = merge.node_status(node(), node(conditions=[condition("Ready", since=None)]), BEFORE)
    assert stored.conditions[0].lastTransitionTime == BEFORE
    again = merge.node_status(stored, node(conditions=[condition("Ready", since=None)]), NOW)
    assert merge.says_the_same(stored, again)
    assert again.conditions[0].lastHeartbeatTime == NOW
    assert again.conditions[0].lastTransitionTime == BEFORE
    lost = merge.node_status(stored, node(conditions=[condition("Ready", "False", None)]), NOW)
    assert not merge.says_the_same(stored, lost)
    assert lost.conditions[0].lastTransitionTime == NOW


def test_the_stored_status_is_left_as_it_was() -> None:
    stored, reported = pod(phase="Failed", conditions=[condition("A")]), pod(phase="Running")
    merge.pod_status(stored, reported)
    assert (len(stored.conditions), reported.phase, reported.conditions) == (1, "Running", [])
