"""Node selectors and node affinity: which labels a node must, or should, have."""

from collections.abc import Iterator, Sequence

import numpy as np

from master.scheduler.plugins import Normalize, Refusal
from master.scheduler.pod import PodInfo
from master.scheduler.table import ABSENT, Ints, Mask, NodeTable
from timonel.api.types import core_v1

ORDER = 40
WEIGHT = 2
NORMALIZE = Normalize.HIGHEST
DYNAMIC = False


def filter(pod: PodInfo, table: NodeTable) -> Iterator[Refusal]:  # noqa: A001
    """Refuse nodes that match not the nodeSelector or none of the required affinity's terms."""
    matching = np.ones(len(table.valid), np.bool_)
    for key, value in pod.spec.nodeSelector.items():
        matching &= _has(table, key, [value])
    affinity = _affinity(pod)
    if affinity and affinity.requiredDuringSchedulingIgnoredDuringExecution:
        terms = affinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
        matching &= np.logical_or.reduce(
            [np.zeros(len(matching), np.bool_), *(term_mask(table, term) for term in terms)]
        )
    if not matching.all():
        yield Refusal(~matching, "node(s) didn't match Pod's node affinity/selector")


def score(pod: PodInfo, table: NodeTable) -> Ints:
    """The sum of the weights of the preferred terms that match."""
    total = np.zeros(len(table.valid), np.int64)
    affinity = _affinity(pod)
    for preferred in affinity.preferredDuringSchedulingIgnoredDuringExecution if affinity else ():
        total += term_mask(table, preferred.preference) * preferred.weight
    return total


def term_mask(table: NodeTable, term: core_v1.NodeSelectorTerm) -> Mask:
    """The rows that match all of a term's requirements; an empty term matches nothing."""
    if not term.matchExpressions and not term.matchFields:
        return np.zeros(len(table.valid), np.bool_)
    mask = np.ones(len(table.valid), np.bool_)
    for requirement in term.matchExpressions:
        mask &= _matches(table, requirement)
    for requirement in term.matchFields:
        mask &= _matches_name(table, requirement)
    return mask


def _affinity(pod: PodInfo) -> core_v1.NodeAffinity | None:
    return pod.spec.affinity.nodeAffinity if pod.spec.affinity else None


def _has(table: NodeTable, key: str, values: Sequence[str]) -> Mask:
    ids = table.label_ids(key)
    return np.isin(table.label(key), [ids[value] for value in values if value in ids])


def _matches(table: NodeTable, requirement: core_v1.NodeSelectorRequirement) -> Mask:
    key = requirement.key
    match requirement.operator:
        case "In":
            return _has(table, key, requirement.values)
        case "NotIn":
            return ~_has(table, key, requirement.values)
        case "Exists":
            return np.asarray(table.label(key) != ABSENT)
        case "DoesNotExist":
            return np.asarray(table.label(key) == ABSENT)
        case "Gt" | "Lt":
            return _compared(table, key, requirement.operator, requirement.values)
        case _:
            return np.zeros(len(table.valid), np.bool_)


def _compared(table: NodeTable, key: str, operator: str, values: Sequence[str]) -> Mask:
    bound = _integer(values[0]) if len(values) == 1 else None
    if bound is None:
        return np.zeros(len(table.valid), np.bool_)
    numbers = {identity: _integer(value) for value, identity in table.label_ids(key).items()}
    wanted = [
        identity
        for identity, number in numbers.items()
        if number is not None and (number > bound if operator == "Gt" else number < bound)
    ]
    return np.isin(table.label(key), wanted)


def _matches_name(table: NodeTable, requirement: core_v1.NodeSelectorRequirement) -> Mask:
    named = np.zeros(len(table.valid), np.bool_)
    if requirement.key == "metadata.name":
        for name in requirement.values:
            node = table.nodes.get(name)
            if node is not None:
                named[node.row] = True
    return ~named if requirement.operator == "NotIn" else named


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
