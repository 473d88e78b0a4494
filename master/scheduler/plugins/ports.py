"""A host port can be had once a node and address."""

from collections.abc import Iterator

import numpy as np

from master.scheduler.plugins import Refusal
from master.scheduler.pod import PodInfo
from master.scheduler.table import NodeTable

ORDER = 50
DYNAMIC = True

EVERYWHERE = "0.0.0.0"


def filter(pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:  # noqa: A001
    """Refuse nodes where one of the pod's host ports is taken."""
    rows = np.zeros(len(table.valid), np.bool_)
    for protocol, port, address in pod.ports:
        for row, taken in table.ports.get((protocol, port), {}).items():
            rows[row] |= address == EVERYWHERE or taken[address] > 0 or taken[EVERYWHERE] > 0
    if rows.any():
        yield Refusal(rows, "node(s) didn't have free ports for the requested pod ports")
