"""Ten thousand watches that have nothing to tell, on one process, over TLS.

It computes for some 45 s, nine tenths of it for the two sides of ten thousand TLS handshakes, and takes twice as long
and more beside other work. Sessions cannot be resumed instead: asyncio and uvloop take none for a new connection.
"""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest
import uvloop

from bench._load import server
from bench.api import prepare, tell, watch

WATCHES = 10_000
FILES = WATCHES + 1000
MOST_BYTES = 100 * 1024
"""What one may cost the server: its TLS connection takes most of it."""


@pytest.mark.timeout(300)
def test_ten_thousand_idle_watches_are_all_told(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FILES:
        pytest.skip(f"a process may open {hard} files only, {FILES} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    uvloop.run(_watch_idly(tmp_path / "server"))


async def _watch_idly(directory: Path) -> None:
    async with server("bench.api", directory, "embedded") as target:
        await prepare(target)
        before = target.memory()
        watchers = await watch(target, WATCHES)
        assert (target.memory() - before) / WATCHES < MOST_BYTES
        await asyncio.wait_for(tell(target, watchers), 60)
        for watcher in watchers:
            watcher.close()
