"""What all figures share: the words for the machine they were seen on, and tables."""

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import docker
from rich.console import Console
from rich.table import Table


def machine() -> str:
    """The machine, its versions and how busy it was before the measurement, on one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, Docker {_docker()}, load {os.getloadavg()[0]:.1f}"
    )


def _docker() -> str:
    client = docker.APIClient(version="auto")
    try:
        return str(client.version()["Version"])
    finally:
        client.close()


def spread(values: Sequence[float], unit: float = 1.0, digits: int = 2) -> list[str]:
    """Median, least and most, as cells of a row."""
    return [f"{of(values) * unit:.{digits}f}" for of in (statistics.median, min, max)]


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; all columns but the first are figures."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(machine(), style="dim", highlight=False, soft_wrap=True)
