"""Plays the scenarios against Timonel: a whole master in this process, with a node that pretends to run containers.

`make test-kind` plays the same ones against a real Kubernetes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from master.bootstrap_tokens import BootstrapToken
from master.master import Master, Settings
from node_agent.credentials import NodeCredentials
from node_agent.join import join
from node_agent.network.fake import FakeNetwork
from node_agent.node import Node
from node_agent.node_status import NodeConfig
from node_agent.runtimes.fake import FakeRuntime, World
from tests.kind.cluster import Cluster
from tests.kind.runner import Skipped, play
from tests.kind.scenario import Scenario, find

READY_SECONDS = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Timonel with one node."""
    directory = tmp_path_factory.mktemp("timonel")
    token = str(BootstrapToken.new())
    settings = Settings(
        data_dir=directory / "master",
        address="127.0.0.1",
        api_port=0,
        bootstrap_port=0,
        node_port=0,
        join_token=token,
    )
    master = Master(settings)
    await master.start()
    try:
        node = await start_node(master, token, directory / "one")
        try:
            async with Cluster(directory / "master" / "admin.kubeconfig") as opened:
                deadline = time.monotonic() + READY_SECONDS
                while not await opened.has_nodes():
                    assert time.monotonic() < deadline, "the node is not ready"
                    await asyncio.sleep(0.05)
                yield opened
        finally:
            await node.close()
    finally:
        await master.close()


async def start_node(master: Master, token: str, directory: Path) -> Node:
    """A node's agent on a pretended runtime, joined to the master."""
    credentials = NodeCredentials(directory / "pki")
    bootstrap = f"127.0.0.1:{master.endpoints.bootstrap_port}"
    await asyncio.to_thread(join, bootstrap, "one", token, master.endpoints.ca_hash, directory / "pki")
    runtime = FakeRuntime(World(), node="one")
    config = NodeConfig(name="one", state_dir=directory, addresses=["127.0.0.1"], secrets_in_memory=False)
    node = Node(config, runtime, FakeNetwork(), f"127.0.0.1:{master.endpoints.node_port}", credentials)
    await node.start()
    return node


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scenario", find(), ids=lambda scenario: scenario.name)
async def test_scenario(scenario: Scenario, cluster: Cluster) -> None:
    try:
        await play(scenario, cluster)
    except Skipped as reason:
        pytest.skip(str(reason))
