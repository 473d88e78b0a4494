"""The API over HTTPS: what a call costs, how long a list takes, how fast a watch tells everybody.

Run it with ``python -m bench.api [--seconds S] [--watchers N] [--idle N] [--reference KUBECONFIG [--pids PID,...]]``.
Each server has a process of its own: ours on the embedded store and, where there is one, on a real etcd; and the server
of a kubeconfig beside them. The clients share the machine with the servers, so the server's CPU a call tells more than
the rate; that of a kube-apiserver is known where its process, and its etcd's, are named.
"""

import argparse
import asyncio
import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench._load import BACKENDS, RATE_HEADINGS, REPOSITORY, Connection, Target, rate, reference, serve, server
from bench._report import show

CALLERS = (1, 64)
PODS = 10_000
WRITERS = 8
EVENTS = 50
ONES = 20
NAMESPACE = "bench-api"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
MAPS_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

Call = Callable[[int], Awaitable[object]]


def pod(name: str) -> bytes:
    """A pod of 3 KB."""
    environment = [{"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(30)]
    container = {"name": "web", "image": "web:1", "env": environment, "resources": {"requests": {"cpu": "100m"}}}
    metadata = {"name": name, "labels": {"app": "web"}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    ).encode()


def config_map(name: str) -> bytes:
    """A ConfigMap whose watch event is 1 KB."""
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"x": "y" * 600}}
    ).encode()


class Calls:
    """The calls that are measured; each caller has a connection and a pod of its own."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections
        self._numbers = itertools.count(1)

    def all(self) -> dict[str, Call]:
        """By name, in the order in which they can be made."""
        return {
            "create": self.create,
            "get": lambda index: self._call(index, "GET"),
            "update": self.update,
            "JSON patch": lambda index: self._patch(
                index, "json-patch+json", [{"op": "add", "path": "/metadata/annotations", "value": self._note()}]
            ),
            "merge patch": lambda index: self._patch(index, "merge-patch+json", self._noted()),
            "strategic patch": lambda index: self._patch(index, "strategic-merge-patch+json", self._noted()),
            "apply": self.apply,
        }

    async def create(self, index: int) -> None:
        """The first pod of each caller is the one that it gets and changes later."""
        await self._connections[index].call("POST", PODS_PATH, pod(f"web-{next(self._numbers)}"))

    async def update(self, index: int) -> None:
        """Read, change, write."""
        current = json.loads(await self._call(index, "GET"))
        current["metadata"]["annotations"] = self._note()
        await self._call(index, "PUT", json.dumps(current).encode())

    async def apply(self, index: int) -> None:
        """An annotation, server-side."""
        body = {"apiVersion": "v1", "kind": "Pod", **self._noted()}
        query = "?fieldManager=bench&force=true"
        await self._call(index, "PATCH", json.dumps(body).encode(), query, "apply-patch+yaml")

    async def _patch(self, index: int, form: str, body: object) -> None:
        await self._call(index, "PATCH", json.dumps(body).encode(), form=form)

    async def _call(self, index: int, method: str, body: bytes = b"", query: str = "", form: str = "json") -> bytes:
        path = f"{PODS_PATH}/web-{index + 1}{query}"
        return await self._connections[index].call(method, path, body, form=form)

    def _note(self) -> dict[str, str]:
        return {"note": str(next(self._numbers))}

    def _noted(self) -> dict[str, object]:
        return {"metadata": {"annotations": self._note()}}


async def measure_calls(target: Target, seconds: float) -> list[list[str]]:
    """A row a call and number of callers."""
    connections = [await Connection.open(target) for _ in range(max(CALLERS))]
    calls = Calls(connections)
    await asyncio.gather(*map(calls.create, range(len(connections))))
    rows = [
        [target.name, name, str(callers), *(await rate(target, seconds, callers, call)).cells]
        for name, call in calls.all().items()
        for callers in CALLERS
    ]
    for connection in connections:
        connection.close()
    return rows


async def measure_lists(target: Target) -> list[list[str]]:
    """Ten thousand pods: what they weigh, and lists of them."""
    connections = [await Connection.open(target) for _ in range(max(CALLERS))]
    listed = json.loads(await connections[0].call("GET", PODS_PATH, accept=TABLE))
    before, numbers = target.memory(), iter(range(PODS - len(listed["rows"])))

    async def fill(connection: Connection) -> None:
        for number in numbers:
            await connection.call("POST", PODS_PATH, pod(f"more-{number}"))

    missing = PODS - len(listed["rows"])
    await asyncio.gather(*map(fill, connections))
    weight = f"{(target.memory() - before) / max(missing, 1):,.0f}" if target.pids else ""
    rows = [[target.name, f"bytes of memory a pod ({missing:,} more)", "", "", weight]]
    for what, query, accept in (
        ("all", "", ""),
        ("pages of 500", "?limit=500", ""),
        ("table", "", TABLE),
        ("table, pages of 500", "?limit=500", TABLE),
    ):
        wall, cpu, size = min([await _list(target, connections[0], query, accept) for _ in range(3)])
        cells = [f"{wall * 1000:.0f}", f"{cpu * 1000:.0f}" if target.pids else "", f"{size / 1e6:.1f} MB"]
        rows.append([target.name, f"list of {PODS:,}: {what}", *cells])
    for connection in connections:
        connection.close()
    return rows


async def _list(target: Target, connection: Connection, query: str, accept: str) -> tuple[float, float, int]:
    """Seconds, seconds of the server's CPU, and bytes of a whole list."""
    begun, before, size, token = time.perf_counter(), target.cpu(), 0, ""
    while True:
        answer = await connection.call("GET", f"{PODS_PATH}{query}{token}", accept=accept)
        size += len(answer)
        head = answer[:2000].partition(b'"continue":"')[2].partition(b'"')[0]
        if not head or not query:
            return time.perf_counter() - begun, target.cpu() - before, size
        token = f"&continue={head.decode()}"


async def watch(target: Target, count: int) -> list[Connection]:
    """So many watches of the ConfigMaps, from now on."""
    first = await Connection.open(target)
    version = json.loads(await first.call("GET", MAPS_PATH))["metadata"]["resourceVersion"]
    first.close()
    watchers: list[Connection] = []
    for start in range(0, count, 200):
        some = await asyncio.gather(*(Connection.open(target) for _ in range(min(200, count - start))))
        path = f"{MAPS_PATH}?watch=1&resourceVersion={version}&timeoutSeconds=3000"
        await asyncio.gather(*(watcher.begin("GET", path) for watcher in some))
        watchers += some
    return watchers


async def measure_watch(target: Target, count: int) -> list[str]:
    """Events a second to all watchers together, the 99th percentile of one event's way, the server's CPU an event."""
    writers = [await Connection.open(target) for _ in range(WRITERS)]
    watchers = await watch(target, count)
    delays: list[float] = []

    async def arrival(watcher: Connection, marker: bytes, begun: float) -> None:
        await watcher.until(marker)
        delays.append(time.perf_counter() - begun)

    for number in range(ONES):
        begun, marker = time.perf_counter(), b'"one-%d"' % number
        make = writers[0].call("POST", MAPS_PATH, config_map(f"one-{number}"))
        await asyncio.gather(make, *(arrival(watcher, marker, begun) for watcher in watchers))
    numbers = iter(range(EVENTS))

    async def write(writer: Connection) -> None:
        for number in numbers:
            await writer.call("POST", MAPS_PATH, config_map(f"many-{number}"))

    async def write_all() -> None:
        await asyncio.gather(*map(write, writers))
        await writers[0].call("POST", MAPS_PATH, config_map("last"))

    begun, before = time.perf_counter(), target.cpu()
    await asyncio.gather(write_all(), *(watcher.until(b'"last"') for watcher in watchers))
    total = (EVENTS + 1) * count
    cpu = f"{(target.cpu() - before) / total * 1e6:.1f}" if target.pids else ""
    figures = [f"{total / (time.perf_counter() - begun):,.0f}", cpu]
    for connection in (*writers, *watchers):
        connection.close()
    slow = statistics.quantiles(delays, n=100)
    return [target.name, str(count), *figures, f"{statistics.median(delays) * 1000:.0f}", f"{slow[-1] * 1000:.0f}"]


async def tell(target: Target, watchers: list[Connection]) -> float:
    """Seconds until all watchers have got an event that is made now."""
    writer = await Connection.open(target)
    begun = time.perf_counter()
    make = writer.call("POST", MAPS_PATH, config_map("for-all"))
    await asyncio.gather(make, *(watcher.until(b'"for-all"') for watcher in watchers))
    writer.close()
    return time.perf_counter() - begun


async def measure_idle(target: Target, count: int) -> list[str]:
    """What watches cost that have nothing to tell, and how long one event takes to reach them all."""
    before, begun = target.memory(), time.perf_counter()
    watchers = await watch(target, count)
    opened, held = time.perf_counter() - begun, target.memory() - before
    told = await tell(target, watchers)
    for watcher in watchers:
        watcher.close()
    weight = f"{held / count / 1024:.1f}" if target.pids else ""
    return [target.name, f"{count:,}", f"{opened:.1f}", weight, f"{told * 1000:.0f}"]


async def prepare(target: Target) -> None:
    """Make the namespace that everything is in; its account may be made by the server's controllers too."""
    connection = await Connection.open(target)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await connection.call("POST", "/api/v1/namespaces", json.dumps(namespace).encode())
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    await connection.begin("POST", path, json.dumps(account).encode())
    connection.close()


async def main(options: argparse.Namespace) -> None:
    """Measure and print."""
    calls, lists, watches, idle = [], [], [], []

    async def measure(target: Target) -> None:
        await prepare(target)
        calls.extend(await measure_calls(target, options.seconds))
        lists.extend(await measure_lists(target))
        watches.append(await measure_watch(target, options.watchers))
        if options.idle:
            idle.append(await measure_idle(target, options.idle))

    with tempfile.TemporaryDirectory(dir=REPOSITORY) as name:
        for backend in BACKENDS:
            if backend == "embedded" or shutil.which(backend):
                async with server("bench.api", Path(name, backend), backend) as target:
                    await measure(target)
        if options.reference:
            await measure(reference(options.reference, options.pids))
    show("calls over HTTPS", ["server", "call of a 3 KB pod", "callers", *RATE_HEADINGS], calls)
    show("lists", ["server", "", "ms", "server CPU ms", "size"], lists)
    headings = ["server", "watchers", "events/s delivered", "server CPU µs an event", "p50 ms", "p99 ms"]
    show("watches: 1 KB events", headings, watches)
    if idle:
        show("idle watches", ["server", "watches", "opened in s", "KiB each", "one event to all, ms"], idle)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser()
    found.add_argument("--seconds", type=float, default=3.0, help="how long each call is measured")
    found.add_argument("--watchers", type=int, default=1000)
    found.add_argument("--idle", type=int, default=0, help="how many idle watches to open, for instance 10000")
    found.add_argument("--reference", type=Path, help="the kubeconfig of a server to measure beside ours")
    found.add_argument("--pids", type=lambda text: tuple(map(int, text.split(","))), default=())
    found.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    given = parser().parse_args()
    uvloop.run(serve(Path(given.serve[0]), given.serve[1]) if given.serve else main(given))
