"""Cordoned nodes take no new pods, but those that tolerate it."""

from collections.abc import Iterator

from master.scheduler.plugins import Refusal
from master.scheduler.pod import PodInfo
from master.scheduler.table import NodeTable, Taint
from timonel.api.taints import tolerates

ORDER = 10
DYNAMIC = False

CORDONED = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


def filter(pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:  # noqa: A001
    """Refuse unschedulable nodes."""
    if not any(tolerates(toleration, CORDONED) for toleration in pod.spec.tolerations):
        yield Refusal(table.unschedulable, "node(s) were unschedulable")
