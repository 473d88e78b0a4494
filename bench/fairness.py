"""One greedy client beside a polite one, with priority and fairness and without.

Run it with ``python -m bench.fairness [seconds a figure]``. The server has a process of its own, on the embedded store;
the greedy client another: 200 requests at a time, half of them lists of 300 pods, half creations. The polite one asks
for one thing after the other; how long it waits for each is what is shown.
"""

import asyncio
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp
import uvloop

from bench._report import show
from master.apiserver.authn.tokens import StaticTokens
from master.apiserver.fairness.gate import CONCURRENCY
from master.apiserver.server import ApiServer, server_tls
from master.pki import Pki
from master.registry import authz
from master.registry.base import component
from master.registry.bootstrap import bootstrap
from master.registry.verbs import Registry
from master.store.embedded import EmbeddedStore
from timonel.api.types import core_v1, meta_v1, rbac_v1

GREED = 200
PODS = 300
UNBOUNDED = 1_000_000
USERS = ("greedy", "polite")
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
POD_LIST = "/api/v1/namespaces/default/pods"


async def serve(directory: Path, concurrency: int) -> None:
    """The server's process: prints its port, and serves until it is ended."""
    store = await EmbeddedStore.open(directory / "store.db")
    pki = Pki.open(directory / "pki")
    registry = Registry(store, authz.load())
    await registry.start()
    await bootstrap(registry, pki.ca_pem)
    await _fill(registry)
    tokens = directory / "tokens"
    tokens.write_text("".join(f"{user}-token,{user},{user}\n" for user in USERS))
    pair = pki.issue_server(["127.0.0.1"])
    tls = server_tls(pair.certificate, pair.key, pki.ca_pem)
    api = ApiServer(registry, tls, [StaticTokens(tokens)], host="127.0.0.1", port=0, concurrency=concurrency)
    await api.start()
    sys.stdout.write(f"{api.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def _fill(registry: Registry) -> None:
    who = component("bench")
    subjects = [rbac_v1.Subject(kind="User", name=user, apiGroup="rbac.authorization.k8s.io") for user in USERS]
    role = rbac_v1.RoleRef(kind="ClusterRole", name="cluster-admin", apiGroup="rbac.authorization.k8s.io")
    binding = rbac_v1.ClusterRoleBinding(metadata=meta_v1.ObjectMeta(name="bench"), roleRef=role, subjects=subjects)
    await registry.create(who, rbac_v1.ClusterRoleBinding, "", binding)
    account = core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name="default", namespace="default"))
    await registry.create(who, core_v1.ServiceAccount, "default", account)
    for number in range(PODS):
        spec = core_v1.PodSpec(containers=[core_v1.Container(name="web", image="web:1")])
        pod = core_v1.Pod(metadata=meta_v1.ObjectMeta(name=f"web-{number}", namespace="default"), spec=spec)
        await registry.create(who, core_v1.Pod, "default", pod)


def session(port: int, user: str) -> aiohttp.ClientSession:
    """A client of a user."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {user}-token"}
    connector = aiohttp.TCPConnector(ssl=tls, limit=0)
    return aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector, headers=headers)


async def greed(port: int) -> None:
    """The greedy client's process."""
    async with session(port, "greedy") as client, asyncio.TaskGroup() as group:
        for number in range(GREED):
            group.create_task(_ask_forever(client, lists=number % 2 == 0))


async def _ask_forever(client: aiohttp.ClientSession, *, lists: bool) -> None:
    while True:
        if lists:
            async with client.get(POD_LIST, headers={"Accept-Encoding": "identity"}) as answer:
                await answer.read()
        else:
            await create(client)


async def create(client: aiohttp.ClientSession) -> None:
    """Make a small object."""
    body = {"metadata": {"name": uuid.uuid4().hex}, "data": {"key": "value"}}
    async with client.post(CONFIG_MAPS, json=body) as answer:
        await answer.read()


async def politeness(port: int, seconds: float) -> dict[str, list[float]]:
    """How long the polite client waits for a get and for a create."""
    times: dict[str, list[float]] = {"get": [], "create": []}
    end = time.monotonic() + seconds
    async with session(port, "polite") as client:
        while time.monotonic() < end:
            started = time.monotonic()
            async with client.get(f"{POD_LIST}/web-0") as answer:
                assert answer.status == 200, await answer.text()
            times["get"].append(time.monotonic() - started)
            started = time.monotonic()
            await create(client)
            times["create"].append(time.monotonic() - started)
            await asyncio.sleep(0.01)
    return times


def figure(title: str, concurrency: int, seconds: float, *, greedy: bool) -> list[str]:
    """One row: a server, perhaps the greedy client, and the polite one."""
    with tempfile.TemporaryDirectory(prefix="timonel-bench-") as directory:
        server = _process("serve", directory, str(concurrency))
        processes = [server]
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            if greedy:
                processes.append(_process("greed", str(port)))
                time.sleep(2)
            times = uvloop.run(politeness(port, seconds))
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()
    cells = [
        f"{figure * 1000:.1f}"
        for each in times.values()
        for figure in (statistics.median(each), statistics.quantiles(each, n=100)[98])
    ]
    return [title, *cells, str(len(times["get"]))]


def _process(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.fairness", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    rows = [
        figure("alone", CONCURRENCY, seconds, greedy=False),
        figure(f"beside {GREED} greedy requests, fairly ({CONCURRENCY} seats)", CONCURRENCY, seconds, greedy=True),
        figure(f"beside {GREED} greedy requests, no limits", UNBOUNDED, seconds, greedy=True),
    ]
    headings = ["The polite client", "get p50 ms", "get p99 ms", "create p50 ms", "create p99 ms", "rounds"]
    show("One greedy client, one polite", headings, rows)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", where, limit]:
            uvloop.run(serve(Path(where), int(limit)))
        case ["greed", where]:
            uvloop.run(greed(int(where)))
        case _:
            main()
