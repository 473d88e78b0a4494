"""A real API server: TLS, an embedded store, a scripted way to nodes; a client and kubectl for it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from master import kubeconfig as kubeconfigs
from master.apiserver.authn.tokens import BootstrapTokens, ServiceAccountTokens
from master.apiserver.server import ApiServer, server_tls
from master.pki import Pki
from master.registry import authz
from master.registry.base import component
from master.registry.bootstrap import bootstrap
from master.registry.streams import Channel, Frame, NodeStream, PortForward, Request, Target
from master.registry.verbs import Registry
from master.serviceaccounts import RegistryMinter, RegistryObjects, TokenIssuer
from master.store.embedded import EmbeddedStore
from timonel import kubeconfig as access
from timonel.api import codec
from timonel.api.errors import ServiceUnavailable
from timonel.api.types import core_v1, meta_v1
from timonel.client import Client

DEADLINE = 20.0


@dataclass
class ScriptedStream:
    """A node's end of a stream: tests put what the node says, and look at what it was told."""

    target: Target
    request: Request
    says: asyncio.Queue[Frame | None] = field(default_factory=asyncio.Queue)
    heard: asyncio.Queue[Frame] = field(default_factory=asyncio.Queue)
    closed: bool = False

    async def read(self) -> Frame | None:
        return await self.says.get()

    async def write(self, frame: Frame) -> None:
        await self.heard.put(frame)

    async def close(self) -> None:
        self.closed = True

    def say(self, channel: Channel, data: bytes) -> None:
        self.says.put_nowait(Frame(channel, data))

    def end(self) -> None:
        self.says.put_nowait(None)


class ScriptedNodes:
    """Plays all nodes: `script` is run for each stream that is opened."""

    def __init__(self) -> None:
        self.streams: list[ScriptedStream] = []
        self.script: Callable[[ScriptedStream], Awaitable[None]] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open_stream(self, node: str, target: Target, request: Request) -> NodeStream:
        if node == "gone":
            raise ServiceUnavailable(f'node "{node}" is not connected')
        stream = ScriptedStream(target, request)
        self.streams.append(stream)
        if self.script is not None:
            self._tasks.append(asyncio.ensure_future(self.script(stream)))
        return stream

    @staticmethod
    async def to_own_ports(stream: ScriptedStream) -> None:
        """A script: port-forwards lead to the ports of this machine."""
        assert isinstance(stream.request, PortForward)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", stream.request.port)
        except OSError:
            why = f"dial tcp {stream.request.host}:{stream.request.port}: connect: connection refused"
            stream.say(Channel.STATUS, codec.encode(ServiceUnavailable(why).status()))
            stream.end()
            return

        async def inward() -> None:
            while True:
                writer.write((await stream.heard.get()).data)

        task = asyncio.create_task(inward())
        try:
            while data := await reader.read(65536):
                stream.say(Channel.STDOUT, data)
            stream.say(Channel.CLOSE, bytes((Channel.STDOUT,)))
        finally:
            task.cancel()
            writer.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str


Kubectl = Callable[..., Awaitable[Ran]]


@dataclass
class Served:
    """A running server and what belongs to it."""

    url: str
    api: ApiServer
    registry: Registry
    pki: Pki
    issuer: TokenIssuer
    nodes: ScriptedNodes
    kubeconfig: Path

    def access(self) -> access.Access:
        return access.load(self.kubeconfig)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with the namespaces of a new cluster."""
    store = await EmbeddedStore.open(tmp_path / "store.db")
    pki = Pki.open(tmp_path / "pki")
    issuer = TokenIssuer(pki.service_account_key)
    registry = Registry(store, authz.load())
    registry.use_minter(RegistryMinter(issuer, RegistryObjects(registry.reader)))
    await registry.start()
    front_proxy = Pki.open_front_proxy(tmp_path / "pki")
    await bootstrap(registry, pki.ca_pem, front_proxy.ca_pem)
    account = core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name="default", namespace="default"))
    await registry.create(component("test"), core_v1.ServiceAccount, "default", account)
    nodes = ScriptedNodes()
    pair = pki.issue_server(["127.0.0.1", "localhost"])
    api = ApiServer(
        registry,
        server_tls(pair.certificate, pair.key, pki.ca_pem),
        [ServiceAccountTokens(issuer, registry), BootstrapTokens(registry.reader)],
        nodes=nodes,
        front_proxy=front_proxy.issue_client("front-proxy-client"),
        issuer=issuer,
        host="127.0.0.1",
        port=0,
    )
    await api.start()
    url = f"https://127.0.0.1:{api.port}"
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfigs.to_yaml(kubeconfigs.admin_kubeconfig(pki, url)))
    yield Served(url, api, registry, pki, issuer, nodes, path)
    await api.close()
    await nodes.close()
    await registry.close()
    await store.close()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    """A client with the administrator's certificate."""
    async with Client(served.access()) as opened:
        yield opened


@pytest.fixture
async def http(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    """Plain HTTP with the administrator's certificate."""
    connector = aiohttp.TCPConnector(ssl=served.access().tls())
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(served.url, connector=connector, headers=headers) as session:
        yield session


@pytest.fixture
async def kubectl(served: Served, tmp_path: Path) -> Kubectl:
    """Runs kubectl against the server, with a cache of its own."""
    env = {**os.environ, "KUBECONFIG": str(served.kubeconfig), "HOME": str(tmp_path)}

    async def run(*arguments: str, stdin: str = "") -> Ran:
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
        )
        try:
            async with asyncio.timeout(DEADLINE):
                out, err = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    return run


@pytest.fixture
def config_map() -> Callable[..., core_v1.ConfigMap]:
    """Makes ConfigMaps."""

    def make(name: str, **data: str) -> core_v1.ConfigMap:
        return core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace="default"), data=data)

    return make


@pytest.fixture
def running_pod(served: Served) -> Callable[..., Awaitable[core_v1.Pod]]:
    """Stores a pod that is bound to a node."""

    async def make(name: str, *containers: str, node: str = "n1", phase: str = "") -> core_v1.Pod:
        pod = core_v1.Pod(
            metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
            spec=core_v1.PodSpec(
                nodeName=node,
                containers=[core_v1.Container(name=each, image="i") for each in containers or ("c",)],
            ),
        )
        await served.registry.create(component("test"), core_v1.Pod, "default", pod)
        if phase:
            pod.status = core_v1.PodStatus(phase=phase)
            await served.registry.update(component("test"), core_v1.Pod, "default", name, pod, subresource="status")
        return pod

    return make


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits for a condition, with a deadline."""

    async def wait(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not holds():  # noqa: ASYNC110  # conditions here are of many parts, none of which tells of changes
                await asyncio.sleep(0.005)

    return wait
