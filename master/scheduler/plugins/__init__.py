"""The scheduler's plugins, one file each; `load` finds them.

A plugin is a module with a function `filter`, `score`, or both:

- ``filter(pod, table) -> Iterator[Refusal]``: the rows that it refuses, with the reason. The first plugin that refuses
a node gives its reasons.
- ``score(pod, table) -> Ints``: the greater the better; 0 to 100, or anything from 0 when ``NORMALIZE`` says how to
scale it.

and the constants ``ORDER`` (filters run in rising order), ``WEIGHT`` (of the score), ``NORMALIZE`` and ``DYNAMIC``
(True when the answer changes
with the pods on a node; otherwise it is kept until a node changes).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from master.scheduler.pod import PodInfo
from master.scheduler.table import Ints, Mask, Node, NodeTable

MAX_SCORE = 100


class Normalize(StrEnum):
    """How raw scores become 0 to 100, over the feasible nodes."""

    NONE = "none"
    HIGHEST = "highest"
    """The highest becomes 100."""
    REVERSED = "reversed"
    """The highest becomes 0, and 0 becomes 100."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Rows that a plugin refuses, and why, in Kubernetes' words. `detail` says more for one node than the counted
    reason does.
    """

    rows: Mask
    reason: str
    detail: Callable[[int], str] | None = None


Filter = Callable[[PodInfo, NodeTable], Iterator[Refusal]]
Score = Callable[[PodInfo, NodeTable], Ints]


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin as the scheduler uses it."""

    name: str
    filter: Filter | None = None
    score: Score | None = None
    order: int = 100
    weight: int = 1
    normalize: Normalize = Normalize.NONE
    dynamic: bool = False


def load() -> tuple[Plugin, ...]:
    """The plugins of this package, in the order of their filters."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    plugins = [
        Plugin(
            name=module.__name__.rpartition(".")[2],
            filter=getattr(module, "filter", None),
            score=getattr(module, "score", None),
            order=getattr(module, "ORDER", 100),
            weight=getattr(module, "WEIGHT", 1),
            normalize=getattr(module, "NORMALIZE", Normalize.NONE),
            dynamic=module.DYNAMIC,
        )
        for module in modules
    ]
    return tuple(sorted(plugins, key=lambda plugin: (plugin.order, plugin.name)))


def per_node(name: str, refuse: Callable[[PodInfo, Node], str | None], *, order: int = 100) -> Plugin:
    """A filter from a plain function that looks at one node and gives the reason to refuse it, or None."""

    def filter_rows(pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:
        rows_of: dict[str, Mask] = {}
        for node in table.nodes.values():
            reason = refuse(pod, node)
            if reason is not None:
                rows_of.setdefault(reason, np.zeros(len(table.valid), np.bool_))[node.row] = True
        for reason, rows in rows_of.items():
            yield Refusal(rows, reason)

    return Plugin(name, filter=filter_rows, order=order, dynamic=True)


def normalized(scores: Ints, feasible: Mask, how: Normalize) -> Ints:
    """Scale raw scores. Source: Kubernetes' DefaultNormalizeScore."""
    if how is Normalize.NONE:
        return scores
    highest = int(scores[feasible].max(initial=0))
    if highest:
        scores = scores * MAX_SCORE // highest
    return MAX_SCORE - scores if how is Normalize.REVERSED else scores
