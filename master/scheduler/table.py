"""Nodes as columns: numpy arrays with one row a node, kept up to date one change at a time.

Texts become small integers once (labels, taints), so that a plugin's question over all nodes is a few array operations.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from master.scheduler.pod import PodInfo
from timonel.api.podresources import amount
from timonel.api.types import core_v1

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

ABSENT = -1
CPU, MEMORY, PODS = 0, 1, 2
_FIRST_RESOURCES = ("cpu", "memory", "pods")
_OWNERS_KEPT_DENSE = 256


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint without its time."""

    key: str
    value: str
    effect: str


@dataclass(slots=True)
class Node:
    """What of a node does not fit into columns."""

    name: str
    row: int
    pods: dict[str, PodInfo] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    images: dict[str, int] = field(default_factory=dict)


class NodeTable:
    """The columns. Rows of removed nodes are used again; `valid` tells which rows count.

    `version` changes with every change of a node itself (not of its pods): what a plugin said of labels, taints or
    images holds
    as long as it stays.
    """

    def __init__(self) -> None:
        self.version = 0
        self.nodes: dict[str, Node] = {}
        self.names: list[str] = []
        self.valid: Mask = np.zeros(0, np.bool_)
        self.unschedulable: Mask = np.zeros(0, np.bool_)
        self.resources: dict[str, int] = {name: column for column, name in enumerate(_FIRST_RESOURCES)}
        self.allocatable: Ints = np.zeros((0, len(_FIRST_RESOURCES)), np.int64)
        self.requested: Ints = np.zeros((0, len(_FIRST_RESOURCES)), np.int64)
        self.nonzero: Ints = np.zeros((0, 2), np.int64)
        self.taints: dict[Taint, Mask] = {}
        self.images: dict[str, Ints] = {}
        self.ports: dict[tuple[str, int], dict[int, Counter[str]]] = {}
        self._labels: dict[str, NDArray[np.int32]] = {}
        self._label_values: dict[str, dict[str, int]] = {}
        self._free: list[int] = []
        self._owned: dict[str, Counter[int]] = {}
        self._owned_dense: OrderedDict[str, Ints] = OrderedDict()

    def __len__(self) -> int:
        return len(self.nodes)

    # Nodes.

    def set_node(self, node: core_v1.Node) -> None:
        """Add a node or take over its new state."""
        name = node.metadata.name or ""
        entry = self.nodes.get(name)
        if entry is None:
            entry = self.nodes[name] = Node(name, self._new_row(name))
        row = entry.row
        self.version += 1
        self.unschedulable[row] = bool(node.spec.unschedulable)
        self.allocatable[row] = 0
        for resource, quantity in (node.status.allocatable or node.status.capacity).items():
            column = self.column(resource)
            self.allocatable[row, column] = amount(resource, quantity)
        self._set_labels(entry, node.metadata.labels)
        self._set_taints(entry, node.spec.taints)
        self._set_images(entry, node.status.images)

    def remove_node(self, name: str) -> None:
        """Forget a node and the pods on it; an unknown one is no error."""
        entry = self.nodes.get(name)
        if entry is None:
            return
        for pod in list(entry.pods.values()):
            self.remove_pod(pod)
        self._set_labels(entry, {})
        self._set_taints(entry, ())
        self._set_images(entry, ())
        del self.nodes[name]
        self.version += 1
        self.valid[entry.row] = False
        self.names[entry.row] = ""
        self._free.append(entry.row)

    def column(self, resource: str) -> int:
        """The column of a resource, made at its first mention."""
        column = self.resources.get(resource)
        if column is None:
            column = self.resources[resource] = len(self.resources)
            self.allocatable = np.pad(self.allocatable, ((0, 0), (0, 1)))
            self.requested = np.pad(self.requested, ((0, 0), (0, 1)))
        return column

    def label(self, key: str) -> NDArray[np.int32]:
        """For each row the id of its value of label `key`; ABSENT where there is none."""
        column = self._labels.get(key)
        return np.full(len(self.valid), ABSENT, np.int32) if column is None else column

    def label_ids(self, key: str) -> dict[str, int]:
        """The ids of the values that label `key` has, or had."""
        return self._label_values.get(key, {})

    # Pods.

    def add_pod(self, pod: PodInfo) -> bool:
        """Count a pod that is bound, or assumed to be, to `pod.node`; nothing happens when it is counted there or the
        node is unknown. Whether it was counted before with other requests: it has been resized.
        """
        node = self.nodes.get(pod.node)
        if node is None:
            return False
        known = node.pods.get(pod.uid)
        if known is not None and known.requests == pod.requests:
            return False
        self.remove_pod(pod)
        node.pods[pod.uid] = pod
        self._count(node.row, pod, 1)
        return known is not None

    def remove_pod(self, pod: PodInfo) -> None:
        """Count a pod no longer; one that was not counted is no error."""
        node = self.nodes.get(pod.node)
        if node is None:
            return
        known = node.pods.pop(pod.uid, None)
        if known is not None:
            self._count(node.row, known, -1)

    def owned(self, owner: str) -> Ints:
        """For each row how many pods of `owner` are on it."""
        dense = self._owned_dense.get(owner)
        if dense is None or len(dense) != len(self.valid):
            dense = np.zeros(len(self.valid), np.int64)
            for row, count in self._owned.get(owner, Counter[int]()).items():
                dense[row] = count
            self._owned_dense[owner] = dense
            if len(self._owned_dense) > _OWNERS_KEPT_DENSE:
                self._owned_dense.popitem(last=False)
        self._owned_dense.move_to_end(owner)
        return dense

    def _count(self, row: int, pod: PodInfo, sign: int) -> None:
        for resource, value in pod.requests.items():
            self.requested[row, self.column(resource)] += sign * value
        self.requested[row, PODS] += sign
        self.nonzero[row] += (sign * pod.nonzero["cpu"], sign * pod.nonzero["memory"])
        for protocol, port, address in pod.ports:
            rows = self.ports.setdefault((protocol, port), {})
            addresses = rows.setdefault(row, Counter())
            addresses[address] += sign
            if not +addresses:
                del rows[row]
                if not rows:
                    del self.ports[protocol, port]
        if pod.owner:
            counts = self._owned.setdefault(pod.owner, Counter())
            counts[row] += sign
            if pod.owner in self._owned_dense:
                self._owned_dense[pod.owner][row] += sign
            if not counts[row]:
                del counts[row]
                if not counts:
                    del self._owned[pod.owner]

    # Rows.

    def _new_row(self, name: str) -> int:
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.valid[row] = True
        self.names[row] = name
        return row

    def _grow(self) -> None:
        size = len(self.valid)
        more = max(16, size)
        self._free = list(range(size + more - 1, size - 1, -1))
        self.names += [""] * more
        self.valid = np.pad(self.valid, (0, more))
        self.unschedulable = np.pad(self.unschedulable, (0, more))
        self.allocatable = np.pad(self.allocatable, ((0, more), (0, 0)))
        self.requested = np.pad(self.requested, ((0, more), (0, 0)))
        self.nonzero = np.pad(self.nonzero, ((0, more), (0, 0)))
        self.taints = {taint: np.pad(rows, (0, more)) for taint, rows in self.taints.items()}
        self.images = {image: np.pad(rows, (0, more)) for image, rows in self.images.items()}
        self._labels = {key: np.pad(rows, (0, more), constant_values=ABSENT) for key, rows in self._labels.items()}

    def _set_labels(self, node: Node, labels: dict[str, str]) -> None:
        for key in node.labels.keys() - labels.keys():
            self._labels[key][node.row] = ABSENT
        for key, value in labels.items():
            ids = self._label_values.setdefault(key, {})
            column = self._labels.get(key)
            if column is None:
                column = self._labels[key] = np.full(len(self.valid), ABSENT, np.int32)
            column[node.row] = ids.setdefault(value, len(ids))
        node.labels = dict(labels)

    def _set_taints(self, node: Node, taints: Iterable[core_v1.Taint]) -> None:
        for old in node.taints:
            self.taints[old][node.row] = False
            if not self.taints[old].any():
                del self.taints[old]
        node.taints = tuple(dict.fromkeys(Taint(taint.key, taint.value or "", taint.effect) for taint in taints))
        for taint in node.taints:
            rows = self.taints.get(taint)
            if rows is None:
                rows = self.taints[taint] = np.zeros(len(self.valid), np.bool_)
            rows[node.row] = True

    def _set_images(self, node: Node, images: Iterable[core_v1.ContainerImage]) -> None:
        for old in node.images:
            self.images[old][node.row] = 0
            if not self.images[old].any():
                del self.images[old]
        node.images = {name: image.sizeBytes for image in images for name in image.names if image.sizeBytes}
        for name, size in node.images.items():
            rows = self.images.get(name)
            if rows is None:
                rows = self.images[name] = np.zeros(len(self.valid), np.int64)
            rows[node.row] = size
