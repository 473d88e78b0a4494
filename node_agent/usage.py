"""What the node and its containers use, for `kubectl top`: counters read now and then, rates made of two readings."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from node_agent.observed import is_running
from node_agent.runtimes.base import Container, PodId, RuntimeFailure, Stats, UsageSample
from node_agent.worker import PodWorker
from timonel.rpc import node_pb2

logger = logging.getLogger(__name__)

SAMPLE_SECONDS = 5.0
"""Heartbeats in between carry no usage."""

MOST_SECONDS = 1.0
"""A heartbeat waits no longer for a runtime that does not answer: the node lives all the same."""

_NANOSECONDS_PER_TICK = 10_000_000
"""The kernel counts in ticks of a hundredth of a second."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Use of cpu over the time between two samples, and of memory now."""

    cpu_nanocores: int
    memory_bytes: int


def rate(before: UsageSample | None, now: UsageSample) -> Rate | None:
    """None while there is nothing to compare with."""
    if before is None or now.at <= before.at:
        return None
    used = max(now.cpu_nanoseconds - before.cpu_nanoseconds, 0)
    return Rate(int(used / (now.at - before.at)), now.memory_working_set_bytes)


class UsageMeter:
    """Samples all running containers. ``shared`` when several nodes are on this machine: each is what its pods use."""

    def __init__(self, stats: Stats, *, shared: bool) -> None:
        self._stats = stats
        self._shared = shared
        self._containers: dict[str, UsageSample] = {}
        self._node: UsageSample | None = None
        self._next = 0.0

    async def heartbeat(self, workers: Iterable[PodWorker]) -> node_pb2.Heartbeat:
        """A heartbeat, with usage when it is time for that."""
        beat = node_pb2.Heartbeat()
        if time.monotonic() < self._next:
            return beat
        self._next = time.monotonic() + SAMPLE_SECONDS
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self._pods(workers, beat)
        except (RuntimeFailure, TimeoutError) as failure:
            logger.info("usage could not be read in full: %s", failure or "no answer in time")
        node = self._sum(beat) if self._shared else self._machine()
        if node is not None:
            beat.node_usage.CopyFrom(_usage(node))
        return beat

    async def _pods(self, workers: Iterable[PodWorker], beat: node_pb2.Heartbeat) -> None:
        seen: dict[str, UsageSample] = {}
        for worker in workers:
            running = [c for c in worker.observed.containers if is_running(c)]
            pod = await self._pod(worker.id, running, seen)
            if pod.containers:
                beat.pod_usage.append(pod)
        self._containers = seen

    async def _pod(
        self, pod: PodId, containers: Iterable[Container], seen: dict[str, UsageSample]
    ) -> node_pb2.PodUsage:
        usage = node_pb2.PodUsage(pod_namespace=pod.namespace, pod_name=pod.name, pod_uid=pod.uid)
        for container in containers:
            sample = await self._stats.usage(container.id)
            if sample is None:
                continue
            seen[container.id] = sample
            found = rate(self._containers.get(container.id), sample)
            if found is not None:
                usage.containers[container.name].CopyFrom(_usage(found))
        return usage

    def _sum(self, beat: node_pb2.Heartbeat) -> Rate:
        each = [usage for pod in beat.pod_usage for usage in pod.containers.values()]
        return Rate(sum(u.cpu_nanocores for u in each), sum(u.memory_working_set_bytes for u in each))

    def _machine(self) -> Rate | None:
        sample = UsageSample(time.monotonic(), busy_nanoseconds(Path("/proc/stat").read_text()), used_memory())
        before, self._node = self._node, sample
        return rate(before, sample)


def busy_nanoseconds(stat: str) -> int:
    """Time that all cores together have worked, from /proc/stat."""
    fields = [int(word) for word in stat.split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) * _NANOSECONDS_PER_TICK


def memory_info() -> dict[str, int]:
    """/proc/meminfo in bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}


def used_memory() -> int:
    """Bytes in use that cannot be had back."""
    info = memory_info()
    return info["MemTotal"] - info["MemAvailable"]


def _usage(found: Rate) -> node_pb2.Usage:
    return node_pb2.Usage(cpu_nanocores=found.cpu_nanocores, memory_working_set_bytes=found.memory_bytes)
