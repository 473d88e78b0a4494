"""How much a node may tell about one object."""

import time
from collections import OrderedDict
from collections.abc import Callable

BURST = 25
REFILL_SECONDS = 300.0
"""One more event each so many seconds, once the burst is spent: the figures of client-go's spam filter."""

REMEMBERED = 4096


class EventLimit:
    """A token bucket an object; the buckets least used are forgotten.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, uid: str) -> bool:
        """Whether one more event about the object may be written; counts it if so."""
        now = self._clock()
        left, since = self._buckets.get(uid, (float(BURST), now))
        left = min(float(BURST), left + (now - since) / REFILL_SECONDS)
        allowed = left >= 1.0
        self._buckets[uid] = (left - 1.0 if allowed else left, now)
        self._buckets.move_to_end(uid)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return allowed
