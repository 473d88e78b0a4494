"""One cluster for all tests of this folder, started and removed by the real command line; a namespace for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_cluster import Api, Cluster, Host, Namespace, wait_for


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.kubectl)


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """A namespace with a Docker daemon."""
    missing = [tool for tool in ("dockerd", "docker", "kubectl", "nsenter", "ip", "nft") if shutil.which(tool) is None]
    if os.geteuid() or missing:
        pytest.skip(f"needs root, and on the PATH: {', '.join(missing) or 'everything is there'}")
    host = Host(Path(tempfile.mkdtemp(prefix="timonel-e2e-")))
    host.open()
    yield host
    host.close()


@pytest.fixture(scope="session")
def cluster(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One master and three nodes."""
    cluster = Cluster(host)
    host.env["KUBECONFIG"] = str(cluster.kubeconfig)
    try:
        cluster.up("--quiet")
        cluster.api = Api(host, cluster.kubeconfig)
        yield cluster
        cluster.api.close()
    finally:
        processes = cluster.processes()
        logs = shutil.copytree(cluster.root / "processes", tmp_path_factory.mktemp("e2e") / "logs")
        shutil.copy(host.dockerd.log, logs)
        cluster.down()
    assert not [process for process in processes.values() if Path(f"/proc/{process['pid']}/cwd").exists()]
    assert host.leftovers() == []
    assert not cluster.root.exists()


_numbers = itertools.count(1)


@pytest.fixture
def ns(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace of the test's own, on three nodes that are ready."""
    cluster.wait_nodes_ready()
    name = f"test-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    wait_for(lambda: cluster.get("serviceaccounts", "default", name), 10, "the namespace's service account")
    yield Namespace(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def whole(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, for a test that breaks it: whole again afterwards."""
    yield cluster
    cluster.up("--quiet")
    cluster.wait_nodes_ready(60)
