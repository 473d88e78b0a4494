"""Prefer nodes with more of their cpu and memory free. Source: Kubernetes' NodeResourcesFit with strategy
LeastAllocated.
"""

import numpy as np

from master.scheduler.plugins import MAX_SCORE
from master.scheduler.pod import PodInfo
from master.scheduler.table import CPU, MEMORY, Ints, NodeTable

DYNAMIC = True


def score(pod: PodInfo, table: NodeTable) -> Ints:
    """The mean of the free shares of cpu and memory, the pod counted in."""
    total = np.zeros(len(table.valid), np.int64)
    counted = np.zeros(len(table.valid), np.int64)
    for column, wanted in ((CPU, pod.nonzero["cpu"]), (MEMORY, pod.nonzero["memory"])):
        allocatable = table.allocatable[:, column]
        free = np.clip(allocatable - table.nonzero[:, column] - wanted, 0, None)
        total += np.where(allocatable > 0, free * MAX_SCORE // np.maximum(allocatable, 1), 0)
        counted += allocatable > 0
    return np.asarray(total // np.maximum(counted, 1))
