"""What priority and fairness counts, under Kubernetes' names."""

from collections.abc import Iterable

from master.apiserver.fairness.seats import Level
from master.metrics import Counter, Gauge, Histogram

_FLOW = ("priority_level", "flow_schema")
_SECONDS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_PREFIX = "apiserver_flowcontrol"

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
_inflight = Gauge("apiserver_current_inflight_requests", "Requests that run.", ("request_kind",))
_inqueue = Gauge("apiserver_current_inqueue_requests", "Requests that wait for their turn.", ("request_kind",))
RUNNING = {changing: _inflight.cell("mutating" if changing else "readOnly") for changing in (False, True)}
WAITING = {changing: _inqueue.cell("mutating" if changing else "readOnly") for changing in (False, True)}
"""By whether the requests change something."""


class FlowMetrics:
    """The figures of the flows of one level and schema."""

    __slots__ = ("_flow", "dispatched", "executing", "queued", "ran", "seats", "waited")

    def __init__(self, level: str, schema: str) -> None:
        self._flow = (level, schema)
        self.dispatched = _dispatched.cell(level, schema)
        self.executing = _executing.cell(level, schema)
        self.queued = _queued.cell(level, schema)
        self.seats = _seats.cell(level, schema)
        self.waited = _waited.series(level, schema, "true")
        self.ran = _ran.series(level, schema, "regular")

    def started(self, seats: int, waited: float) -> None:
        """A request runs, after it has waited for so many seconds."""
        self.dispatched.value += 1
        self.executing.value += 1
        self.seats.value += seats
        self.waited.observe(waited)

    def ended(self, seats: int, seconds: float) -> None:
        """A request has run for so many seconds."""
        self.executing.value -= 1
        self.seats.value -= seats
        self.ran.observe(seconds)

    def refused(self, reason: str, waited: float) -> None:
        """A request was turned away."""
        _rejected.add(1, *self._flow, reason)
        _waited.observe(waited, *self._flow, "false")


def configured(levels: Iterable[Level]) -> None:
    """These are the levels now."""
    for level in levels:
        if not level.exempt:
            _nominal.put(level.nominal, level.name)
            _lower.put(level.kept, level.name)
            _upper.put(level.most, level.name)
