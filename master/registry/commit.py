"""The one place where the registry writes: an object, and the claims that it takes or gives back, in one go."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from master.registry.base import Resource
from master.registry.core import Core
from master.store.base import Committed, Delete, Guard, KeyValue, OutcomeUnknown, Put, Refused, Store, Write

SENDS = 3
"""How often a transaction whose answer was lost is sent. It is guarded, so it is applied at most once."""


class ClaimTaken(Exception):
    """Another object holds a claim; nothing was written."""

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__("claims are taken")
        self.keys = list(keys)


class Moved(Exception):
    """An object that was to be written beside is not as it was; nothing was written."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The object is not in the state that the write began from; ``current`` is its state, None when it is absent."""

    current: KeyValue | None


@dataclass(frozen=True, slots=True)
class Beside:
    """Another object's new value, and the revision of the state that it follows."""

    key: str
    revision: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Intent:
    """A write of one object: ``value`` None deletes it. ``revision`` is that of the state before, 0 for absent."""

    key: str
    revision: int
    value: bytes | None
    takes: Mapping[str, str] = field(default_factory=dict)
    """Claims that the object did not have before."""
    gives_back: Iterable[str] = ()
    """Claims that it has no longer."""
    beside: Sequence[Beside] = ()


async def commit(core: Core, resource: Resource, intent: Intent) -> int | Lost:
    """Carry the write out; gives the revision at which it is on disk.

    Raises:
        ClaimTaken: a claim belongs to another object.
        Moved: an object beside has changed.
        OutcomeUnknown: the store did not answer; the write may or may not have happened.
    """
    guards = [Guard(intent.key, intent.revision), *(Guard(claim, 0) for claim in intent.takes)]
    claims = len(guards)
    guards += [Guard(other.key, other.revision) for other in intent.beside]
    writes: list[Write] = [Put(intent.key, intent.value) if intent.value is not None else Delete(intent.key)]
    writes += [Put(claim, b'{"metadata":{}}') for claim in intent.takes]
    writes += [Delete(claim) for claim in intent.gives_back]
    writes += [Put(other.key, other.value) for other in intent.beside]
    outcome, sent_before = await _send(core.store_of(resource), guards, writes)
    if isinstance(outcome, Committed):
        return outcome.revision
    current = outcome.current[0]
    if sent_before and (current.value if current else None) == intent.value:
        return current.revision if current else outcome.revision
    if (current.revision if current else 0) == intent.revision:
        taken = [g.key for g, held in zip(guards[1:claims], outcome.current[1:claims], strict=True) if held]
        raise ClaimTaken(taken) if taken else Moved
    return Lost(current)


async def _send(store: Store, guards: list[Guard], writes: list[Write]) -> tuple[Committed | Refused, bool]:
    """The outcome, and whether an earlier sending may have been applied."""
    for attempt in range(SENDS):
        try:
            return await store.txn(guards, writes), attempt > 0
        except OutcomeUnknown:
            if attempt == SENDS - 1:
                raise
    raise AssertionError("unreachable")
