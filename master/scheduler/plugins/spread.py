"""Spread the pods of one owner over the nodes."""

import numpy as np

from master.scheduler.plugins import Normalize
from master.scheduler.pod import PodInfo
from master.scheduler.table import Ints, NodeTable

WEIGHT = 2
NORMALIZE = Normalize.REVERSED
DYNAMIC = True


def score(pod: PodInfo, table: NodeTable) -> Ints:
    """How many pods of the same owner a node has: the fewer the better."""
    return table.owned(pod.owner) if pod.owner else np.zeros(len(table.valid), np.int64)
