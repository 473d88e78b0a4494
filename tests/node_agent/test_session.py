"""A whole node, on the fake runtime, against a scripted master over real mTLS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from master.pki import Pki, server_hosts
from node_agent.credentials import NodeCredentials
from node_agent.join import JoinFailure, join, signing_request, store
from node_agent.network.fake import FakeNetwork
from node_agent.node import Node
from node_agent.node_status import NodeConfig
from node_agent.runtimes.base import RuntimeUnavailable
from node_agent.runtimes.fake import Behaviour, Command, FakeRuntime, World
from node_agent.session import Session
from timonel.api import codec
from timonel.api.types import apps_v1, core_v1, meta_v1
from timonel.rpc import node_pb2
from timonel.rpc.node_pb2_grpc import (
    BootstrapServicer,
    NodeServicer,
    add_BootstrapServicer_to_server,
    add_NodeServicer_to_server,
)

Frame = node_pb2.Frame


class ScriptedMaster(NodeServicer, BootstrapServicer):
    """Takes sessions, remembers what nodes say, and sends what the test wants."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.heard: list[node_pb2.NodeMessage] = []
        self.hellos: list[node_pb2.Hello] = []
        self.changed = asyncio.Event()
        self.out: asyncio.Queue[node_pb2.MasterMessage] = asyncio.Queue()
        self.streams: dict[str, tuple[asyncio.Queue[node_pb2.Frame], asyncio.Queue[node_pb2.Frame | None]]] = {}
        self.hang_up = asyncio.Event()
        self.sequence = 0

    async def Join(self, request: Any, context: Any) -> Any:
        if request.token != "abcdef.0123456789abcdef":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not known")
        return self._signed(request.node_name, request.csr_pem)

    async def Renew(self, request: Any, context: Any) -> Any:
        return self._signed("node-1", request.csr_pem)

    def _signed(self, node: str, csr: bytes) -> node_pb2.Credentials:
        return node_pb2.Credentials(certificate_pem=self.pki.sign_node(node, csr), ca_pem=self.pki.ca_pem)

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[node_pb2.MasterMessage]:
        first = await anext(aiter(request_iterator))
        self.hellos.append(first.hello)
        self.hang_up.clear()
        reader = asyncio.create_task(self._listen(request_iterator))
        yield node_pb2.MasterMessage(welcome=node_pb2.Welcome(heartbeat_seconds=0.05, cluster_domain="cluster.test"))
        try:
            while not self.hang_up.is_set():
                try:
                    async with asyncio.timeout(0.02):
                        message = await self.out.get()
                except TimeoutError:
                    continue
                yield message
        finally:
            reader.cancel()

    async def _listen(self, messages: Any) -> None:
        async for message in messages:
            self.heard.append(message)
            self.changed.set()

    async def Stream(self, request_iterator: Any, context: Any) -> AsyncIterator[node_pb2.Frame]:
        first = await anext(aiter(request_iterator))
        down: asyncio.Queue[node_pb2.Frame] = asyncio.Queue()
        up: asyncio.Queue[node_pb2.Frame | None] = asyncio.Queue()
        self.streams[first.data.decode()] = (down, up)
        self.changed.set()

        async def listen() -> None:
            async for frame in request_iterator:
                up.put_nowait(frame)
            up.put_nowait(None)

        reader = asyncio.create_task(listen())
        try:
            while not reader.done():
                try:
                    async with asyncio.timeout(0.02):
                        frame = await down.get()
                except TimeoutError:
                    continue
                yield frame
        finally:
            reader.cancel()

    def assign(self, *objects: Any, complete: bool = False, applies_to: int | None = None) -> None:
        changes = [
            node_pb2.AssignmentChange(
                kind=o.kind,
                object_namespace=o.metadata.namespace or "",
                object_name=o.metadata.name or "",
                object_uid=o.metadata.uid or "",
                object_json=codec.encode(o),
            )
            for o in objects
        ]
        base = self.sequence if applies_to is None else applies_to
        self.sequence += 1
        kind = node_pb2.Assignments.COMPLETE if complete else node_pb2.Assignments.INCREMENTAL
        message = node_pb2.Assignments(type=kind, applies_to=base, sequence=self.sequence, changes=changes)
        self.out.put_nowait(node_pb2.MasterMessage(assignments=message))

    def statuses(self, name: str = "web") -> list[core_v1.PodStatus]:
        reports = [r for m in self.heard if m.WhichOneof("message") == "pods" for r in m.pods.pods]
        return [codec.decode(core_v1.PodStatus, r.status_json) for r in reports if r.pod_name == name and not r.removed]

    def said(self, kind: str) -> list[Any]:
        return [getattr(m, kind) for m in self.heard if m.WhichOneof("message") == kind]

    def is_ready(self, name: str = "web") -> bool:
        found = self.statuses(name)
        return bool(found) and any(c.type == "Ready" and c.status == "True" for c in found[-1].conditions)

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self.changed.wait()
                except TimeoutError:
                    continue


async def serve(master: ScriptedMaster, pki: Pki, port: int = 0) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server()
    add_NodeServicer_to_server(master, server)
    pair = pki.issue_server(server_hosts())
    credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate)], pki.ca_pem, True)
    bound = server.add_secure_port(f"localhost:{port}", credentials)
    await server.start()
    return server, bound


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki.open(tmp_path / "master-pki")


@pytest.fixture
def credentials(tmp_path: Path, pki: Pki) -> NodeCredentials:
    key, request = signing_request("node-1")
    reply = node_pb2.Credentials(certificate_pem=pki.sign_node("node-1", request), ca_pem=pki.ca_pem)
    return store(tmp_path / "pki", key, reply)


@dataclass
class Served:
    """The master, and the server and port that it is reached at now."""

    scripted: ScriptedMaster
    server: grpc.aio.Server
    port: int


@pytest.fixture
async def master(pki: Pki) -> AsyncIterator[Served]:
    scripted = ScriptedMaster(pki)
    served = Served(scripted, *await serve(scripted, pki))
    yield served
    await served.server.stop(0)


@pytest.fixture
async def node(tmp_path: Path, master: Served, credentials: NodeCredentials) -> AsyncIterator[tuple[Node, World]]:
    world = World()
    fake = FakeRuntime(world)
    config = NodeConfig("node-1", tmp_path, ["10.0.0.1"], cpus=2.0, memory_bytes=1 << 30)
    node = Node(config, fake, FakeNetwork(), f"localhost:{master.port}", credentials)
    await node.start()
    yield node, world
    await node.close()
    await world.close()


def node_object() -> core_v1.Node:
    found = core_v1.Node()
    found.metadata.name = "node-1"
    found.spec.podCIDR = "10.1.0.0/24"
    return found


@pytest.fixture
async def ready(master: Any, node: Any, build: Any) -> tuple[ScriptedMaster, World]:
    """The master, and the world of a node with one ready pod."""
    scripted: ScriptedMaster = master.scripted
    scripted.assign(node_object(), build.pod(), complete=True)
    await scripted.until(scripted.is_ready)
    return scripted, node[1]


class TestSession:
    """Hello, assignments, reports, losses."""

    async def test_a_pod_runs_and_everything_is_told(self, ready: Any) -> None:
        scripted, _ = ready
        hello = scripted.hellos[0]
        registered = codec.decode(core_v1.Node, hello.node_json)
        assert hello.node_name == "node-1"
        assert registered.metadata.labels["kubernetes.io/hostname"] == "node-1"
        assert registered.status.capacity["cpu"] == "2"
        await scripted.until(lambda: scripted.said("heartbeat"))
        await scripted.until(lambda: {e.reason for m in scripted.said("events") for e in m.events} >= {"Started"})
        await scripted.until(lambda: _ready_condition(scripted) == "True")

    async def test_a_gap_is_answered_by_asking_for_everything(self, ready: Any, build: Any) -> None:
        scripted, _ = ready
        scripted.assign(build.pod(uid="uid-2", name="other"), applies_to=99)
        await scripted.until(lambda: scripted.said("resync"))
        scripted.assign(node_object(), build.pod(), build.pod(uid="uid-3", name="third"), complete=True)
        await scripted.until(lambda: scripted.is_ready("third"))
        assert not scripted.statuses("other")

    async def test_a_kind_that_only_a_newer_master_knows_is_no_obstacle(self, ready: Any, build: Any) -> None:
        scripted, _ = ready
        scripted.assign(apps_v1.Deployment(), build.pod(uid="uid-2", name="other"))
        await scripted.until(lambda: scripted.is_ready("other"))
        assert not scripted.said("resync")

    async def test_it_ends_when_the_session_fails_in_the_same_moment(
        self, node: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = asyncio.Event()

        async def fails_when_it_is_cancelled(session: Any) -> None:
            async def part() -> None:
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    raise OSError("the connection was lost")

            async with asyncio.TaskGroup() as parts:
                parts.create_task(part())

        monkeypatch.setattr(Session, "_talk", fails_when_it_is_cancelled)
        session = Session("localhost:1", node[0].session._credentials, node[0].session._parts)
        session.start()
        async with asyncio.timeout(5):
            await begun.wait()
            await session.close()

    async def test_bytes_that_do_not_decode_are_too(self, ready: Any) -> None:
        scripted, _ = ready
        change = node_pb2.AssignmentChange(kind="Pod", object_name="x", object_uid="x", object_json=b"{{")
        message = node_pb2.Assignments(type=1, applies_to=scripted.sequence, sequence=9, changes=[change])
        scripted.out.put_nowait(node_pb2.MasterMessage(assignments=message))
        await scripted.until(lambda: scripted.said("resync"))

    async def test_after_a_loss_it_comes_back_tells_all_again_and_restarts_nothing(self, ready: Any) -> None:
        scripted, world = ready
        before = {c.seen.id for c in world.containers.values()}
        scripted.heard.clear()
        scripted.hang_up.set()
        await scripted.until(lambda: len(scripted.hellos) == 2)
        await scripted.until(scripted.is_ready)
        assert scripted.hellos[0].boot_id == scripted.hellos[1].boot_id
        assert {c.seen.id for c in world.containers.values()} == before

    async def test_cut_off_it_still_restarts_containers(self, ready: Any, master: Any) -> None:
        scripted, world = ready
        await master.server.stop(0)
        (container,) = world.containers.values()
        await world.end(container, 1)
        await scripted.until(lambda: sum(c.running for c in world.containers.values()) == 1)
        master.server, _ = await serve(scripted, scripted.pki, master.port)
        scripted.heard.clear()
        await scripted.until(
            lambda: scripted.statuses() and scripted.statuses()[-1].containerStatuses[0].restartCount == 1
        )

    async def test_a_runtime_that_is_away_shows_in_the_node(self, ready: Any, node: Any) -> None:
        scripted, world = ready
        await scripted.until(lambda: _ready_condition(scripted) == "True")
        world.fail("info", RuntimeUnavailable("Docker does not answer: start it"))
        node[0]._status_wanted.set()
        await scripted.until(lambda: _ready_condition(scripted) == "False")
        status = codec.decode(core_v1.NodeStatus, scripted.said("node")[-1].status_json)
        message = next(c.message for c in status.conditions if c.type == "Ready")
        assert message == "container runtime is down: Docker does not answer: start it"

    async def test_a_token_is_asked_for_and_reaches_the_pod(
        self, master: Any, node: Any, build: Any, tmp_path: Path
    ) -> None:
        scripted: ScriptedMaster = master.scripted
        sources = [{"serviceAccountToken": {"path": "token"}}]
        pod = build.pod(volumes=[{"name": "sa", "projected": {"sources": sources}}], serviceAccountName="robot")
        scripted.assign(node_object(), pod, complete=True)
        await scripted.until(lambda: scripted.said("token_request"))
        request = scripted.said("token_request")[0]
        assert (request.service_account, request.pod_uid) == ("robot", "uid-web")
        expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        reply = node_pb2.TokenReply(id=request.id, token="secret", expires=expires)
        scripted.out.put_nowait(node_pb2.MasterMessage(token_reply=reply))
        await scripted.until(scripted.is_ready)
        (file,) = (tmp_path / "pods/uid-web/volumes/kubernetes.io~projected").glob("sa/token")
        assert file.read_text() == "secret"


def _ready_condition(scripted: ScriptedMaster) -> str:
    reports = scripted.said("node")
    if not reports:
        return ""
    status = codec.decode(core_v1.NodeStatus, reports[-1].status_json)
    return next((c.status for c in status.conditions if c.type == "Ready"), "")


class TestStreams:
    """Logs, exec, attach."""

    async def open(self, scripted: ScriptedMaster, **what: Any) -> tuple[Any, Any]:
        request = node_pb2.OpenStream(
            stream_id="s1", pod_namespace="default", pod_name="web", pod_uid="uid-web", container="c0", **what
        )
        scripted.out.put_nowait(node_pb2.MasterMessage(open_stream=request))
        await scripted.until(lambda: "s1" in scripted.streams)
        return scripted.streams["s1"]

    async def collect(self, up: Any) -> tuple[dict[int, bytes], meta_v1.Status]:
        """What came on each channel, and the status that ended it."""
        data: dict[int, bytes] = {}
        async with asyncio.timeout(5):
            while (frame := await up.get()) is not None:
                data[frame.channel] = data.get(frame.channel, b"") + frame.data
        return data, codec.decode(meta_v1.Status, data.pop(Frame.STATUS))

    async def test_logs(self, master: Any, node: Any, build: Any) -> None:
        scripted: ScriptedMaster = master.scripted
        node[1].behaviours["app:1"] = Behaviour(output=[(1, b"one\n"), (1, b"two\n")])
        scripted.assign(node_object(), build.pod(), complete=True)
        await scripted.until(scripted.is_ready)
        _, up = await self.open(scripted, logs=node_pb2.LogOptions(tail_lines=1))
        data, status = await self.collect(up)
        assert (data, status.status) == ({Frame.STDOUT: b"two\n"}, "Success")

    async def test_logs_of_a_container_that_never_ran_say_why(self, ready: Any) -> None:
        _, up = await self.open(ready[0], logs=node_pb2.LogOptions(previous=True))
        _, status = await self.collect(up)
        assert status.message == 'previous terminated container "c0" in pod "web" not found'
        assert status.code == 400

    async def test_exec_gives_output_and_exit_code(self, master: Any, node: Any, build: Any) -> None:
        scripted: ScriptedMaster = master.scripted
        result = Command(output=[(1, b"out"), (2, b"err")], exit_code=7)
        node[1].behaviours["app:1"] = Behaviour(commands=lambda _: result)
        scripted.assign(node_object(), build.pod(), complete=True)
        await scripted.until(scripted.is_ready)
        _, up = await self.open(scripted, exec=node_pb2.ExecOptions(command=["x"], stdout=True, stderr=True))
        data, status = await self.collect(up)
        assert data == {Frame.STDOUT: b"out", Frame.STDERR: b"err"}
        assert status.reason == "NonZeroExitCode"
        assert status.details is not None
        assert [(c.reason, c.message) for c in status.details.causes] == [("ExitCode", "7")]

    async def test_exec_takes_input_until_it_is_closed(self, master: Any, node: Any, build: Any) -> None:
        scripted: ScriptedMaster = master.scripted
        node[1].behaviours["app:1"] = Behaviour(commands=lambda _: Command(echo=True))
        scripted.assign(node_object(), build.pod(), complete=True)
        await scripted.until(scripted.is_ready)
        down, up = await self.open(scripted, exec=node_pb2.ExecOptions(command=["cat"], stdin=True, stdout=True))
        down.put_nowait(Frame(channel=Frame.STDIN, data=b"hello"))
        down.put_nowait(Frame(channel=Frame.RESIZE, data=b'{"Width":80,"Height":24}'))
        down.put_nowait(Frame(channel=Frame.CLOSE, data=bytes([Frame.STDIN])))
        data, status = await self.collect(up)
        assert (data, status.status) == ({Frame.STDOUT: b"hello"}, "Success")

    async def test_a_pod_that_is_not_here_is_not_found(self, ready: Any) -> None:
        request = node_pb2.OpenStream(stream_id="s2", pod_name="x", pod_uid="x", logs=node_pb2.LogOptions())
        ready[0].out.put_nowait(node_pb2.MasterMessage(open_stream=request))
        await ready[0].until(lambda: "s2" in ready[0].streams)
        _, status = await self.collect(ready[0].streams["s2"][1])
        assert status.code == 404


class TestJoin:
    """The way to a certificate."""

    @pytest.fixture
    async def bootstrap(self, pki: Pki) -> AsyncIterator[str]:
        server = grpc.aio.server()
        add_BootstrapServicer_to_server(ScriptedMaster(pki), server)
        pair = pki.issue_server(server_hosts())
        chain = pair.certificate + pki.ca_pem
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(pair.key, chain)]))
        await server.start()
        yield f"localhost:{port}"
        await server.stop(0)

    async def test_a_token_gives_credentials_that_only_we_can_read(
        self, pki: Pki, bootstrap: str, tmp_path: Path
    ) -> None:
        token = "abcdef.0123456789abcdef"
        found = await asyncio.to_thread(join, bootstrap, "node-9", token, pki.ca_hash, tmp_path / "n9")
        certificate, key, ca = found.read()
        assert ca == pki.ca_pem
        assert b"CERTIFICATE" in certificate
        assert b"PRIVATE KEY" in key
        assert {p.stat().st_mode & 0o777 for p in (tmp_path / "n9").iterdir()} == {0o600}
        assert found.renew_at() > datetime.now(UTC) + timedelta(hours=1)

    async def test_another_authority_is_not_trusted(self, bootstrap: str, tmp_path: Path) -> None:
        with pytest.raises(JoinFailure, match="does not present the CA with the pin"):
            await asyncio.to_thread(join, bootstrap, "node-9", "a.b", "sha256:" + "0" * 64, tmp_path / "n9")
        assert not (tmp_path / "n9").exists()

    async def test_the_masters_words_are_told(self, pki: Pki, bootstrap: str, tmp_path: Path) -> None:
        with pytest.raises(JoinFailure, match="the token is not known"):
            await asyncio.to_thread(join, bootstrap, "node-9", "bad.token", pki.ca_hash, tmp_path / "n9")

    async def test_nobody_there(self, tmp_path: Path) -> None:
        with pytest.raises(JoinFailure, match="cannot reach the master"):
            await asyncio.to_thread(join, "localhost:1", "node-9", "a.b", "sha256:0", tmp_path / "n9")

    async def test_a_certificate_near_its_end_is_renewed(
        self, ready: Any, credentials: NodeCredentials, node: Any
    ) -> None:
        before = credentials.read()[0]
        (credentials.directory / "renew-at").write_text("2020-01-01T00:00:00Z")
        ready[0].hang_up.set()
        await ready[0].until(lambda: credentials.read()[0] != before and credentials.renew_at() > datetime.now(UTC))
