"""Who may run now, and who is next: pure bookkeeping of seats and queues, without a clock or a loop.

A request takes one or more *seats* of its priority level while it runs. The seats of all levels are the server's whole
concurrency. Of its nominal seats a level keeps some for itself; the rest, its lendable part, goes into one pool with
that of all others. A level first fills the seats that it keeps, then takes from the pool: at once while nobody wants
for the pool, else in the order of how full its nominal seats are, emptiest first. So seats that one level does not need
are used by others at once, and come back as soon as their requests end. (Kubernetes moves limits every ten seconds
instead; see docs/decisions/fairness.md.)

Within a level each *flow* has a hand of a few of the level's queues, and joins the shortest of them (shuffle sharding:
one heavy flow fills its hand, but hardly all queues of another's). The queue that has had the least seat-seconds is
next; one that was empty begins where the others are, so that nobody saves up (start-time fair queuing).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

EXPECTED_SECONDS = 0.003
"""What a request counts for while it runs; its real duration replaces that at its end. Source: Kubernetes' guess."""


class Verdict(Enum):
    """What becomes of a request that has come. The values are Kubernetes' words for its metrics."""

    RUN = "run"
    WAIT = "wait"
    FULL = "queue-full"
    BUSY = "concurrency-limit"


@dataclass(slots=True)
class Queue:
    """Requests that wait for their turn, and how many seat-seconds the queue has had."""

    tickets: deque[Ticket] = field(default_factory=deque)
    had: float = 0.0


@dataclass(slots=True)
class Level:
    """A priority level. An exempt one never waits; one without queues refuses what cannot run at once."""

    name: str
    exempt: bool = False
    nominal: int = 0
    """Its share of the server's seats."""
    kept: int = 0
    """How many of them others never use."""
    most: int = 0
    """How many seats it may have in all."""
    queues: list[Queue] = field(default_factory=list)
    hand_size: int = 1
    queue_length: int = 0
    running: int = 0
    """Seats taken."""
    waiting: int = 0
    """Requests in the queues."""
    clock: float = 0.0
    """What the queue that was served last had had: where a queue begins that was empty."""

    @property
    def from_pool(self) -> int:
        """How many of its seats are of the pool."""
        return max(0, self.running - self.kept)

    def next(self) -> Ticket:
        """The request whose turn it is; there must be one."""
        return min((queue for queue in self.queues if queue.tickets), key=lambda queue: queue.had).tickets[0]


@dataclass(slots=True, eq=False)
class Ticket:
    """A request. ``start`` is called when it may run after it has waited."""

    level: Level
    hand: tuple[int, ...]
    width: int = 1
    start: Callable[[], None] = lambda: None
    queue: Queue | None = None
    waiting: bool = False
    running: bool = False


class Seats:
    """The seats of all levels."""

    def __init__(self) -> None:
        self._levels: list[Level] = []
        self._pool = 0
        self._waiting = 0
        self._short = False
        """Whether a level waits for the pool: what is free there is its, not a newcomer's."""

    def configure(self, levels: Iterable[Level]) -> None:
        """From now on there are these levels; one that is gone borrows for those that are in it still."""
        wanted = list(levels)
        gone = [level for level in self._levels if level not in wanted and (level.running or level.waiting)]
        for level in gone:
            level.nominal = level.kept = 0
        self._levels = [*wanted, *gone]
        limited = [level for level in wanted if not level.exempt]
        self._pool = sum(level.nominal - level.kept for level in limited)
        for level in gone:
            level.most = self._pool
        self.dispatch()

    def arrive(self, ticket: Ticket) -> Verdict:
        """A request has come. Who waits is started by a later call of any method, through ``ticket.start``."""
        level = ticket.level
        if level.exempt or (not level.waiting and self._may_start(level, ticket.width)):
            self._take(ticket)
            return Verdict.RUN
        if not level.queues:
            return Verdict.BUSY
        queue = min((level.queues[index] for index in ticket.hand), key=lambda queue: len(queue.tickets))
        if len(queue.tickets) >= level.queue_length:
            return Verdict.FULL
        if not queue.tickets:
            queue.had = max(queue.had, level.clock)
        queue.tickets.append(ticket)
        ticket.queue, ticket.waiting = queue, True
        level.waiting += 1
        self._waiting += 1
        self.dispatch()
        return Verdict.RUN if ticket.running else Verdict.WAIT

    def abandon(self, ticket: Ticket) -> None:
        """A request waits no longer: its time is over, or its sender has gone. Idempotent."""
        if ticket.waiting and ticket.queue is not None:
            ticket.queue.tickets.remove(ticket)
            ticket.waiting = False
            ticket.level.waiting -= 1
            self._waiting -= 1
            self.dispatch()

    def finish(self, ticket: Ticket, seconds: float) -> None:
        """A request has run for so long. Idempotent."""
        if not ticket.running:
            return
        ticket.running = False
        ticket.level.running -= ticket.width
        if ticket.queue is not None:
            ticket.queue.had += ticket.width * (seconds - EXPECTED_SECONDS)
        if self._waiting:
            self.dispatch()

    def dispatch(self) -> None:
        """Start all who may, in their order."""
        self._short = False
        while self._waiting and self._start_one():
            pass

    def _start_one(self) -> bool:
        self._short = False
        waiting = [level for level in self._levels if level.waiting]
        for level in sorted(waiting, key=lambda level: level.running / (level.nominal or 1)):
            ticket = level.next()
            if self._may_start(level, ticket.width):
                self._start(ticket)
                return True
            if level.running + ticket.width <= level.most:
                self._short = True
        return False

    def _may_start(self, level: Level, width: int) -> bool:
        after = level.running + width
        if after <= level.kept:
            return True
        if self._short or after > level.most:
            return False
        others = sum(other.from_pool for other in self._levels if other is not level and not other.exempt)
        return others + after - level.kept <= self._pool

    def _start(self, ticket: Ticket) -> None:
        level, queue = ticket.level, ticket.queue
        assert queue is not None
        queue.tickets.popleft()
        ticket.waiting = False
        level.waiting -= 1
        self._waiting -= 1
        level.clock = max(level.clock, queue.had)
        queue.had += ticket.width * EXPECTED_SECONDS
        self._take(ticket)
        ticket.start()

    def _take(self, ticket: Ticket) -> None:
        ticket.level.running += ticket.width
        ticket.running = True


def deal(flow: str, queues: int, size: int) -> tuple[int, ...]:
    """The hand of a flow: ``size`` different ones of ``queues``, always the same for a name."""
    value = int.from_bytes(hashlib.blake2b(flow.encode(), digest_size=8).digest())
    hand: list[int] = []
    for dealt in range(min(size, queues)):
        value, card = divmod(value, queues - dealt)
        for other in sorted(hand):
            card += other <= card
        hand.append(card)
    return tuple(hand)
