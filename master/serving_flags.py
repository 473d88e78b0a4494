"""The flags that say how much is served at once and what is told of it; named as kube-apiserver's."""

import argparse
from pathlib import Path

from master.apiserver.fairness.gate import CONCURRENCY


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    changing = CONCURRENCY // 3
    add(
        "--max-requests-inflight",
        type=int,
        default=CONCURRENCY - changing,
        metavar="N",
        help="with the next flag: how many requests run at once, shared by the priority levels",
    )
    add("--max-mutating-requests-inflight", type=int, default=changing, metavar="N", help="added to the former")
    add(
        "--admission-plugins",
        type=Path,
        metavar="DIR",
        help="a folder of admission plugins in Python, read when changed",
    )
    add("--tracing-config", type=Path, metavar="FILE", help="a TracingConfiguration: where traces are sent")


def concurrency(options: argparse.Namespace) -> int:
    """How many requests may run at once."""
    return max(1, int(options.max_requests_inflight) + int(options.max_mutating_requests_inflight))
