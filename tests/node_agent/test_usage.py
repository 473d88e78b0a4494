"""What heartbeats say of usage, and that they come."""

import asyncio
from typing import Any

import pytest

from node_agent import usage
from node_agent.runtimes.base import RuntimeUnavailable, UsageSample
from node_agent.usage import UsageMeter, rate


class Hung:
    """Stats of a runtime that does not answer."""

    async def usage(self, container: str) -> UsageSample | None:
        await asyncio.Event().wait()
        return None


class Down:
    """Stats of a runtime that is away."""

    async def usage(self, container: str) -> UsageSample | None:
        raise RuntimeUnavailable("away")


def test_rates_are_of_the_time_between_two_samples() -> None:
    before, now = UsageSample(10.0, 1_000_000_000, 5), UsageSample(12.0, 2_000_000_000, 7)
    assert rate(before, now) == usage.Rate(500_000_000, 7)
    assert rate(None, now) is None
    assert rate(now, now) is None


@pytest.mark.parametrize("stats", [Hung(), Down()])
async def test_the_node_lives_though_its_runtime_says_nothing(
    stats: Any, node: Any, build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "MOST_SECONDS", 0.05)
    node.assign(build.pod())
    await node.until(lambda: node.condition("web", "Ready") == "True")
    async with asyncio.timeout(5):
        beat = await UsageMeter(stats, shared=True).heartbeat(node.agent.workers)
    assert not beat.pod_usage
