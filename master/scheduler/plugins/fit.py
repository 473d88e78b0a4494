"""A node must have what the pod requests."""

from collections.abc import Iterator

import numpy as np

from master.scheduler.plugins import Refusal
from master.scheduler.pod import PodInfo
from master.scheduler.table import PODS, NodeTable

ORDER = 60
DYNAMIC = True


def filter(pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:  # noqa: A001
    """Refuse nodes where a requested resource, or the number of pods, would go over what is allocatable."""
    full = table.requested[:, PODS] + 1 > table.allocatable[:, PODS]
    if full.any():
        yield Refusal(full, "Too many pods")
    for resource, wanted in pod.requests.items():
        if wanted == 0:
            continue
        column = table.column(resource)
        short = wanted > table.allocatable[:, column] - table.requested[:, column]
        if short.any():
            yield Refusal(np.asarray(short), f"Insufficient {resource}")
