"""Memory and CPU of a master and one agent that have nothing to do but stay in touch, over a minute.

Run as root: ``python -m bench.idle [seconds]``.
"""

import os
import sys
import time
from pathlib import Path

from bench._cluster import cluster
from bench._report import show

SETTLE_SECONDS = 10.0
"""What follows a start (the first image list, caches that fill) is not idleness."""


def cpu_seconds(pid: int) -> float:
    """What a process has used so far. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid: int) -> dict[str, str]:
    """The lines of a process's status."""
    return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def mib(fields: dict[str, str], name: str) -> float:
    """One of the sizes in a status."""
    return int(fields[name].split()[0]) / 1024


def wakeups(pid: int) -> int:
    """How often threads of the process gave up the processor to wait, so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/status")
    return sum(int(path.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for path in tasks)


def main(seconds: float) -> None:
    """Measure and print."""
    with cluster(nodes=1) as where:
        pids = {name: record["pid"] for name, record in where.processes().items()}
        time.sleep(SETTLE_SECONDS)
        begin = time.monotonic()
        used = {name: cpu_seconds(pid) for name, pid in pids.items()}
        woken = {name: wakeups(pid) for name, pid in pids.items()}
        time.sleep(seconds)
        passed = time.monotonic() - begin
        rows, memory, share = [], 0.0, 0.0
        for name, pid in sorted(pids.items()):
            fields = status(pid)
            cpu = (cpu_seconds(pid) - used[name]) / passed
            memory, share = memory + mib(fields, "VmRSS"), share + cpu
            sizes = [f"{mib(fields, size):.1f}" for size in ("VmRSS", "RssAnon", "VmHWM")]
            rate = (wakeups(pid) - woken[name]) / passed
            rows.append([name, *sizes, fields["Threads"].strip(), f"{cpu:.2%}", f"{rate:.1f}"])
    rows.append(["together", f"{memory:.1f}", "", "", "", f"{share:.2%}", ""])
    headings = ["process", "RSS (MiB)", "of it own", "peak", "threads", "CPU (of a core)", "waits/s"]
    show(f"Idle for {passed:.0f} s (goal: 150 MiB and 1 % together)", headings, rows)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
