"""Prefer nodes whose cpu and memory would be used alike. Source: Kubernetes' NodeResourcesBalancedAllocation."""

import numpy as np

from master.scheduler.plugins import MAX_SCORE
from master.scheduler.pod import PodInfo
from master.scheduler.table import CPU, MEMORY, Ints, NodeTable

DYNAMIC = True


def score(pod: PodInfo, table: NodeTable) -> Ints:
    """100 less the standard deviation of both used shares; for two values that is half their difference.

    Computed in integers (thousandths of a percent), so that equal nodes score equally on every machine.
    """
    if not pod.requests.get("cpu") and not pod.requests.get("memory"):
        return np.zeros(len(table.valid), np.int64)
    cpu, memory = (
        _used(table, column, pod.requests.get(name, 0)) for column, name in ((CPU, "cpu"), (MEMORY, "memory"))
    )
    comparable = (table.allocatable[:, CPU] > 0) & (table.allocatable[:, MEMORY] > 0)
    deviation = np.where(comparable, np.abs(cpu - memory), 0)
    return np.asarray((2 * MAX_SCORE * 1000 - deviation) // 2000)


def _used(table: NodeTable, column: int, wanted: int) -> Ints:
    allocatable = table.allocatable[:, column]
    used = np.minimum(table.requested[:, column] + wanted, allocatable)
    # Memory in KiB: bytes times 100,000 would overflow 64 bits from 92 TB on.
    scale = 1024 if column == MEMORY else 1
    return np.asarray(used // scale * (MAX_SCORE * 1000) // np.maximum(allocatable // scale, 1))
