"""A real etcd server, every store and every runtime under test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from etcd_server import EtcdServer, etcd_server
from runtime_lab import busybox, lab, pod, runtime

from master.store.base import Store
from master.store.embedded import EmbeddedStore
from master.store.etcd import EtcdStore

__all__ = ["busybox", "lab", "pod", "runtime"]


@pytest.fixture(scope="session")
def shared_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One server for all tests that do it no harm; each uses a prefix of its own."""
    yield from etcd_server(tmp_path_factory.mktemp("etcd"))


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    """A server for one test, to be killed or paused."""
    yield from etcd_server(tmp_path)


@pytest.fixture(params=["embedded", pytest.param("etcd", marks=pytest.mark.etcd)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Every implementation in turn, empty."""
    opened: Store
    if request.param == "embedded":
        opened = await EmbeddedStore.open(tmp_path / "store.db")
    else:
        server: EtcdServer = request.getfixturevalue("shared_etcd")
        opened = await EtcdStore.open([server.endpoint], prefix=f"/{tmp_path.name}")
    yield opened
    await opened.close()
