"""Which pod is tried next: the pods that wait, by priority, and those that wait for something to change."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

from master.scheduler.pod import PodInfo

FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 10.0
LONGEST_REST = 300.0
"""Seconds. Source: kube-scheduler's podInitialBackoffSeconds, podMaxBackoffSeconds and the flush of its unschedulable
pods.
"""


@dataclass(slots=True)
class _Entry:
    pod: PodInfo
    since: float
    attempts: int = 0
    ticket: int = 0
    """The number of its one valid place in a heap; 0 while it is being tried."""
    resting: bool = False
    """Waits for a change of the cluster, not only for its time."""


class SchedulingQueue:
    """Pods to schedule. Times are seconds of one monotonic clock, given in."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._waiting: list[tuple[float, int, str]] = []
        self._tickets = count(1)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, uid: str) -> bool:
        return uid in self._entries

    def add(self, pod: PodInfo, now: float) -> None:
        """A pod waits. A known one is tried again at once only if what decides about it has changed."""
        entry = self._entries.get(pod.uid)
        if entry is None:
            entry = self._entries[pod.uid] = _Entry(pod, now)
            self._activate(entry)
        elif entry.pod.signature != pod.signature:
            entry.pod = pod
            self._activate(entry)

    def remove(self, uid: str) -> None:
        """Forget a pod; an unknown one is no error."""
        self._entries.pop(uid, None)

    def pop(self, limit: int, now: float) -> list[PodInfo]:
        """At most `limit` pods to try now, higher priority first, then older first. They stay known until removed."""
        while self._waiting and self._waiting[0][0] <= now:
            _, ticket, uid = heapq.heappop(self._waiting)
            entry = self._entries.get(uid)
            if entry is not None and entry.ticket == ticket:
                self._activate(entry)
        batch: list[PodInfo] = []
        while self._active and len(batch) < limit:
            _, _, ticket, uid = heapq.heappop(self._active)
            entry = self._entries.get(uid)
            if entry is not None and entry.ticket == ticket:
                entry.ticket = 0
                entry.attempts += 1
                batch.append(entry.pod)
        return batch

    def failed(self, uid: str, now: float) -> None:
        """No node took the pod: it rests until the cluster changes, or a long time."""
        self._wait(uid, now + LONGEST_REST, resting=True)

    def retry(self, uid: str, now: float) -> None:
        """The pod's binding failed for another cause: try again after its back-off."""
        entry = self._entries.get(uid)
        if entry is not None:
            self._wait(uid, now + _backoff(entry.attempts), resting=False)

    def cluster_changed(self, now: float) -> None:
        """What refused a pod may be no more: resting pods are tried again after their back-off."""
        for uid, entry in self._entries.items():
            if entry.resting:
                self._wait(uid, now + _backoff(entry.attempts), resting=False)

    def history(self, uid: str) -> tuple[float, int] | None:
        """When a pod came, and how often it has been tried; None for an unknown one."""
        entry = self._entries.get(uid)
        return (entry.since, entry.attempts) if entry is not None else None

    def counts(self) -> dict[str, int]:
        """How many pods wait, by what they wait for, in Kubernetes' words."""
        counted = dict.fromkeys(("active", "backoff", "unschedulable"), 0)
        waiting = {ticket for _, ticket, _ in self._waiting}
        for entry in self._entries.values():
            counted["unschedulable" if entry.resting else "backoff" if entry.ticket in waiting else "active"] += 1
        return counted

    def next_at(self) -> float | None:
        """When the next pod may be due: 0 when one is ready, None when none waits."""
        if self._active:
            return 0.0
        return self._waiting[0][0] if self._waiting else None

    def _activate(self, entry: _Entry) -> None:
        entry.ticket = next(self._tickets)
        entry.resting = False
        heapq.heappush(self._active, (-entry.pod.priority, entry.since, entry.ticket, entry.pod.uid))

    def _wait(self, uid: str, until: float, *, resting: bool) -> None:
        entry = self._entries.get(uid)
        if entry is not None:
            entry.ticket = next(self._tickets)
            entry.resting = resting
            heapq.heappush(self._waiting, (until, entry.ticket, uid))


def _backoff(attempts: int) -> float:
    return min(FIRST_BACKOFF * 2.0 ** (max(attempts, 1) - 1), LONGEST_BACKOFF)
