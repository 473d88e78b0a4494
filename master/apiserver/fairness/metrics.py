"""What priority and fairness counts, under Kubernetes' names."""

from collections.abc import Iterable

from master.apiserver.fairness.seats import Level
from master.metrics import Counter, Gauge, Histogram

_FLOW = ("priority_level", "flow_schema")
_SECONDS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_PREFIX = "apiserver_flowcontrol"

Flow = tuple[str, str]
"""The names of a level and a schema."""

_dispatched = Counter(f"{_PREFIX}_dispatched_requests_total", "Requests that got their turn.", _FLOW)
_rejected = Counter(f"{_PREFIX}_rejected_requests_total", "Requests that got none.", (*_FLOW, "reason"))
_queued = Gauge(f"{_PREFIX}_current_inqueue_requests", "Requests that wait for their turn.", _FLOW)
_executing = Gauge(f"{_PREFIX}_current_executing_requests", "Requests that run, watches while they begin.", _FLOW)
_seats = Gauge(f"{_PREFIX}_current_executing_seats", "Seats that these take.", _FLOW)
_waited = Histogram(
    f"{_PREFIX}_request_wait_duration_seconds", "Time spent waiting.", (*_FLOW, "execute"), _SECONDS
)  # fmt: skip
_ran = Histogram(f"{_PREFIX}_request_execution_seconds", "Time spent running.", (*_FLOW, "type"), _SECONDS)
_nominal = Gauge(f"{_PREFIX}_nominal_limit_seats", "A level's share of the seats.", _FLOW[:1])
_lower = Gauge(f"{_PREFIX}_lower_limit_seats", "The seats that a level keeps for itself.", _FLOW[:1])
_upper = Gauge(f"{_PREFIX}_upper_limit_seats", "The seats that a level may have with what it borrows.", _FLOW[:1])


def started(flow: Flow, seats: int, waited: float) -> None:
    """A request runs, after it has waited for so many seconds."""
    _dispatched.add(1, *flow)
    _executing.add(1, *flow)
    _seats.add(seats, *flow)
    _waited.observe(waited, *flow, "true")


def ended(flow: Flow, seats: int, seconds: float) -> None:
    """A request has run for so many seconds."""
    _executing.add(-1, *flow)
    _seats.add(-seats, *flow)
    _ran.observe(seconds, *flow, "regular")


def queued(flow: Flow, number: int) -> None:
    """So many more requests wait."""
    _queued.add(number, *flow)


def refused(flow: Flow, reason: str) -> None:
    """A request was turned away."""
    _rejected.add(1, *flow, reason)


def gave_up(flow: Flow, waited: float) -> None:
    """A request has waited too long."""
    _waited.observe(waited, *flow, "false")


def configured(levels: Iterable[Level]) -> None:
    """These are the levels now."""
    for level in levels:
        if not level.exempt:
            _nominal.put(level.nominal, level.name)
            _lower.put(level.kept, level.name)
            _upper.put(level.most, level.name)
