"""What the daemon has of this node: one list, and an inspection of only what changed since the last look."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from node_agent.namespaces import has_own_network
from node_agent.runtimes.base import Container, ObservedPod, PodId, Resources, Sandbox, State
from node_agent.runtimes.docker import names
from node_agent.runtimes.docker.client import Daemon
from node_agent.runtimes.docker.config import MAKE_NETWORK

_BEFORE_ANY = "0001-01-01T00:00:00Z"
"""What the daemon writes for a time that has not come."""
_GONE = {"removing", "dead"}


class Observer:
    """Sees this node's sandboxes and containers.

    Inspections are kept per (id, status) while `trusted`: as long as events flow, `forget` is told of every change that
    the status does not show, such as a restart by hand.
    """

    def __init__(self, daemon: Daemon, scope: names.Scope) -> None:
        self._daemon = daemon
        self._scope = scope
        self._seen: dict[str, tuple[str, Sandbox | Container]] = {}
        self._oom: set[str] = set()
        self._changes = 0
        self.trusted = False

    def forget(self, container: str) -> None:
        """Something happened to it: the next look asks again."""
        self._changes += 1
        self._seen.pop(container, None)

    def forget_all(self) -> None:
        """Anything may have happened."""
        self._changes += 1
        self._seen.clear()

    def ran_out_of_memory(self, container: str) -> None:
        """The kernel killed a process of it. The daemon itself notes this of the first process only."""
        self._oom.add(container)
        self.forget(container)

    async def pods(self, pod: PodId | None = None) -> list[ObservedPod]:
        """Every pod of this node, or the one asked for."""
        query = {"all": "1", "filters": json.dumps({"label": self._scope.filters(pod)})}
        listed: list[dict[str, Any]] = await self._daemon.ask("GET", "/containers/json", query)
        found = await asyncio.gather(*(self._look(entry) for entry in listed))
        if pod is None:
            present = {entry["Id"] for entry in listed}
            self._seen = {key: value for key, value in self._seen.items() if key in present}
            self._oom &= present
        return _by_pod(item for item in found if item)

    async def _look(self, entry: dict[str, Any]) -> Sandbox | Container | None:
        key, status = entry["Id"], entry["State"]
        if status in _GONE:
            return None
        pod = names.pod_of(entry["Labels"])
        if pod and status == "created" and entry["Labels"].get(names.TYPE) == names.SANDBOX_TYPE:
            # An inspection would wait until the daemon has started it, and its containers could not be made meanwhile.
            return _created_sandbox(entry, pod)
        known = self._seen.get(key)
        if known and known[0] == status and self.trusted:
            return known[1]
        before = self._changes
        inspected = await self._daemon.inspect(key)
        if inspected is None:
            return None
        item = self.read(inspected)
        if isinstance(item, Sandbox) and status == "running" and not item.running:
            return item
        if item and before == self._changes and inspected["State"]["Status"] == status:
            self._seen[key] = status, item
        return item

    def read(self, inspected: dict[str, Any]) -> Sandbox | Container | None:
        """An inspection as our type; None when its labels are not ours."""
        labels = inspected["Config"]["Labels"] or {}
        pod = names.pod_of(labels)
        if pod is None:
            return None
        if labels.get(names.TYPE) == names.SANDBOX_TYPE:
            return sandbox_of(inspected, pod)
        return container_of(inspected, pod, oom=inspected["Id"] in self._oom)


def _created_sandbox(entry: dict[str, Any], pod: PodId) -> Sandbox:
    """A listed sandbox that has not been started: all that there is to know of it is in the list."""
    labels, created = entry["Labels"], datetime.fromtimestamp(entry["Created"], UTC)
    return Sandbox(entry["Id"], pod, names.attempt_of(labels), running=False, pid=0, created=created)


def sandbox_of(inspected: dict[str, Any], pod: PodId) -> Sandbox:
    """An inspected sandbox. It does not run before its network is its own: what joined it then would be the host's."""
    labels, pid = inspected["Config"]["Labels"], inspected["State"]["Pid"]
    waits = inspected["Config"]["Cmd"] == MAKE_NETWORK and not _has_own_network(pid)
    return Sandbox(
        id=inspected["Id"],
        pod=pod,
        attempt=names.attempt_of(labels),
        running=inspected["State"]["Running"] and not waits,
        pid=pid,
        created=_time(inspected["Created"]) or datetime.now(UTC),
    )


def _has_own_network(pid: int) -> bool:
    try:
        return has_own_network(pid)
    except OSError:
        return False


def container_of(inspected: dict[str, Any], pod: PodId, *, oom: bool) -> Container:
    """An inspected container. One that failed to start stays "created" with an exit code in Docker; to us it ended."""
    state, labels = inspected["State"], inspected["Config"]["Labels"]
    created = _time(inspected["Created"]) or datetime.now(UTC)
    started, finished = _time(state["StartedAt"]), _time(state["FinishedAt"])
    if started and finished:
        finished = max(started, finished)  # two clocks of the daemon's differ by some milliseconds
    failed = state["Status"] == "created" and state["ExitCode"] != 0
    return Container(
        id=inspected["Id"],
        pod=pod,
        name=labels.get(names.CONTAINER, ""),
        attempt=names.attempt_of(labels),
        state=State.EXITED if failed else _STATES.get(state["Status"], State.EXITED),
        image=inspected["Config"]["Image"],
        image_id=inspected["Image"],
        pid=state["Pid"],
        created=created,
        started=started,
        finished=created if failed else None if state["Running"] else finished,
        exit_code=state["ExitCode"],
        oom_killed=state["OOMKilled"] or oom,
        message=state["Error"],
        labels=labels,
        resources=_resources(inspected["HostConfig"]),
    )


def _resources(host: dict[str, Any]) -> Resources:
    """The daemon writes 0 for a limit that there is not."""
    return Resources(*(host.get(key) or None for key in ("CpuShares", "CpuQuota", "CpuPeriod", "Memory")))


_STATES = {"created": State.CREATED, "running": State.RUNNING, "paused": State.RUNNING, "restarting": State.RUNNING}


def _time(text: str) -> datetime | None:
    return None if text == _BEFORE_ANY else datetime.fromisoformat(text)


def _by_pod(items: Iterable[Sandbox | Container]) -> list[ObservedPod]:
    sandboxes: dict[PodId, list[Sandbox]] = defaultdict(list)
    containers: dict[PodId, list[Container]] = defaultdict(list)
    for item in sorted(items, key=lambda item: (item.attempt, item.created), reverse=True):
        if isinstance(item, Sandbox):
            sandboxes[item.pod].append(item)
        else:
            containers[item.pod].append(item)
    return [ObservedPod(pod, sandboxes[pod], containers[pod]) for pod in dict.fromkeys([*sandboxes, *containers])]
