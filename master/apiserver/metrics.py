"""Counts requests and their durations, in Prometheus' text format.

Own code of a few lines: prometheus_client would be one more dependency and several megabytes for two metrics.
"""

from bisect import bisect_left
from collections import Counter, defaultdict

BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)
"""Upper bounds of the histogram, in seconds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUESTS = "apiserver_request_total"
_SECONDS = "apiserver_request_duration_seconds"
_OPEN = "apiserver_longrunning_requests"


class Metrics:
    """What the server has served."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._sums: Counter[str] = Counter()

    def observe(self, verb: str, resource: str, code: int, seconds: float | None) -> None:
        """Count a request; `seconds` is None for one that is long by nature."""
        self._requests[verb, resource, code] += 1
        if seconds is not None:
            self._buckets[verb][bisect_left(BUCKETS, seconds)] += 1
            self._sums[verb] += seconds  # type: ignore[assignment]  # a Counter adds floats as well

    def text(self, long_running: int) -> str:
        """Everything counted, for a scraper; `long_running` watches and streams are open now."""
        lines = [f"# HELP {_REQUESTS} Requests by verb, resource and code.", f"# TYPE {_REQUESTS} counter"]
        for (verb, resource, code), count in sorted(self._requests.items()):
            lines.append(f'{_REQUESTS}{{verb="{verb}",resource="{resource}",code="{code}"}} {count}')
        lines += [f"# HELP {_SECONDS} Durations by verb, in seconds.", f"# TYPE {_SECONDS} histogram"]
        for verb, buckets in sorted(self._buckets.items()):
            lines += self._histogram(verb, buckets)
        lines += [f"# HELP {_OPEN} Open watches and streams.", f"# TYPE {_OPEN} gauge", f"{_OPEN} {long_running}"]
        return "\n".join(lines) + "\n"

    def _histogram(self, verb: str, buckets: list[int]) -> list[str]:
        lines, total = [], 0
        for bound, count in zip((*BUCKETS, "+Inf"), buckets, strict=True):
            total += count
            lines.append(f'{_SECONDS}_bucket{{verb="{verb}",le="{bound}"}} {total}')
        lines.append(f'{_SECONDS}_sum{{verb="{verb}"}} {self._sums[verb]:.6f}')
        lines.append(f'{_SECONDS}_count{{verb="{verb}"}} {total}')
        return lines
