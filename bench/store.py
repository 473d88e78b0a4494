"""Puts and gets a second, embedded and on a real etcd, by one caller and by many; what a list and a watch cache cost.

Run it with ``python bench/store.py [seconds a figure]``. It starts an etcd of its own where there is a binary.
"""

import asyncio
import contextlib
import itertools
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from master.store.base import Guard, Put, Store
from master.store.cache import WatchCache
from master.store.embedded import EmbeddedStore

CALLERS = (1, 64)
PREFIX = "/registry/core/pods/"
PODS = 10_000
POD = msgspec.json.encode(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-7d4b9c6f5-abcde", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": f"c{n}", "image": "web:1", "command": ["x" * 400]} for n in range(4)]},
    }
)


async def rate(seconds: float, callers: int, call: Callable[[int, int], Awaitable[Any]]) -> float:
    """How many times a second ``call(caller, number)`` ends."""
    ends = time.perf_counter() + seconds
    done = 0

    async def caller(index: int) -> None:
        nonlocal done
        number = 0
        while time.perf_counter() < ends:
            await call(index, number)
            number += 1
            done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(caller(index) for index in range(callers)))
    return done / (time.perf_counter() - begun)


async def measure(store: Store, seconds: float) -> list[str]:
    """The row of one store."""
    names = itertools.count(1)

    async def create(index: int, number: int) -> None:
        key = f"/registry/bench/{next(names)}"
        await store.txn([Guard(key, 0)], [Put(key, POD)])

    async def get(index: int, number: int) -> None:
        await store.get(f"/registry/bench/{index + 1}")

    figures = [f"{await rate(seconds, callers, call):,.0f}" for call in (create, get) for callers in CALLERS]
    for start in range(0, PODS, 100):
        await store.txn([], [Put(f"{PREFIX}default/web-{number:05}", POD) for number in range(start, start + 100)])
    begun = time.perf_counter()
    await store.list(PREFIX)
    figures.append(f"{(time.perf_counter() - begun) * 1000:.0f} ms")
    return figures


async def measure_cache(store: Store) -> list[tuple[str, str]]:
    """What the cache of all the pods costs, and what it gives."""

    def used() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = used()
    cache: WatchCache[Any] = WatchCache(store, PREFIX, msgspec.json.decode)
    begun = time.perf_counter()
    await cache.start()
    load = time.perf_counter() - begun
    begun = time.perf_counter()
    joined = b",".join([item.raw for item in cache.list()])
    listed = time.perf_counter() - begun
    subscription = cache.subscribe()
    begun = time.perf_counter()
    revision = (await store.txn([], [Put(f"{PREFIX}default/web-00000", POD)])).revision
    await subscription.next()
    event = time.perf_counter() - begun
    begun = time.perf_counter()
    await store.txn([], [Put("/registry/elsewhere", b"{}")])
    await cache.fresh()
    fresh = time.perf_counter() - begun
    await cache.close()
    return [
        (f"load {PODS:,} pods of {len(POD):,} bytes", f"{load * 1000:.0f} ms"),
        ("peak memory by the load", f"{(used() - before) / 1024:.0f} MiB"),
        (f"list of all as {len(joined) / 1e6:.0f} MB of JSON", f"{listed * 1000:.1f} ms"),
        (f"write to event (revision {revision})", f"{event * 1000:.2f} ms"),
        ("write elsewhere and fresh()", f"{fresh * 1000:.2f} ms"),
    ]


@contextlib.asynccontextmanager
async def etcd(directory: Path) -> AsyncIterator[Store]:
    """A store on an etcd server of its own."""
    from master.store.etcd import EtcdStore

    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    options = {
        "data-dir": directory,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "error",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    server = await asyncio.create_subprocess_exec(
        "etcd", *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        store = await EtcdStore.open([f"127.0.0.1:{ports[0]}"])
        yield store
        await store.close()
    finally:
        server.kill()
        await server.wait()


async def main(seconds: float) -> None:
    """Measure and print."""
    table = Table(title=f"Stores ({platform.machine()}, {len(POD):,} bytes a value)")
    table.add_column("store")
    for heading in [f"{what}/s, {callers} callers" for what in ("puts", "gets") for callers in CALLERS]:
        table.add_column(heading, justify="right")
    table.add_column(f"list of {PODS:,}", justify="right")
    with tempfile.TemporaryDirectory(dir=".") as directory:
        store = await EmbeddedStore.open(Path(directory) / "store.db")
        table.add_row("embedded", *await measure(store, seconds))
        cached = await measure_cache(store)
        await store.close()
        if shutil.which("etcd"):
            async with etcd(Path(directory) / "etcd") as on_etcd:
                table.add_row("etcd", *await measure(on_etcd, seconds))
    costs = Table(title="Watch cache on the embedded store", show_header=False)
    for name, figure in cached:
        costs.add_row(name, figure)
    console = Console()
    console.print(table)
    console.print(costs)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0))
