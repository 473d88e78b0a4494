"""Metrics, as a scraper reads them."""

from master import process_metrics
from master.metrics import Computed, Counter, Gauge, Histogram, Metric, render


def lines_of(metric: Metric) -> list[str]:
    return [line for line in metric.lines() if not line.startswith("#")]


def test_counters_and_gauges_have_a_value_a_set_of_labels() -> None:
    counter = Counter("test_asked_total", "Asked.", ("who", "what"))
    counter.add(1, "b", 'a "quoted"\\\n')
    counter.add(2, "a", "x")
    cell = counter.cell("a", "x")
    cell.value += 0.5
    assert lines_of(counter) == [
        'test_asked_total{who="a",what="x"} 2.5',
        'test_asked_total{who="b",what="a \\"quoted\\"\\\\\\n"} 1',
    ]
    gauge = Gauge("test_open", "Open.")
    assert lines_of(gauge) == ["test_open 0"]
    gauge.put(3)
    gauge.add(-1)
    assert lines_of(gauge) == ["test_open 2"]
    assert list(gauge.lines())[:2] == ["# HELP test_open Open.", "# TYPE test_open gauge"]


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram("test_seconds", "Seconds.", ("who",), (0.1, 1, 10))
    for seconds in (0.05, 0.1, 0.5, 50):
        histogram.observe(seconds, "a")
    assert lines_of(histogram) == [
        'test_seconds_bucket{who="a",le="0.1"} 2',
        'test_seconds_bucket{who="a",le="1"} 3',
        'test_seconds_bucket{who="a",le="10"} 3',
        'test_seconds_bucket{who="a",le="+Inf"} 4',
        'test_seconds_sum{who="a"} 50.65',
        'test_seconds_count{who="a"} 4',
    ]


def test_what_is_looked_up_stands_among_the_others_in_order_of_names() -> None:
    Counter("test_b_total", "B.")
    text = render([Computed("test_a", "A.", ("of",), lambda: [(("x",), 7)]), *process_metrics.metrics()])
    assert 'test_a{of="x"} 7' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert names == sorted(names)
    memory = next(line for line in text.splitlines() if line.startswith("process_resident_memory_bytes "))
    assert float(memory.split()[1]) > 1e6
