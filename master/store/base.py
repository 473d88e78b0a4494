"""The store's contract: one ordered key space, guarded transactions, watches, leases.

Keys are ``/registry/<group|core>/<plural>/[<namespace>/]<name>``; values are JSON bytes without ``resourceVersion``.
The store's revision *is* the resourceVersion: one integer sequence over all keys, raised by one with every transaction
that writes. Values may be secret, so they are left out of every ``repr``.

Every implementation passes ``tests/contracts/test_store.py``.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key with its value and the revisions of its creation and last change."""

    key: str
    value: bytes = field(repr=False)
    revision: int
    created: int


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition of a transaction: ``key`` was last changed at ``revision``; 0 means that it is absent."""

    key: str
    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write ``value`` under ``key``; with ``lease`` (an id from `Store.grant`) the key goes when the lease ends."""

    key: str
    value: bytes = field(repr=False)
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove ``key``; an absent key is no error."""

    key: str


Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction was applied, on disk, at ``revision``."""

    revision: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard did not hold, nothing was written. ``current`` has what each guarded key holds, in the guards' order."""

    revision: int
    current: tuple[KeyValue | None, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, in key order, as of ``revision``."""

    items: list[KeyValue]
    revision: int
    more: bool
    remaining: int
    """How many keys follow this page; 0 when there are none."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change of one key. ``value`` is None for a deletion; ``created`` equals ``revision`` for a creation."""

    key: str
    value: bytes | None = field(repr=False)
    revision: int
    created: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What a watch yields: events in order of revision, and the revision up to which the watch is now complete.

    A batch without events is progress only.
    """

    events: Sequence[Event]
    revision: int


class StoreError(Exception):
    """The store could not do what was asked. ``retry`` tells whether the same call may succeed later."""

    retry = False


class Compacted(StoreError):
    """History before ``revision`` is gone: a watch or a listing cannot start there; list again."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the store's history before revision {revision} has been compacted")
        self.revision = revision


class Unavailable(StoreError):
    """The store cannot be reached, or it is closing. Nothing was written."""

    retry = True


class OutcomeUnknown(StoreError):
    """A write was sent and its answer never came: it may or may not have been applied. Read before trying again."""


class NoSpace(StoreError):
    """The disk, or the store's quota, is full: writes fail until there is room, reads go on. Nothing was written."""

    retry = True


class TooLarge(StoreError):
    """A transaction has more bytes or more writes than a store takes, see `check_writes`. Nothing was written."""


class LeaseEnded(StoreError):
    """A `Put` names a lease that has ended or never was. Nothing was written."""


class Corrupt(StoreError):
    """What the store holds cannot be read back: a damaged file, or a wrong encryption key."""


MAX_WRITES = 128
MAX_BYTES = 1_500_000
"""What a transaction may hold in any store: etcd's ``--max-txn-ops``, and ``--max-request-bytes`` with a margin."""


def check_writes(writes: Sequence[Write]) -> None:
    """Raise what `Store.txn` says about writes that no store takes: `TooLarge` and ValueError."""
    if len({write.key.encode() for write in writes}) != len(writes):
        raise ValueError("a transaction writes one key twice")
    size = sum(len(write.value) for write in writes if isinstance(write, Put))
    if len(writes) > MAX_WRITES or size > MAX_BYTES:
        raise TooLarge(
            f"{len(writes)} writes with {size} bytes in one transaction; at most {MAX_WRITES} with {MAX_BYTES} bytes"
        )


def prefix_end(prefix: str) -> str:
    """The smallest key greater than every key that starts with ``prefix``; "" when there is none (an empty prefix)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else ""


class Store(ABC):
    """An ordered, durable, watchable map. A write returns after it is on disk."""

    @abstractmethod
    async def get(self, key: str, revision: int = 0) -> KeyValue | None:
        """The key's value now (linearizable), or as of ``revision``.

        Raises:
            Compacted: ``revision`` is older than what is kept.
        """

    @abstractmethod
    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        """Keys that start with ``prefix`` and are greater than ``after``, at most ``limit`` (0: all).

        As of ``revision``, or as of now for 0.

        Raises:
            Compacted: ``revision`` is older than what is kept.
            Unavailable: ``revision`` is yet to come, or the store cannot be reached.
        """

    @abstractmethod
    async def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        """Apply all ``writes`` in one revision if every guard holds, else none.

        The revision stays as it is where the writes change nothing (only deletions of absent keys).

        Raises:
            OutcomeUnknown: the answer was lost.
            NoSpace: there is no room.
            TooLarge: the store does not take that much at once.
            LeaseEnded: a put names a lease that is no more.
            ValueError: a key is written twice, or cannot be encoded.
        """

    @abstractmethod
    def watch(self, prefix: str, after: int) -> AsyncGenerator[Batch, None]:
        """Every change under ``prefix`` with a revision greater than ``after``, without gap or repeat, until closed.

        Lost connections are mended inside, resuming after the last event seen. Progress comes at least every few
        seconds while nothing changes. Close the generator (``aclosing``) to end the watch.

        Raises:
            Compacted: ``after`` is older than what is kept.
            Unavailable: the store is closing.
        """

    @abstractmethod
    async def revision(self, watched: str = "") -> int:
        """The store's current revision (linearizable).

        Watches whose prefix is ``watched`` then report progress to it at once: their owner knows that it has seen all.
        """

    @abstractmethod
    async def grant(self, ttl: float) -> int:
        """A new lease that ends ``ttl`` seconds after its last renewal; returns its id."""

    @abstractmethod
    async def keep_alive(self, lease: int) -> bool:
        """Renew a lease for its full time; False when it has ended."""

    @abstractmethod
    async def revoke(self, lease: int) -> None:
        """End a lease and delete its keys; an ended lease is no error."""

    @abstractmethod
    async def compact(self, revision: int) -> None:
        """Forget history before ``revision``; what is current stays."""

    @abstractmethod
    def snapshot(self) -> AsyncIterator[KeyValue]:
        """Every key as of one revision, in key order."""

    @abstractmethod
    async def close(self) -> None:
        """End watches and release what is held. Idempotent."""
