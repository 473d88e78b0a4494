"""What a node has been sent, and so what to send next."""

import msgspec

from master.dispatcher.assignments import Change, Needed, diff
from timonel.rpc import node_pb2


class _Metadata(msgspec.Struct):
    uid: str = ""


class _Identified(msgspec.Struct):
    metadata: _Metadata


_identified = msgspec.json.Decoder(_Identified)


class Ledger:
    """The sequence of one session's assignments.

    The first is COMPLETE, every later one INCREMENTAL on its predecessor, until `start_over`.
    """

    def __init__(self) -> None:
        self._sent: Needed | None = None
        self._sequence = 0

    def start_over(self) -> None:
        """Make the next assignment COMPLETE."""
        self._sent = None

    def next(self, needed: Needed) -> node_pb2.Assignments | None:
        """What brings the node from what it has been sent to `needed`, counted as sent; None when it has all."""
        old, self._sent = self._sent, needed
        changes = diff(old or {}, needed)
        if old is not None and not changes:
            return None
        before, self._sequence = self._sequence, self._sequence + 1
        return node_pb2.Assignments(
            type=node_pb2.Assignments.COMPLETE if old is None else node_pb2.Assignments.INCREMENTAL,
            applies_to=0 if old is None else before,
            sequence=self._sequence,
            changes=map(_to_wire, changes),
        )


def _to_wire(change: Change) -> node_pb2.AssignmentChange:
    stored = change.new or change.old
    assert stored is not None
    gone = change.new is None
    return node_pb2.AssignmentChange(
        action=node_pb2.AssignmentChange.REMOVE if gone else node_pb2.AssignmentChange.UPDATE,
        kind=change.ref.kind,
        object_namespace=change.ref.namespace,
        object_name=change.ref.name,
        object_uid=_identified.decode(stored.raw).metadata.uid,
        object_json=b"" if gone else stored.raw,
    )
