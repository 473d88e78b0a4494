"""Seats: never too many, never idle while somebody may run, and nobody starves, whatever comes in whatever order."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from master.apiserver.fairness.seats import Level, Queue, Seats, Ticket, Verdict, deal


def make(name: str, nominal: int, kept: int, most: int, queues: int = 8) -> Level:
    return Level(name, False, nominal, kept, most, [Queue() for _ in range(queues)], hand_size=2, queue_length=5)


class AnyTraffic(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.levels = [make("a", 4, 2, 10), make("b", 3, 1, 4), make("c", 2, 2, 2), make("d", 1, 0, 10, queues=0)]
        self.seats = Seats()
        self.seats.configure([*self.levels, Level("exempt", exempt=True)])
        self.running: list[Ticket] = []
        self.waiting: list[Ticket] = []

    @rule(level=st.integers(0, 3), flow=st.text("xyz", max_size=1), width=st.integers(1, 3))
    def arrive(self, level: int, flow: str, width: int) -> None:
        chosen = self.levels[level]
        ticket = Ticket(chosen, deal(flow, len(chosen.queues), 2) if chosen.queues else (), min(width, chosen.nominal))
        ticket.start = lambda: self.start(ticket)
        match self.seats.arrive(ticket):
            case Verdict.RUN:
                if ticket not in self.running:
                    self.running.append(ticket)
            case Verdict.WAIT:
                self.waiting.append(ticket)
            case Verdict.BUSY:
                assert not chosen.queues
            case Verdict.FULL:
                assert all(len(chosen.queues[index].tickets) == chosen.queue_length for index in ticket.hand)

    def start(self, ticket: Ticket) -> None:
        if ticket in self.waiting:
            self.waiting.remove(ticket)
        self.running.append(ticket)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), seconds=st.floats(0, 2))
    def finish(self, data: st.DataObject, seconds: float) -> None:
        ticket = data.draw(st.sampled_from(self.running))
        self.running.remove(ticket)
        self.seats.finish(ticket, seconds)
        self.seats.finish(ticket, seconds)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(ticket)
        self.seats.abandon(ticket)
        self.seats.abandon(ticket)

    @invariant()
    def seats_are_never_exceeded(self) -> None:
        taken = Counter[str]()
        for ticket in self.running:
            taken[ticket.level.name] += ticket.width
        assert all(level.running == taken[level.name] <= level.most for level in self.levels)
        assert sum(taken.values()) <= sum(level.nominal for level in self.levels)

    @invariant()
    def what_a_level_keeps_is_there_for_it(self) -> None:
        for level in self.levels:
            if level.waiting:
                assert level.running + level.next().width > level.kept

    @invariant()
    def no_seat_is_idle_while_somebody_may_have_it(self) -> None:
        pool = sum(level.nominal - level.kept for level in self.levels)
        free = pool - sum(level.from_pool for level in self.levels)
        emptiest_first = sorted((x for x in self.levels if x.waiting), key=lambda x: x.running / x.nominal)
        for level in emptiest_first:
            after = level.running + level.next().width
            if after <= level.most:
                assert after - max(level.kept, level.running) > free
                break

    @invariant()
    def the_books_agree(self) -> None:
        assert sum(level.waiting for level in self.levels) == len(self.waiting)
        assert sum(len(queue.tickets) for level in self.levels for queue in level.queues) == len(self.waiting)


AnyTraffic.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyTraffic = AnyTraffic.TestCase


@given(greedy=st.integers(10, 40), seats=st.integers(1, 8), seconds=st.floats(0.001, 5))
@settings(deadline=None, max_examples=50)
def test_a_polite_flow_is_among_the_next_however_much_another_wants(greedy: int, seats: int, seconds: float) -> None:
    level = Level("level", False, seats, seats, seats, [Queue() for _ in range(16)], hand_size=2, queue_length=50)
    book = Seats()
    book.configure([level])
    started: list[str] = []

    def ticket(flow: str, hand: tuple[int, ...]) -> Ticket:
        made = Ticket(level, hand)
        made.start = lambda: (started.append(flow), running.append(made))  # type: ignore[assignment,return-value]
        return made

    running: list[Ticket] = []
    for _ in range(greedy):
        request = ticket("greedy", (0, 1))
        if book.arrive(request) is Verdict.RUN and request not in running:
            running.append(request)
    for _ in range(5):
        started.clear()
        assert book.arrive(ticket("polite", (2, 3))) in (Verdict.WAIT, Verdict.RUN)
        while "polite" not in started and running:
            # One of each queue of its hand, and what runs already, whose time is not yet counted.
            assert started.count("greedy") <= 2 + seats
            book.finish(running.pop(0), seconds)
            book.arrive(ticket("greedy", (0, 1)))
        assert "polite" in started


def test_flows_of_a_level_share_its_seats_by_time_and_width() -> None:
    level = Level("level", False, 4, 4, 4, [Queue() for _ in range(4)], hand_size=1, queue_length=1000)
    book = Seats()
    book.configure([level])
    had = {"short": 0.0, "long": 0.0}
    ends: list[tuple[float, int, str, float, Ticket]] = []
    now = 0.0

    def offer(flow: str, hand: tuple[int, ...], seconds: float, width: int) -> None:
        made = Ticket(level, hand, width)
        number = len(had) + len(ends)
        made.start = lambda: ends.append((now + seconds, number, flow, seconds, made))
        if book.arrive(made) is Verdict.RUN and not made.queue:
            made.start()

    for _ in range(600):
        offer("short", (0,), 0.01, 1)
    for _ in range(60):
        offer("long", (1,), 0.1, 2)
    while now < 5:
        ends.sort(key=lambda end: end[0])
        now, _, flow, seconds, made = ends.pop(0)
        had[flow] += seconds * made.width
        book.finish(made, seconds)
        if not any(queue.tickets for queue in level.queues[:1]) or not level.queues[1].tickets:
            break
    assert 0.6 < had["short"] / had["long"] < 1.6, had


def test_lent_seats_come_back_before_anybody_else_borrows() -> None:
    lender, borrower = make("lender", 4, 1, 4), make("borrower", 4, 4, 8)
    book = Seats()
    book.configure([lender, borrower])
    borrowed = [Ticket(borrower, (0, 1)) for _ in range(9)]
    assert [book.arrive(each) for each in borrowed].count(Verdict.RUN) == 7
    mine = [Ticket(lender, (0, 1)) for _ in range(3)]
    assert [book.arrive(each) for each in mine] == [Verdict.RUN, Verdict.WAIT, Verdict.WAIT]
    book.finish(borrowed[0], 1)
    assert (lender.running, borrower.running) == (2, 6)
    book.finish(borrowed[1], 1)
    assert (lender.running, borrower.running) == (3, 5)
    book.finish(borrowed[2], 1)
    assert (lender.running, borrower.running) == (3, 5)  # nobody of the lender waits: the borrower may again


def test_who_has_waited_for_several_seats_of_the_pool_gets_them_before_newcomers() -> None:
    wide, narrow, other = make("wide", 4, 0, 4), make("narrow", 4, 0, 8), make("other", 2, 2, 2)
    book = Seats()
    book.configure([wide, narrow, other])
    first = [Ticket(narrow, (0, 1)) for _ in range(8)]
    assert [book.arrive(each) for each in first] == [Verdict.RUN] * 8
    waiting = Ticket(wide, (0, 1), width=3)
    assert book.arrive(waiting) is Verdict.WAIT
    for running in first[:2]:
        book.finish(running, 1)
        assert book.arrive(Ticket(narrow, (0, 1))) is Verdict.WAIT
        assert book.arrive(Ticket(other, (0, 1))) is Verdict.RUN  # what it keeps is not touched by that
    book.finish(first[2], 1)
    assert waiting.running
    assert (wide.running, narrow.running, other.running) == (3, 5, 2)


def test_who_was_idle_has_saved_nothing_up() -> None:
    level = Level("level", False, 1, 1, 1, [Queue() for _ in range(2)], hand_size=1, queue_length=100)
    book = Seats()
    book.configure([level])
    order: list[str] = []
    running: list[Ticket] = []

    def ask(flow: str, queue: int) -> None:
        made = Ticket(level, (queue,))

        def start() -> None:
            order.append(flow)
            running.append(made)

        made.start = start
        if book.arrive(made) is Verdict.RUN and made.queue is None:
            start()

    for _ in range(30):
        ask("busy", 0)
    for _ in range(20):
        book.finish(running.pop(), 1.0)
    order.clear()
    for _ in range(10):
        ask("idle", 1)
    while running:
        book.finish(running.pop(), 1.0)
    assert order[:8].count("idle") <= 5


def test_a_level_that_is_gone_runs_out() -> None:
    old, new = make("a", 2, 0, 2), make("b", 2, 0, 2)
    book = Seats()
    book.configure([old])
    tickets = [Ticket(old, (0, 1)) for _ in range(4)]
    for each in tickets:
        book.arrive(each)
    book.configure([new])
    for each in tickets:
        book.finish(each, 1)
    assert (old.running, old.waiting) == (0, 0)


@given(flow=st.text(), queues=st.integers(1, 200), data=st.data())
def test_a_hand_has_different_queues_and_is_always_the_same(flow: str, queues: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, min(8, queues)))
    hand = deal(flow, queues, size)
    assert hand == deal(flow, queues, size)
    assert len(set(hand)) == size
    assert all(0 <= card < queues for card in hand)


def test_hands_are_spread_evenly() -> None:
    dealt = Counter(card for number in range(2000) for card in deal(f"user-{number}", 16, 4))
    assert set(dealt) == set(range(16))
    assert max(dealt.values()) < 1.3 * min(dealt.values())
