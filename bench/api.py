"""The API over HTTPS, beside the raw store in the same run: creates and gets a second, a long list, a watch fan-out.

Run it with ``python bench/api.py [seconds a figure]``. The server has a process of its own, on the embedded store.
"""

import asyncio
import itertools
import json
import os
import platform
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from master.apiserver.server import ApiServer, server_tls
from master.pki import Pki
from master.registry import authz
from master.registry.base import component
from master.registry.bootstrap import bootstrap
from master.registry.verbs import Registry
from master.store.base import Guard, Put
from master.store.embedded import EmbeddedStore
from timonel.api.types import core_v1, meta_v1
from timonel.kubeconfig import Access

CALLERS = (1, 64)
PODS = 10_000
WATCHERS = 100
WRITERS = 16
EVENTS = 1000
PATH = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def pod(name: str) -> bytes:
    """A pod of 3 KB."""
    environment = [{"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(30)]
    container = {"name": "web", "image": "web:1", "env": environment, "resources": {"requests": {"cpu": "100m"}}}
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [container]},
    }
    return json.dumps(document).encode()


async def serve(directory: Path, ready: int) -> None:
    """The server's process: tells its port on the file descriptor `ready`, and serves until it is ended."""
    store = await EmbeddedStore.open(directory / "store.db")
    pki = Pki.open(directory / "pki")
    registry = Registry(store, authz.load())
    await registry.start()
    await bootstrap(registry, pki.ca_pem)
    account = core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name="default", namespace="default"))
    await registry.create(component("bench"), core_v1.ServiceAccount, "default", account)
    pair = pki.issue_server(["127.0.0.1"])
    api = ApiServer(registry, server_tls(pair.certificate, pair.key, pki.ca_pem), host="127.0.0.1", port=0)
    await api.start()
    os.write(ready, f"{api.port}\n".encode())
    await asyncio.Event().wait()


class Connection:
    """A kept-alive HTTPS connection, as thin as can be: what is measured is the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext) -> "Connection":
        """Connect to the server."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, limit=1 << 20))

    async def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """One request; raises RuntimeError when it is refused."""
        code, length = await self.begin(method, path, body)
        answer = await self._reader.readexactly(length)
        if code >= 300:
            raise RuntimeError(f"{method} {path}: {code} {answer[:300].decode()}")
        return answer

    async def begin(self, method: str, path: str, body: bytes = b"") -> tuple[int, int]:
        """Send a request and read the answer's head: its code and length."""
        headers = f"Host: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{headers}\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return int(answer[9:12]), int(length or 0)

    async def until(self, marker: bytes) -> int:
        """Read until `marker` has come; gives the number of watch events before it."""
        seen, rest = 0, b""
        while True:
            piece = await self._reader.read(1 << 20)
            if not piece:
                raise RuntimeError("the watch ended")
            seen += piece.count(b'{"type":"')
            if marker in rest + piece:
                return seen
            rest = piece[-len(marker) :]

    def close(self) -> None:
        """Close."""
        self._writer.close()


async def rate(seconds: float, callers: int, call: Callable[[int], Awaitable[object]]) -> float:
    """How many times a second ``call(caller)`` ends."""
    ends = time.perf_counter() + seconds
    done = 0

    async def caller(index: int) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await call(index)
            done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(caller(index) for index in range(callers)))
    return done / (time.perf_counter() - begun)


async def measure_store(directory: Path, seconds: float) -> list[float]:
    """Creates and gets of the store alone, in this process."""
    store = await EmbeddedStore.open(directory / "raw.db")
    names = itertools.count(1)
    value = pod("web")

    async def create(_: int) -> None:
        key = f"/registry/bench/{next(names)}"
        await store.txn([Guard(key, 0)], [Put(key, value)])

    async def get(index: int) -> None:
        await store.get(f"/registry/bench/{index + 1}")

    figures = [await rate(seconds, callers, call) for call in (create, get) for callers in CALLERS]
    await store.close()
    return figures


async def measure_api(port: int, tls: ssl.SSLContext, seconds: float) -> tuple[list[float], int]:
    """Creates and gets through the API, and how many pods there are then."""
    connections = [await Connection.open(port, tls) for _ in range(max(CALLERS))]
    names = itertools.count(1)

    async def create(index: int) -> None:
        await connections[index].call("POST", PATH, pod(f"web-{next(names)}"))

    async def get(index: int) -> None:
        await connections[index].call("GET", f"{PATH}/web-{index + 1}")

    figures = [await rate(seconds, callers, call) for call in (create, get) for callers in CALLERS]
    made = next(names) - 1
    for start in range(made, PODS, len(connections)):
        await asyncio.gather(*(create(index) for index in range(min(len(connections), PODS - start))))
    for connection in connections:
        connection.close()
    return figures, max(made, PODS)


async def measure_list(port: int, tls: ssl.SSLContext) -> tuple[float, int]:
    """The best of three lists of all pods: seconds and bytes."""
    connection = await Connection.open(port, tls)
    best, size = float("inf"), 0
    for _ in range(3):
        begun = time.perf_counter()
        size = len(await connection.call("GET", PATH))
        best = min(best, time.perf_counter() - begun)
    connection.close()
    return best, size


async def measure_watch(port: int, tls: ssl.SSLContext) -> tuple[float, float]:
    """Events a second to all watchers together, and the median of one event's way to all of them, in seconds."""
    writers = [await Connection.open(port, tls) for _ in range(WRITERS)]
    version = json.loads(await writers[0].call("GET", CONFIG_MAPS))["metadata"]["resourceVersion"]
    watchers = [await Connection.open(port, tls) for _ in range(WATCHERS)]
    for watcher in watchers:
        await watcher.begin("GET", f"{CONFIG_MAPS}?watch=1&resourceVersion={version}")

    async def make(writer: Connection, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"x": "y" * 2000}}
        await writer.call("POST", CONFIG_MAPS, json.dumps(body).encode())

    times = []
    for number in range(20):
        begun = time.perf_counter()
        marker = b'"one-%d"' % number
        await asyncio.gather(make(writers[0], f"one-{number}"), *(watcher.until(marker) for watcher in watchers))
        times.append(time.perf_counter() - begun)

    async def make_many() -> None:
        numbers = iter(range(EVENTS))
        await asyncio.gather(*(_each(numbers, lambda number, by=by: make(by, f"many-{number}")) for by in writers))
        await make(writers[0], "last")

    begun = time.perf_counter()
    await asyncio.gather(make_many(), *(watcher.until(b'"last"') for watcher in watchers))
    total = (EVENTS + 1) * WATCHERS / (time.perf_counter() - begun)
    for connection in (*writers, *watchers):
        connection.close()
    return total, sorted(times)[len(times) // 2]


async def _each(numbers: Iterator[int], call: Callable[[int], Awaitable[None]]) -> None:
    for number in numbers:
        await call(number)


async def main(seconds: float) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        raw = await measure_store(directory, seconds)
        reading, ready = os.pipe()
        command = [sys.executable, __file__, "--serve", name, str(ready)]
        server = await asyncio.create_subprocess_exec(*command, pass_fds=[ready])
        try:
            port = int((await asyncio.to_thread(os.read, reading, 16)).decode())
            pki = Pki.open(directory / "pki")
            pair = pki.issue_client("bench", ["system:masters"])
            tls = Access(f"https://127.0.0.1:{port}", pki.ca_pem, pair.certificate, pair.key).tls()
            figures, count = await measure_api(port, tls, seconds)
            list_seconds, size = await measure_list(port, tls)
            fan_out, delay = await measure_watch(port, tls)
            memory = _resident(server.pid)
        finally:
            server.terminate()
            await server.wait()
    table = Table(
        title=f"the API over HTTPS, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    )
    for column in ("", "creates/s, 1", "creates/s, 64", "gets/s, 1", "gets/s, 64"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("raw embedded store", *(f"{figure:,.0f}" for figure in raw))
    table.add_row("API", *(f"{figure:,.0f}" for figure in figures))
    console = Console()
    console.print(table)
    console.print(f"list of {count:,} pods: {list_seconds * 1000:.0f} ms, {size / 1e6:.1f} MB")
    console.print(f"watch by {WATCHERS}: {fan_out:,.0f} events/s in all; one event to all: {delay * 1000:.1f} ms")
    console.print(f"the server's memory at the end: {memory / 1e6:.0f} MB")


def _resident(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        uvloop.run(serve(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0))
