"""Probes: when each runs, how its verdicts add up, and the tasks that run them."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from node_agent.handlers import Outcome, Target, Verdict, check
from node_agent.observed import Health
from node_agent.runtimes.base import Streams
from timonel.api.time import utc_now
from timonel.api.types import core_v1
from timonel.tasks import end


class ProbeKind(StrEnum):
    """The three uses of a probe."""

    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


@dataclass(frozen=True, slots=True)
class Tally:
    """How a probe stands: its result, which changes at the thresholds, and how often in a row the last verdict came."""

    result: bool
    last: Verdict = Verdict.UNKNOWN
    count: int = 0


def first_tally(kind: ProbeKind) -> Tally:
    """Before the first verdict a container is alive, but neither started nor ready."""
    return Tally(result=kind is ProbeKind.LIVENESS)


def counted(tally: Tally, verdict: Verdict, probe: core_v1.Probe) -> Tally:
    """The tally after one more verdict."""
    if verdict is Verdict.UNKNOWN:
        return tally
    count = tally.count + 1 if verdict is tally.last else 1
    threshold = (probe.successThreshold or 1) if verdict is Verdict.SUCCESS else (probe.failureThreshold or 3)
    result = verdict is Verdict.SUCCESS if count >= threshold else tally.result
    return Tally(result, verdict, count)


def has_failed(kind: ProbeKind, tally: Tally, probe: core_v1.Probe) -> bool:
    """Whether the container is to be killed for it."""
    if kind is ProbeKind.READINESS or tally.last is not Verdict.FAILURE:
        return False
    return tally.count >= (probe.failureThreshold or 3)


def probe_of(kind: ProbeKind, container: core_v1.Container) -> core_v1.Probe | None:
    """The container's probe of that kind."""
    probes = {
        ProbeKind.STARTUP: container.startupProbe,
        ProbeKind.LIVENESS: container.livenessProbe,
        ProbeKind.READINESS: container.readinessProbe,
    }
    return probes[kind]


OnUnhealthy = Callable[[core_v1.Container, ProbeKind, Outcome], None]


@dataclass(slots=True)
class _Watched:
    """One container under probes."""

    target: Target
    started_at: datetime
    health: Health
    tasks: dict[ProbeKind, asyncio.Task[None]] = field(default_factory=dict)


class ProbeManager:
    """Runs the probes of one pod's containers. ``changed`` is called when a container's health changes."""

    def __init__(self, streams: Streams, changed: Callable[[], None], unhealthy: OnUnhealthy) -> None:
        self._streams = streams
        self._changed = changed
        self._unhealthy = unhealthy
        self._watched: dict[str, _Watched] = {}

    @property
    def health(self) -> dict[str, Health]:
        """What is known, by container id."""
        return {container_id: watched.health for container_id, watched in self._watched.items()}

    def watch(self, target: Target, started_at: datetime, before: Health | None) -> None:
        """Probe a running container from now on; ``before`` is what was known of it before the agent started."""
        known = self._watched.get(target.container_id)
        if known is not None:
            known.target = target
            return
        health = before or Health(started=target.container.startupProbe is None)
        watched = self._watched[target.container_id] = _Watched(target, started_at, health)
        if health.started:
            self._run_after_start(watched)
        else:
            self._run(watched, ProbeKind.STARTUP)

    def keep_only(self, container_ids: set[str]) -> None:
        """Leave all other containers alone."""
        for container_id in self._watched.keys() - container_ids:
            for task in self._watched.pop(container_id).tasks.values():
                task.cancel()

    async def close(self) -> None:
        """Stop all probes."""
        probing = [task for watched in self._watched.values() for task in watched.tasks.values()]
        self._watched.clear()
        await end(probing)

    def _run_after_start(self, watched: _Watched) -> None:
        self._run(watched, ProbeKind.READINESS)
        self._run(watched, ProbeKind.LIVENESS)

    def _run(self, watched: _Watched, kind: ProbeKind) -> None:
        probe = probe_of(kind, watched.target.container)
        if probe is not None:
            name = f"{kind} probe of {watched.target.container.name}"
            watched.tasks[kind] = asyncio.create_task(self._probe(watched, kind, probe), name=name)

    async def _probe(self, watched: _Watched, kind: ProbeKind, probe: core_v1.Probe) -> None:
        tally = first_tally(kind)
        if kind is ProbeKind.READINESS and watched.health.ready:
            tally = Tally(result=True)
        await asyncio.sleep(_first_delay(probe, watched.started_at))
        while True:
            outcome = await check(probe, watched.target, self._streams)
            tally = counted(tally, outcome.verdict, probe)
            if outcome.verdict is Verdict.FAILURE:
                self._unhealthy(watched.target.container, kind, outcome)
            self._take(watched, kind, tally, probe)
            if kind is ProbeKind.STARTUP and tally.result:
                return
            await asyncio.sleep(float(probe.periodSeconds or 10))

    def _take(self, watched: _Watched, kind: ProbeKind, tally: Tally, probe: core_v1.Probe) -> None:
        old = new = watched.health
        if has_failed(kind, tally, probe):
            new = replace(old, failed=old.failed or kind.value)
        elif kind is ProbeKind.STARTUP and tally.result:
            new = replace(old, started=True)
        elif kind is ProbeKind.READINESS:
            new = replace(old, ready=tally.result)
        if new == old:
            return
        watched.health = new
        if new.started and not old.started:
            self._run_after_start(watched)
        self._changed()


def _first_delay(probe: core_v1.Probe, started_at: datetime) -> float:
    """What is left of the initial delay; an adopted container that has passed it begins within one period."""
    since = (utc_now() - started_at).total_seconds()
    left = float(probe.initialDelaySeconds) - since
    if left > 0 or since < float(probe.periodSeconds or 10):
        return max(left, 0.0)
    return random.uniform(0, float(probe.periodSeconds or 10))  # spreading, not secrecy
