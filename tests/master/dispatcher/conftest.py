"""A master with a dispatcher, and scripted nodes that talk to it over mTLS."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from master import bootstrap_tokens
from master.bootstrap_tokens import BootstrapToken
from master.dispatcher.server import Dispatcher
from master.dispatcher.session import Settings
from master.pki import KeyPair, Pki
from master.registry import authz
from master.registry.base import component
from master.registry.rbac_bootstrap import bootstrap_rbac
from master.registry.verbs import Registry
from master.serviceaccounts import RegistryMinter, RegistryObjects, TokenIssuer
from master.store.embedded import EmbeddedStore
from timonel.api import codec
from timonel.api.errors import AlreadyExists, NotFound
from timonel.api.types import core_v1
from timonel.rpc import node_pb2, node_pb2_grpc
from timonel.rpc.channel import CLIENT_OPTIONS

ADMIN = component("test")
DEADLINE = 10.0
T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T]], what: str = "") -> T:
    """Wait until `condition` gives something true, and give it."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not (found := await condition()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return found
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE} s: {what or condition}") from None


def request_for(node: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    attributes = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes)).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def node_json(name: str, ready: str = "True", labels: dict[str, str] | None = None) -> bytes:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name} | (labels or {})},
            "status": node_status(ready),
        }
    ).encode()


def node_status(ready: str = "True", message: str = "") -> dict[str, Any]:
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "conditions": [{"type": "Ready", "status": ready, "reason": "Agent", "message": message}],
    }


@dataclass
class NodeSession:
    """A session seen from the node: what it holds, kept as the protocol asks."""

    call: Any
    held: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    sequence: int = 0
    completes: int = 0
    gaps: int = 0
    welcome: node_pb2.Welcome | None = None
    asked: list[node_pb2.OpenStream] = field(default_factory=list)
    replies: list[node_pb2.TokenReply] = field(default_factory=list)
    ended: grpc.aio.AioRpcError | None = None
    reader: asyncio.Task[None] | None = None

    async def send(self, **message: Any) -> None:
        await self.call.write(node_pb2.NodeMessage(**message))

    async def read(self) -> None:
        try:
            async for message in self.call:
                self.take(message)
        except grpc.aio.AioRpcError as error:
            self.ended = error

    def take(self, message: node_pb2.MasterMessage) -> None:
        match message.WhichOneof("message"):
            case "welcome":
                self.welcome = message.welcome
            case "assignments":
                self.assign(message.assignments)
            case "open_stream":
                self.asked.append(message.open_stream)
            case "token_reply":
                self.replies.append(message.token_reply)

    def assign(self, message: node_pb2.Assignments) -> None:
        if message.type == node_pb2.Assignments.COMPLETE:
            self.held.clear()
            self.completes += 1
        elif message.applies_to != self.sequence:
            self.gaps += 1
        self.sequence = message.sequence
        for change in message.changes:
            key = (change.kind, change.object_namespace, change.object_name)
            if change.action == node_pb2.AssignmentChange.REMOVE:
                assert self.held.pop(key)["metadata"]["uid"] == change.object_uid
            else:
                self.held[key] = json.loads(change.object_json)
                assert self.held[key]["metadata"]["uid"] == change.object_uid
                assert self.held[key]["metadata"]["resourceVersion"]

    def names(self, kind: str) -> set[str]:
        return {name for held, _, name in self.held if held == kind}

    async def holds(self, kind: str, *names: str) -> None:
        async def check() -> bool:
            return self.names(kind) == set(names)

        await until(check, f"the node holds {kind} {names}, but {self.held.keys()}")

    async def refusal(self) -> tuple[grpc.StatusCode, str]:
        async def check() -> grpc.aio.AioRpcError | None:
            return self.ended

        error = await until(check, "the session ends with an error")
        return error.code(), error.details() or ""


class Master:
    """What the tests of the dispatcher hold: its parts, and short ways to make objects."""

    def __init__(self, registry: Registry, pki: Pki, dispatcher: Dispatcher, stack: AsyncExitStack) -> None:
        self.registry = registry
        self.pki = pki
        self.dispatcher = dispatcher
        self._stack = stack

    admin = ADMIN
    request_for = staticmethod(request_for)
    key_pem = staticmethod(key_pem)
    node_json = staticmethod(node_json)
    node_status = staticmethod(node_status)
    until = staticmethod(until)

    # Nodes

    async def channel(self, pair: KeyPair | None, port: int) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(
            self.pki.ca_pem, pair.key if pair else None, pair.certificate if pair else None
        )
        channel = grpc.aio.secure_channel(f"localhost:{port}", credentials, options=CLIENT_OPTIONS)
        return await self._stack.enter_async_context(channel)

    async def token(self, lifetime: timedelta = timedelta(hours=1), uses: int | None = None) -> BootstrapToken:
        token = BootstrapToken.new()
        secret = bootstrap_tokens.to_secret(token, datetime.now(UTC) + lifetime, uses)
        await self.registry.create(ADMIN, core_v1.Secret, bootstrap_tokens.NAMESPACE, secret)
        return token

    async def join(self, node: str, token: str, csr: bytes | None = None) -> node_pb2.Credentials:
        stub = node_pb2_grpc.BootstrapStub(await self.channel(None, self.dispatcher.bootstrap_port))
        csr = csr if csr is not None else request_for(node, ec.generate_private_key(ec.SECP256R1()))
        return await stub.Join(node_pb2.JoinRequest(token=token, node_name=node, csr_pem=csr), timeout=DEADLINE)

    def certificate(self, node: str) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        return KeyPair(self.pki.sign_node(node, request_for(node, key)), key_pem(key))

    async def stub(self, pair: KeyPair) -> node_pb2_grpc.NodeStub:
        return node_pb2_grpc.NodeStub(await self.channel(pair, self.dispatcher.node_port))

    async def open(self, stub: node_pb2_grpc.NodeStub) -> NodeSession:
        session = NodeSession(stub.Session())
        session.reader = asyncio.create_task(session.read())
        self._stack.callback(session.reader.cancel)
        return session

    async def connect(
        self, node: str, stub: node_pb2_grpc.NodeStub | None = None, described: bytes | None = None
    ) -> NodeSession:
        """A session of `node` that has sent its Hello and got its first assignment."""
        session = await self.open(stub or await self.stub(self.certificate(node)))
        hello = node_pb2.Hello(node_name=node, agent_version="test", node_json=described or node_json(node))
        await session.send(hello=hello)

        async def complete() -> bool:
            assert session.ended is None, session.ended
            return session.completes > 0

        await until(complete, "the first assignment")
        return session

    # Objects

    async def make(self, kind: type[Any], namespace: str, name: str, **fields: Any) -> Any:
        body = {"metadata": {"name": name, "namespace": namespace} if namespace else {"name": name}} | fields
        body |= {"apiVersion": kind.gvk.api_version, "kind": kind.gvk.kind}
        return codec.decode(kind, (await self.registry.create(ADMIN, kind, namespace, json.dumps(body).encode())).raw)

    async def pod(self, name: str, node: str, **spec: Any) -> core_v1.Pod:
        containers = [{"name": "c", "image": "web:1"} | spec.pop("container", {})]
        return await self.make(core_v1.Pod, "default", name, spec={"nodeName": node, "containers": containers} | spec)

    async def find(self, kind: type[Any], namespace: str, name: str) -> Any:
        try:
            return codec.decode(kind, (await self.registry.get(ADMIN, kind, namespace, name)).raw)
        except NotFound:
            return None

    async def eventually(self, kind: type[Any], namespace: str, name: str, holds: Callable[[Any], object]) -> Any:
        """The object, once `holds` of it; None where it is absent."""
        seen: list[Any] = [None]

        async def check() -> bool:
            seen[0] = await self.find(kind, namespace, name)
            return bool(holds(seen[0]))

        await until(check, f"{kind.__name__} {name}")
        return seen[0]


@pytest.fixture
async def master(tmp_path: Path) -> AsyncIterator[Master]:
    async with AsyncExitStack() as stack:
        store = await EmbeddedStore.open(tmp_path / "store.db")
        stack.push_async_callback(store.close)
        registry = Registry(store, authz.load())
        await registry.start()
        stack.push_async_callback(registry.close)
        for namespace in ("default", "kube-system", "kube-public", "kube-node-lease"):
            try:
                await registry.create(ADMIN, core_v1.Namespace, "", f'{{"metadata":{{"name":"{namespace}"}}}}'.encode())
            except AlreadyExists:
                continue
        await bootstrap_rbac(registry)
        await registry.create(ADMIN, core_v1.ServiceAccount, "default", b'{"metadata":{"name":"default"}}')
        pki = Pki.open(tmp_path / "pki")
        registry.use_minter(RegistryMinter(TokenIssuer(pki.service_account_key), RegistryObjects(registry.reader)))
        settings = Settings(heartbeat_seconds=0.5, cluster_id="test")
        dispatcher = Dispatcher(registry, pki, hosts=["localhost"], address="127.0.0.1", settings=settings)
        await dispatcher.start()
        stack.push_async_callback(dispatcher.close)
        yield Master(registry, pki, dispatcher, stack)
