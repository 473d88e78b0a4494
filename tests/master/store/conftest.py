"""An embedded store for a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from master.store.embedded import EmbeddedStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = await EmbeddedStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()
