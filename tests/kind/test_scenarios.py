"""Plays the scenarios against Timonel: a whole master in this process, with a node that pretends to run containers.

`make test-kind` plays the same ones against a real Kubernetes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cluster_in_process import running, wait_until

from tests.kind.cluster import Cluster
from tests.kind.runner import Skipped, play
from tests.kind.scenario import Scenario, find


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Timonel with one node."""
    async with running(tmp_path_factory.mktemp("timonel"), nodes=["one"]) as made, Cluster(made.kubeconfig) as opened:
        await wait_until(opened.has_nodes, "the node is ready")
        yield opened


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scenario", find(), ids=lambda scenario: scenario.name)
async def test_scenario(scenario: Scenario, cluster: Cluster) -> None:
    try:
        await play(scenario, cluster)
    except Skipped as reason:
        pytest.skip(str(reason))
