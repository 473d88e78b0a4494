"""Prefer nodes that have the pod's images already. Source: Kubernetes' ImageLocality."""

import numpy as np

from master.scheduler.plugins import MAX_SCORE
from master.scheduler.pod import PodInfo
from master.scheduler.table import Ints, NodeTable

DYNAMIC = False

MIB = 1024 * 1024
LEAST = 23 * MIB
MOST_PER_CONTAINER = 1000 * MIB


def score(pod: PodInfo, table: NodeTable) -> Ints:
    """The bytes of the pod's images on a node, each scaled by the share of nodes that have it, from 23 MiB (0) to 1,000
    MiB a container (100).
    """
    total = np.zeros(len(table.valid), np.int64)
    for container in pod.spec.containers:
        rows = table.images.get(_with_tag(container.image or ""))
        if rows is not None:
            total += rows * int(np.count_nonzero(rows)) // max(len(table), 1)
    most = MOST_PER_CONTAINER * max(len(pod.spec.containers), 1)
    return np.asarray((np.clip(total, LEAST, most) - LEAST) * MAX_SCORE // (most - LEAST))


def _with_tag(image: str) -> str:
    """Source: Kubernetes' normalizedImageName: a name without a tag means latest."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"
