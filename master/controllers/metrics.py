"""What is counted of the controllers' queues, under the names of Kubernetes' work queues."""

import time

from master.metrics import Counter, Gauge, Histogram

_NAME = ("name",)
_SECONDS = tuple(10.0**power for power in range(-8, 2))
_adds = Counter("workqueue_adds_total", "Keys that were put in the queue.", _NAME)
_depth = Gauge("workqueue_depth", "Keys that wait in the queue.", _NAME)
_retries = Counter("workqueue_retries_total", "Keys that are tried again after a failure.", _NAME)
_waited = Histogram("workqueue_queue_duration_seconds", "How long keys waited.", _NAME, _SECONDS)
_worked = Histogram("workqueue_work_duration_seconds", "How long keys were looked at.", _NAME, _SECONDS)


class QueueMetrics:
    """The figures of one controller's queue. Times are those of the monotonic clock."""

    def __init__(self, name: str) -> None:
        self._adds = _adds.cell(name)
        self._depth = _depth.cell(name)
        self._waited = _waited.series(name)
        self._worked = _worked.series(name)
        self.retries = _retries.cell(name)

    def added(self) -> None:
        """A key waits."""
        self._adds.value += 1
        self._depth.value += 1

    def began(self, since: float) -> float:
        """A key that has waited since then is looked at; gives the time."""
        now = time.monotonic()
        self._depth.value -= 1
        self._waited.observe(now - since)
        return now

    def ended(self, since: float) -> float:
        """A key has been looked at since then; gives the time, from which it waits again if it does."""
        now = time.monotonic()
        self._worked.observe(now - since)
        return now
