"""The choice: which node for which pod. A pure function of pods and table, but that it counts what it places in the
table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from master.scheduler.plugins import Plugin, Refusal, normalized
from master.scheduler.pod import PodInfo
from master.scheduler.table import Ints, Mask, NodeTable


@dataclass(frozen=True, slots=True)
class Placed:
    """The pod goes to `node`; `pod` is counted there in the table."""

    pod: PodInfo
    node: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No node takes the pod; `reasons` counts nodes by the reason of the first plugin that refused."""

    pod: PodInfo
    reasons: Counter[str]
    nodes: int

    @property
    def message(self) -> str:
        """In Kubernetes' words. Source: FitError.Error of kube-scheduler."""
        if not self.nodes:
            return "no nodes available to schedule pods"
        counts = sorted(f"{count} {reason}" for reason, count in self.reasons.items())
        return f"0/{self.nodes} nodes are available: {', '.join(counts)}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the plugins say of one node for one pod, for `timonel why`."""

    node: str
    refusals: tuple[str, ...]
    """Empty: the node is feasible."""
    scores: dict[str, int]
    """Weighted, by plugin; empty for a refused node."""


@dataclass(slots=True)
class _Kept:
    """What the plugins that do not depend on pods said for one signature."""

    version: int
    refused: Mask
    scores: dict[str, Ints]
    """Not yet normalized, by plugin."""


class Placer:
    """Places pods by a set of plugins. What does not depend on the pods of a node is kept per signature until a node
    changes.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = plugins
        self._static = [plugin for plugin in plugins if plugin.filter and not plugin.dynamic]
        self._dynamic = [plugin for plugin in plugins if plugin.filter and plugin.dynamic]
        self._kept: dict[bytes, _Kept] = {}
        self._cursor = 0

    def place(self, pods: Iterable[PodInfo], table: NodeTable) -> Iterator[Placed | Unplaced]:
        """Place pods in turn; each placed one is counted before the next is looked at."""
        for pod in pods:
            feasible = self._feasible(pod, table)
            if not feasible.any():
                yield self._refuse(pod, table)
                continue
            row = self._choose(self._total(pod, table, feasible), feasible)
            bound = replace(pod, node=table.names[row])
            table.add_pod(bound)
            yield Placed(bound, bound.node)

    def explain(self, pod: PodInfo, table: NodeTable) -> list[Verdict]:
        """Every node's refusals (of all plugins, not only the first) or its scores, best node first."""
        refusals: dict[int, list[str]] = {}
        feasible = table.valid.copy()
        for plugin in self._plugins:
            for refusal in _refusals(plugin, pod, table):
                feasible &= ~refusal.rows
                for row in np.flatnonzero(refusal.rows & table.valid):
                    refusals.setdefault(int(row), []).append(
                        refusal.detail(int(row)) if refusal.detail else refusal.reason
                    )
        scores = self._scores(pod, table, feasible)
        verdicts = [
            Verdict(
                node.name,
                tuple(refusals.get(node.row, ())),
                {name: int(column[node.row]) for name, column in scores.items()} if feasible[node.row] else {},
            )
            for node in table.nodes.values()
        ]
        return sorted(
            verdicts, key=lambda verdict: (bool(verdict.refusals), -sum(verdict.scores.values()), verdict.node)
        )

    def _feasible(self, pod: PodInfo, table: NodeTable) -> Mask:
        feasible = table.valid & ~self._keep(pod, table).refused
        for plugin in self._dynamic:
            for refusal in _refusals(plugin, pod, table):
                feasible &= ~refusal.rows
        return feasible

    def _total(self, pod: PodInfo, table: NodeTable, feasible: Mask) -> Ints:
        total = np.zeros(len(table.valid), np.int64)
        for column in self._scores(pod, table, feasible).values():
            total += column
        return total

    def _scores(self, pod: PodInfo, table: NodeTable, feasible: Mask) -> dict[str, Ints]:
        """Weighted, by plugin."""
        kept = self._keep(pod, table)
        scores: dict[str, Ints] = {}
        for plugin in self._plugins:
            if plugin.score:
                raw = plugin.score(pod, table) if plugin.dynamic else kept.scores[plugin.name]
                scores[plugin.name] = normalized(raw, feasible, plugin.normalize) * plugin.weight
        return scores

    def _choose(self, total: Ints, feasible: Mask) -> int:
        """The best row; among equals the next one after the last choice, so that no node is favoured."""
        best = np.flatnonzero(feasible & (total == total[feasible].max()))
        row = int(best[np.searchsorted(best, self._cursor) % len(best)])
        self._cursor = row + 1
        return row

    def _keep(self, pod: PodInfo, table: NodeTable) -> _Kept:
        kept = self._kept.get(pod.signature)
        if kept is not None and kept.version == table.version and len(kept.refused) == len(table.valid):
            return kept
        if kept is None and len(self._kept) >= 1024:
            self._kept.clear()
        refused = np.zeros(len(table.valid), np.bool_)
        for plugin in self._static:
            for refusal in _refusals(plugin, pod, table):
                refused |= refusal.rows
        scores = {
            plugin.name: plugin.score(pod, table) for plugin in self._plugins if plugin.score and not plugin.dynamic
        }
        kept = self._kept[pod.signature] = _Kept(table.version, refused, scores)
        return kept

    def _refuse(self, pod: PodInfo, table: NodeTable) -> Unplaced:
        reasons: Counter[str] = Counter()
        left = table.valid.copy()
        for plugin in self._plugins:
            refused = np.zeros(len(left), np.bool_)
            for refusal in _refusals(plugin, pod, table):
                hit = refusal.rows & left
                if hit.any():
                    reasons[refusal.reason] += int(np.count_nonzero(hit))
                    refused |= hit
            left &= ~refused
        return Unplaced(pod, reasons, len(table))


def _refusals(plugin: Plugin, pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:
    return plugin.filter(pod, table) if plugin.filter else iter(())
