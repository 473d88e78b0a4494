"""The scheduling queue: order, back-off, rest."""

from __future__ import annotations

from master.scheduler.pod import PodInfo, pod_info
from master.scheduler.queue import LONGEST_BACKOFF, LONGEST_REST, SchedulingQueue
from timonel.api.types import core_v1, meta_v1


def pod(uid: str, priority: int = 0, image: str = "i") -> PodInfo:
    spec = core_v1.PodSpec(priority=priority, containers=[core_v1.Container(name="c", image=image)])
    return pod_info(core_v1.Pod(metadata=meta_v1.ObjectMeta(name=uid, namespace="d", uid=uid), spec=spec))


def uids(pods: list[PodInfo]) -> list[str]:
    return [pod.uid for pod in pods]


def test_higher_priority_first_then_older() -> None:
    queue = SchedulingQueue()
    for uid, priority, at in [("a", 0, 1.0), ("b", 5, 2.0), ("c", 0, 0.5), ("d", 5, 3.0)]:
        queue.add(pod(uid, priority), at)
    assert uids(queue.pop(3, 9.0)) == ["b", "d", "c"]
    assert uids(queue.pop(3, 9.0)) == ["a"]
    assert queue.pop(3, 9.0) == []


def test_a_refused_pod_rests_until_the_cluster_changes_and_its_back_off_is_over() -> None:
    queue = SchedulingQueue()
    queue.add(pod("a"), 0.0)
    queue.pop(1, 0.0)
    queue.failed("a", 0.0)
    assert queue.pop(1, LONGEST_REST - 1) == []
    queue.cluster_changed(10.0)
    assert queue.pop(1, 10.5) == []
    assert uids(queue.pop(1, 11.0)) == ["a"]
    queue.failed("a", 11.0)
    assert uids(queue.pop(1, 11.0 + LONGEST_REST)) == ["a"]


def test_the_back_off_doubles_up_to_its_limit() -> None:
    queue = SchedulingQueue()
    queue.add(pod("a"), 0.0)
    waits = []
    now = 0.0
    for _ in range(7):
        assert uids(queue.pop(1, now)) == ["a"]
        queue.retry("a", now)
        due = queue.next_at()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == [1, 2, 4, 8, 10, 10, 10]
    assert max(waits) == LONGEST_BACKOFF


def test_a_pod_that_changes_is_tried_at_once_and_one_that_does_not_waits_on() -> None:
    queue = SchedulingQueue()
    queue.add(pod("a"), 0.0)
    queue.pop(1, 0.0)
    queue.failed("a", 0.0)
    queue.add(pod("a"), 1.0)
    assert queue.pop(1, 1.0) == []
    queue.add(pod("a", image="other"), 1.0)
    assert uids(queue.pop(1, 1.0)) == ["a"]


def test_a_pod_being_tried_is_not_popped_again() -> None:
    queue = SchedulingQueue()
    queue.add(pod("a"), 0.0)
    queue.pop(1, 0.0)
    queue.add(pod("a"), 0.0)
    assert queue.pop(1, 1000.0) == []


def test_a_removed_pod_is_forgotten() -> None:
    queue = SchedulingQueue()
    queue.add(pod("a"), 0.0)
    queue.remove("a")
    assert queue.pop(1, 1.0) == []
    assert len(queue) == 0


def test_the_queue_tells_what_waits_for_what() -> None:
    queue = SchedulingQueue()
    for uid in ("active", "backoff", "resting", "gone"):
        queue.add(pod(uid, priority=0 if uid == "active" else 1), 5.0)
    assert queue.counts() == {"active": 4, "backoff": 0, "unschedulable": 0}
    assert set(uids(queue.pop(3, 6.0))) == {"backoff", "resting", "gone"}
    queue.retry("backoff", 6.0)
    queue.failed("resting", 6.0)
    assert queue.history("gone") == (5.0, 1)
    queue.remove("gone")
    assert queue.history("gone") is None
    assert queue.counts() == {"active": 1, "backoff": 1, "unschedulable": 1}
    queue.cluster_changed(6.0)
    assert queue.counts() == {"active": 1, "backoff": 2, "unschedulable": 0}
