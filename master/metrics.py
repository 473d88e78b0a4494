"""Counters, gauges and histograms of this process, in Prometheus' text format.

Own code: prometheus_client takes locks and several microseconds an observation, which one event loop has no use for.
A metric is made once, at import, beside the code that counts; `render` writes all of them. What is not counted but
looked up (how many objects there are) is a `Computed`, which its owner hands to `render`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import ClassVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUEST_SECONDS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip
"""Kubernetes' buckets for the durations of requests to the API and to etcd."""

Labels = tuple[str, ...]
_METRICS: list[Metric] = []


class Metric:
    """A named metric; its label values are given in the order of its label names."""

    type: ClassVar[str] = "untyped"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self._help = help_text
        self._labels = tuple(labels)

    def lines(self) -> Iterator[str]:
        """The metric as text."""
        yield f"# HELP {self.name} {self._help}"
        yield f"# TYPE {self.name} {self.type}"
        yield from self._samples()

    def _samples(self) -> Iterator[str]:
        raise NotImplementedError

    def _sample(self, values: Labels, number: float) -> str:
        return f"{self.name}{_braces(self._labels, values)} {_number(number)}"


class Cell:
    """The value of one set of labels; kept by those who count often."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Counter(Metric):
    """What only grows."""

    type = "counter"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, labels)
        self._cells: dict[Labels, Cell] = {}
        if not labels:
            self.cell()
        _METRICS.append(self)

    def cell(self, *labels: str) -> Cell:
        """The value of a set of labels, from now on shown."""
        found = self._cells.get(labels)
        if found is None:
            found = self._cells[labels] = Cell()
        return found

    def add(self, number: float, *labels: str) -> None:
        """Add to the value of a set of labels."""
        self.cell(*labels).value += number

    def _samples(self) -> Iterator[str]:
        return (self._sample(labels, cell.value) for labels, cell in sorted(self._cells.items(), key=itemgetter(0)))


class Gauge(Counter):
    """What goes up and down, or is `put` to a value."""

    type = "gauge"

    def put(self, number: float, *labels: str) -> None:
        """Set the value of a set of labels."""
        self.cell(*labels).value = number


class Series:
    """The observations of one set of labels; kept by those who observe often."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, number: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self._bounds, number)] += 1
        self.sum += number


class Histogram(Metric):
    """How observations are spread."""

    type = "histogram"

    def __init__(self, name: str, help_text: str, labels: Sequence[str], buckets: Sequence[float]) -> None:
        super().__init__(name, help_text, labels)
        self._buckets = tuple(buckets)
        self._series: dict[Labels, Series] = {}
        _METRICS.append(self)

    def series(self, *labels: str) -> Series:
        """The observations of a set of labels."""
        found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = Series(self._buckets)
        return found

    def observe(self, number: float, *labels: str) -> None:
        """Count one observation of a set of labels."""
        self.series(*labels).observe(number)

    def _samples(self) -> Iterator[str]:
        names = (*self._labels, "le")
        for labels, series in sorted(self._series.items(), key=itemgetter(0)):
            total = 0
            for bound, count in zip((*map(_number, self._buckets), "+Inf"), series.counts, strict=True):
                total += count
                yield f"{self.name}_bucket{_braces(names, (*labels, bound))} {total}"
            yield f"{self.name}_sum{_braces(self._labels, labels)} {_number(series.sum)}"
            yield f"{self.name}_count{_braces(self._labels, labels)} {total}"


class Computed(Metric):
    """A gauge, or another type, whose values are looked up when somebody asks."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        look_up: Callable[[], Iterable[tuple[Labels, float]]],
        type_name: str = "gauge",
    ) -> None:
        super().__init__(name, help_text, labels)
        self.type = type_name  # type: ignore[misc]  # the type of this one
        self._look_up = look_up

    def _samples(self) -> Iterator[str]:
        return (self._sample(labels, number) for labels, number in self._look_up())


def render(computed: Iterable[Metric] = ()) -> str:
    """All metrics as a scraper reads them."""
    metrics = sorted((*_METRICS, *computed), key=lambda metric: metric.name)
    return "\n".join(line for metric in metrics for line in metric.lines()) + "\n"


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}" if names else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
