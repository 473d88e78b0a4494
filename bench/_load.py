"""API servers to be measured, and clients as thin as can be: what is measured is the server."""

import asyncio
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.store import etcd
from master.apiserver.server import ApiServer, server_tls
from master.pki import Pki
from master.registry import authz
from master.registry.bootstrap import bootstrap
from master.registry.verbs import Registry
from master.store.base import Store
from master.store.embedded import EmbeddedStore
from timonel import kubeconfig
from timonel.start import no_garbage

BACKENDS = ("embedded", "etcd")
START_SECONDS = 60.0
REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Target:
    """A server: where it is, how to connect, and its processes, where they are on this machine."""

    name: str
    host: str
    port: int
    tls: ssl.SSLContext
    pids: tuple[int, ...] = ()

    def cpu(self) -> float:
        """Seconds that its processes have computed so far."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes that its processes hold."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)
        return pages * os.sysconf("SC_PAGESIZE")


async def serve(directory: Path, backend: str) -> None:
    """The server's process: prints its port, and serves until it is ended."""
    if backend == "etcd":
        async with etcd(directory / "etcd") as store:
            await _serve(directory, store)
    else:
        await _serve(directory, await EmbeddedStore.open(directory / "store.db"))


async def _serve(directory: Path, store: Store) -> None:
    with no_garbage():
        pki = Pki.open(directory / "pki")
        registry = Registry(store, authz.load())
        await registry.start()
        await bootstrap(registry, pki.ca_pem)
        pair = pki.issue_server(["127.0.0.1"])
        api = ApiServer(registry, server_tls(pair.certificate, pair.key, pki.ca_pem), host="127.0.0.1", port=0)
        await api.start()
    sys.stdout.write(f"{api.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@asynccontextmanager
async def server(module: str, directory: Path, backend: str) -> AsyncIterator[Target]:
    """A server of ours in a process of its own, which runs ``python -m module --serve``."""
    command = [sys.executable, "-m", module, "--serve", str(directory), backend]
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), START_SECONDS))
        pki = Pki.open(directory / "pki")
        pair = pki.issue_client("bench", ["system:masters"])
        access = kubeconfig.Access(f"https://127.0.0.1:{port}", pki.ca_pem, pair.certificate, pair.key)
        yield Target(f"Timonel, {backend}", "127.0.0.1", port, access.tls(), (process.pid,))
    finally:
        process.terminate()
        await process.wait()


def reference(path: Path, pids: tuple[int, ...]) -> Target:
    """The server that a kubeconfig names."""
    access = kubeconfig.load(path)
    where = urlsplit(access.server)
    return Target("kube-apiserver", where.hostname or "127.0.0.1", where.port or 443, access.tls(), pids)


class Connection:
    """A kept-alive HTTPS connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, target: Target) -> "Connection":
        """Connect to the server."""
        return cls(*await asyncio.open_connection(target.host, target.port, ssl=target.tls, limit=1 << 20))

    async def call(self, method: str, path: str, body: bytes = b"", *, form: str = "json", accept: str = "") -> bytes:
        """One request; raises RuntimeError when it is refused."""
        code, length = await self.begin(method, path, body, form=form, accept=accept)
        answer = await self._reader.readexactly(length) if length is not None else await self._chunks()
        if code >= 300:
            raise RuntimeError(f"{method} {path}: {code} {answer[:300].decode()}")
        return answer

    async def begin(
        self, method: str, path: str, body: bytes = b"", *, form: str = "json", accept: str = ""
    ) -> tuple[int, int | None]:
        """Send a request and read the answer's head: its code, and its length where that is said."""
        headers = f"Host: bench\r\nContent-Type: application/{form}\r\nContent-Length: {len(body)}\r\n"
        if accept:
            headers += f"Accept: {accept}\r\n"
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{headers}\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return int(answer[9:12]), int(length) if length else None

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            parts.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        return b"".join(parts)

    async def until(self, marker: bytes) -> int:
        """Read until `marker` has come; gives the number of watch events up to there."""
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


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second, the median and the 99th percentile of their durations, and the server's CPU for one: seconds."""

    per_second: float
    median: float
    slow: float
    cpu: float

    @property
    def cells(self) -> list[str]:
        """As cells of a row."""
        cpu = f"{self.cpu * 1e6:.0f}" if self.cpu else ""
        return [f"{self.per_second:,.0f}", f"{self.median * 1000:.2f}", f"{self.slow * 1000:.1f}", cpu]


RATE_HEADINGS = ("/s", "p50 ms", "p99 ms", "server CPU µs")


async def rate(target: Target, seconds: float, callers: int, call: Callable[[int], Awaitable[object]]) -> Rate:
    """How often ``call(caller)`` ends, by so many callers, each with one call at a time."""
    times: list[float] = []
    before, begun = target.cpu(), time.perf_counter()

    async def caller(index: int) -> None:
        while (started := time.perf_counter()) < begun + seconds:
            await call(index)
            times.append(time.perf_counter() - started)

    await asyncio.gather(*(caller(index) for index in range(callers)))
    took = time.perf_counter() - begun
    slow = statistics.quantiles(times, n=100)[-1] if len(times) > 1 else times[0]
    return Rate(len(times) / took, statistics.median(times), slow, (target.cpu() - before) / len(times))
