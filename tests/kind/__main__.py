"""Plays the scenarios against the cluster of a kubeconfig: `python -m tests.kind [--kubeconfig FILE] [PATTERN ...]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kind.cluster import Cluster
from tests.kind.runner import Failed, Skipped, play
from tests.kind.scenario import Scenario, find

AT_ONCE = 8


async def run(config: Path | None, chosen: Sequence[Scenario]) -> int:
    """Play the scenarios, some at once; print the outcome of each. The number of those that failed."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def outcome(scenario: Scenario) -> str:
        async with slots:
            try:
                await play(scenario, cluster)
            except Skipped as reason:
                return f"skipped: {reason}"
            except Failed as failure:
                return f"FAILED: {failure}"
            return "ok"

    failed = 0
    async with Cluster(config) as cluster:
        tasks = [asyncio.create_task(outcome(scenario)) for scenario in chosen]
        for scenario, task in zip(chosen, tasks, strict=True):
            result = await task
            failed += result.startswith("FAILED")
            sys.stdout.write(f"{scenario.name}: {result}\n")
    sys.stdout.write(f"{len(chosen)} scenarios, {failed} failed\n")
    return failed


def main() -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.kind", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="by default those of $KUBECONFIG, else ~/.kube/config")
    parser.add_argument("--list", action="store_true", help="only name the scenarios")
    parser.add_argument("patterns", nargs="*", help="names or parts of names of scenarios; by default all")
    given = parser.parse_args()
    chosen = find(*given.patterns)
    if given.list:
        sys.stdout.writelines(f"{one.name}: {one.about}\n" for one in chosen)
        return 0
    return 1 if asyncio.run(run(given.kubeconfig, chosen)) else 0


if __name__ == "__main__":
    sys.exit(main())
