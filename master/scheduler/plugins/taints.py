"""Taints keep pods away that do not tolerate them."""

from collections.abc import Iterator

import numpy as np

from master.scheduler.plugins import Normalize, Refusal
from master.scheduler.pod import PodInfo
from master.scheduler.table import Ints, NodeTable, Taint
from timonel.api.types import core_v1

ORDER = 30
WEIGHT = 3
NORMALIZE = Normalize.REVERSED
DYNAMIC = False


def tolerates(toleration: core_v1.Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint. Source: Kubernetes' Toleration.ToleratesTaint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and (toleration.value or "") == taint.value


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
