"""A pod that names a node goes nowhere else."""

from collections.abc import Iterator

import numpy as np

from master.scheduler.plugins import Refusal
from master.scheduler.pod import PodInfo
from master.scheduler.table import NodeTable

ORDER = 20
DYNAMIC = False


def filter(pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:  # noqa: A001
    """Refuse all but the named node."""
    if not pod.spec.nodeName:
        return
    rows = np.ones(len(table.valid), np.bool_)
    node = table.nodes.get(pod.spec.nodeName)
    if node is not None:
        rows[node.row] = False
    yield Refusal(rows, "node(s) didn't match the requested node name")
