"""Taints keep pods away that do not tolerate them."""

from collections.abc import Iterator

import numpy as np

from master.scheduler.plugins import Normalize, Refusal
from master.scheduler.pod import PodInfo
from master.scheduler.table import Ints, NodeTable, Taint
from timonel.api.taints import tolerates

ORDER = 30
WEIGHT = 3
NORMALIZE = Normalize.REVERSED
DYNAMIC = False


def filter(pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:  # noqa: A001
    """Refuse nodes with a NoSchedule or NoExecute taint that the pod does not tolerate."""
    bad = {
        taint: rows
        for taint, rows in table.taints.items()
        if taint.effect != "PreferNoSchedule" and not _tolerated(pod, taint)
    }
    if not bad:
        return

    def first(row: int) -> str:
        taint = next(taint for taint in table.nodes[table.names[row]].taints if taint in bad)
        return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"

    yield Refusal(np.logical_or.reduce(list(bad.values())), "node(s) had untolerated taint(s)", first)


def score(pod: PodInfo, table: NodeTable) -> Ints:
    """The number of PreferNoSchedule taints that the pod does not tolerate: the fewer the better."""
    count = np.zeros(len(table.valid), np.int64)
    for taint, rows in table.taints.items():
        if taint.effect == "PreferNoSchedule" and not _tolerated(pod, taint):
            count += rows
    return count


def _tolerated(pod: PodInfo, taint: Taint) -> bool:
    return any(tolerates(toleration, taint) for toleration in pod.spec.tolerations)
