"""How what a node reports and what the API holds become one status. Pure.

A node speaks for itself and for its pods, but others write into the same statuses: conditions of types that the node
does not know, and fields that the API server or the scheduler sets, stay.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from timonel.api.types import core_v1

ENDED = frozenset({"Succeeded", "Failed"})

_OTHERS_IN_POD = ("qosClass", "nominatedNodeName", "resourceClaimStatuses", "extendedResourceClaimStatus", "resize")
_OTHERS_IN_NODE = ("volumesAttached", "config", "phase")


_PASSING = frozenset({"PodResizePending", "PodResizeInProgress"})
"""Conditions that the node takes away by no longer reporting them."""

C = TypeVar("C", core_v1.PodCondition, core_v1.NodeCondition)
S = TypeVar("S", core_v1.PodStatus, core_v1.NodeStatus)


def pod_status(stored: core_v1.PodStatus, reported: core_v1.PodStatus) -> core_v1.PodStatus:
    """The status to store for a pod. A pod that has ended stays ended."""
    merged = _with_fields_of_others(stored, reported, _OTHERS_IN_POD)
    merged.conditions = _conditions(stored.conditions, reported.conditions)
    if stored.phase in ENDED and reported.phase not in ENDED:
        merged.phase, merged.reason, merged.message = stored.phase, stored.reason, stored.message
    return merged


def node_status(stored: core_v1.NodeStatus, reported: core_v1.NodeStatus, now: str) -> core_v1.NodeStatus:
    """The status to store for a node that said so at `now` (RFC 3339)."""
    merged = _with_fields_of_others(stored, reported, _OTHERS_IN_NODE)
    ours = [
        msgspec.structs.replace(
            condition, lastHeartbeatTime=now, lastTransitionTime=condition.lastTransitionTime or now
        )
        for condition in reported.conditions
    ]
    merged.conditions = _conditions(stored.conditions, ours)
    return merged


def says_the_same(one: core_v1.NodeStatus, other: core_v1.NodeStatus) -> bool:
    """Whether two statuses differ in nothing but the times of heartbeats."""
    return _timeless(one) == _timeless(other)


def _timeless(status: core_v1.NodeStatus) -> core_v1.NodeStatus:
    conditions = [msgspec.structs.replace(condition, lastHeartbeatTime=None) for condition in status.conditions]
    return msgspec.structs.replace(status, conditions=conditions)


def _with_fields_of_others(stored: S, reported: S, fields: Sequence[str]) -> S:
    kept = {field: getattr(stored, field) for field in fields if not getattr(reported, field)}
    return msgspec.structs.replace(reported, **kept)


def _conditions(stored: Sequence[C], reported: Sequence[C]) -> list[C]:
    """The reported conditions, and after them the stored ones of other types.

    A condition that holds since before the agent started keeps the time at which it came to hold.
    """
    known: dict[str, C] = {condition.type: condition for condition in stored}
    merged: list[C] = []
    for condition in reported:
        before = known.pop(condition.type, None)
        if before is not None and before.status == condition.status and before.lastTransitionTime:
            merged.append(msgspec.structs.replace(condition, lastTransitionTime=before.lastTransitionTime))
        else:
            merged.append(condition)
    merged.extend(condition for condition in known.values() if condition.type not in _PASSING)
    return merged
