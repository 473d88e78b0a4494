"""What the kernel knows of this process, under the names that Prometheus' own clients use. Source: proc(5)."""

import os
from collections.abc import Callable
from pathlib import Path

from master.metrics import Computed, Metric

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def metrics() -> list[Metric]:
    """The metrics."""
    return [
        _of("cpu_seconds_total", "CPU time, in seconds.", lambda: (_stat(14) + _stat(15)) / _TICKS, "counter"),
        _of("resident_memory_bytes", "Memory in use.", lambda: _stat(24) * _PAGE),
        _of("virtual_memory_bytes", "Memory that is mapped.", lambda: _stat(23)),
        _of("open_fds", "Open files.", lambda: sum(1 for _ in Path("/proc/self/fd").iterdir())),
        _of("start_time_seconds", "When the process began, in seconds since 1970.", _started),
    ]


def _of(name: str, text: str, look_up: Callable[[], float], type_name: str = "gauge") -> Metric:
    return Computed(f"process_{name}", text, (), lambda: [((), look_up())], type_name)


def _stat(field: int) -> int:
    """A field of /proc/self/stat, by its number in proc(5); the second may have blanks in it."""
    return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[field - 3])


def _started() -> float:
    lines = Path("/proc/stat").read_text().splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return booted + _stat(22) / _TICKS
