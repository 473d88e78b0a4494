"""Sessions over real mTLS: registration, heartbeats, assignments, reports, and what becomes of liars and of garbage."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from master.registry.base import DeleteOptions, component
from timonel.api.types import coordination_v1, core_v1
from timonel.rpc import node_pb2

ADMIN = component("test")


def report(pod: core_v1.Pod, status: dict[str, Any] | None = None, **fields: Any) -> node_pb2.PodReports:
    raw = json.dumps(status).encode() if status is not None else b""
    identity = {"pod_namespace": "default", "pod_name": pod.metadata.name, "pod_uid": pod.metadata.uid}
    return node_pb2.PodReports(pods=[node_pb2.PodReport(**{**identity, "status_json": raw, **fields})])


# The Node and its Lease


async def test_hello_makes_the_node_and_its_lease(master: Any) -> None:
    session = await master.connect("n1", described=master.node_json("n1", labels={"zone": "a"}))
    assert session.welcome.heartbeat_seconds == 0.5
    assert session.welcome.cluster_id == "test"
    node = await master.eventually(core_v1.Node, "", "n1", lambda node: node and node.status.conditions)
    assert node.metadata.labels.items() >= {"kubernetes.io/hostname": "n1", "zone": "a"}.items()
    assert node.status.capacity["pods"] == "110"
    assert node.status.conditions[0].lastHeartbeatTime
    lease = await master.find(coordination_v1.Lease, "kube-node-lease", "n1")
    assert lease.spec.holderIdentity == "n1"
    assert lease.metadata.ownerReferences[0].uid == node.metadata.uid
    await session.holds("Node", "n1")


async def test_a_heartbeat_renews_the_lease_and_brings_usage(master: Any) -> None:
    session = await master.connect("n1")
    before = await master.find(coordination_v1.Lease, "kube-node-lease", "n1")
    usage = node_pb2.Usage(cpu_nanocores=5, memory_working_set_bytes=7)
    pod = node_pb2.PodUsage(pod_namespace="default", pod_name="web", pod_uid="u", containers={"c": usage})
    await session.send(heartbeat=node_pb2.Heartbeat(node_usage=usage, pod_usage=[pod]))
    await master.eventually(
        coordination_v1.Lease, "kube-node-lease", "n1", lambda lease: lease.spec.renewTime > before.spec.renewTime
    )
    (node,) = master.dispatcher.usage.nodes()
    assert (node.node, node.usage.cpu_nanocores, node.usage.memory_bytes) == ("n1", 5, 7)
    (found,) = master.dispatcher.usage.pods("default")
    assert found.containers["c"].memory_bytes == 7
    assert not master.dispatcher.usage.pods("other")


async def test_a_lost_connection_writes_nothing(master: Any) -> None:
    session = await master.connect("n1")
    lease = await master.find(coordination_v1.Lease, "kube-node-lease", "n1")
    node = await master.find(core_v1.Node, "", "n1")
    session.call.cancel()

    async def gone() -> bool:
        return not master.dispatcher.connected("n1")

    await master.until(gone, "the session ends")
    assert await master.find(coordination_v1.Lease, "kube-node-lease", "n1") == lease
    assert await master.find(core_v1.Node, "", "n1") == node
    assert not master.dispatcher.usage.nodes()


async def test_what_a_user_changed_on_the_node_stays(master: Any) -> None:
    described = master.node_json("n1", labels={"zone": "a"})
    first = await master.connect("n1", described=described)
    node = await master.find(core_v1.Node, "", "n1")
    node.metadata.labels["zone"] = "b"
    node.metadata.labels["kubernetes.io/hostname"] = "wrong"
    node.spec.taints = [core_v1.Taint(key="mine", effect="NoSchedule")]
    node.spec.unschedulable = True
    await master.registry.update(ADMIN, core_v1.Node, "", "n1", node)
    first.call.cancel()
    await master.connect("n1", described=described)
    node = await master.find(core_v1.Node, "", "n1")
    assert node.metadata.labels["zone"] == "b"
    assert node.metadata.labels["kubernetes.io/hostname"] == "n1"
    assert "mine" in {taint.key for taint in node.spec.taints}
    assert node.spec.unschedulable


async def test_a_deleted_node_is_registered_again_at_the_next_hello(master: Any) -> None:
    first = await master.connect("n1")
    old = await master.find(core_v1.Node, "", "n1")
    await master.registry.delete(ADMIN, core_v1.Node, "", "n1")
    await first.send(heartbeat=node_pb2.Heartbeat())
    await first.holds("Node")
    first.call.cancel()
    await master.connect("n1")
    assert (await master.find(core_v1.Node, "", "n1")).metadata.uid != old.metadata.uid


async def test_node_status_is_written_when_it_changes(master: Any) -> None:
    session = await master.connect("n1")
    before = await master.find(core_v1.Node, "", "n1")
    same = node_pb2.NodeReport(status_json=json.dumps(master.node_status()).encode())
    await session.send(node=same)
    other = node_pb2.NodeReport(status_json=json.dumps(master.node_status("False", "no Docker")).encode())
    await session.send(node=other)
    node = await master.eventually(core_v1.Node, "", "n1", lambda n: n.status.conditions[0].status == "False")
    assert node.status.conditions[0].message == "no Docker"
    assert int(node.metadata.resourceVersion) > int(before.metadata.resourceVersion)


async def test_a_node_that_others_called_lost_says_that_it_lives(master: Any) -> None:
    session = await master.connect("n1")
    node = await master.find(core_v1.Node, "", "n1")
    node.status.conditions[0].status = "Unknown"
    node.status.conditions.append(core_v1.NodeCondition(type="Mine", status="True"))
    await master.registry.update(ADMIN, core_v1.Node, "", "n1", node, subresource="status")

    async def healed() -> bool:
        await session.send(heartbeat=node_pb2.Heartbeat())
        conditions = (await master.find(core_v1.Node, "", "n1")).status.conditions
        return {c.type: c.status for c in conditions} == {"Ready": "True", "Mine": "True"}

    await master.until(healed, "the Ready condition is True again")


# Assignments


async def test_a_node_gets_its_pods_with_what_they_use_and_nothing_else(master: Any) -> None:
    session = await master.connect("n1")
    for name in ("mine", "other"):
        await master.make(core_v1.Secret, "default", name, data={"k": "dg=="})
    reference = {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "k"}}}]}
    await master.pod("web", "n1", container=reference)
    await master.pod("elsewhere", "n2")
    await session.holds("Pod", "web")
    await session.holds("Secret", "mine")

    await master.make(core_v1.Service, "default", "api", spec={"ports": [{"port": 80}]})
    await session.holds("Service", "api")

    secret = await master.find(core_v1.Secret, "default", "mine")
    secret.data["k"] = "bmV3"
    await master.registry.update(ADMIN, core_v1.Secret, "default", "mine", secret)

    async def sees_the_change() -> bool:
        return session.held["Secret", "default", "mine"]["data"]["k"] == "bmV3"

    await master.until(sees_the_change)

    await master.registry.delete(ADMIN, core_v1.Pod, "default", "web", DeleteOptions(grace_seconds=0))
    await session.holds("Pod")
    await session.holds("Secret")
    await session.holds("Service")
    assert (session.completes, session.gaps) == (1, 0)


async def test_a_secret_made_after_the_pod_arrives(master: Any) -> None:
    session = await master.connect("n1")
    await master.pod("web", "n1", volumes=[{"name": "v", "secret": {"secretName": "late"}}])
    await session.holds("Pod", "web")
    await master.make(core_v1.Secret, "default", "late")
    await session.holds("Secret", "late")


async def test_resync_sends_everything_again(master: Any) -> None:
    session = await master.connect("n1")
    await master.pod("web", "n1")
    await session.holds("Pod", "web")
    session.held.clear()
    await session.send(resync=node_pb2.Resync(why="a test"))
    await session.holds("Pod", "web")
    await session.holds("Node", "n1")
    assert session.completes == 2
    await master.pod("second", "n1")
    await session.holds("Pod", "web", "second")
    assert session.gaps == 0


# Reports


async def test_pod_status_is_written_and_others_conditions_stay(master: Any) -> None:
    session = await master.connect("n1")
    pod = await master.pod("web", "n1")
    pod.status.conditions = [core_v1.PodCondition(type="Gate", status="True")]
    await master.registry.update(ADMIN, core_v1.Pod, "default", "web", pod, subresource="status")
    status = {"phase": "Running", "podIP": "10.0.0.2", "conditions": [{"type": "Ready", "status": "True"}]}
    await session.send(pods=report(pod, status))
    pod = await master.eventually(core_v1.Pod, "default", "web", lambda pod: pod.status.phase == "Running")
    assert pod.status.podIP == "10.0.0.2"
    assert {c.type: c.status for c in pod.status.conditions} == {"Ready": "True", "Gate": "True"}


async def test_the_newest_of_many_reports_is_what_stays(master: Any) -> None:
    session = await master.connect("n1")
    pod = await master.pod("web", "n1")
    for number in range(50):
        await session.send(pods=report(pod, {"phase": "Running", "message": str(number)}))
    await master.eventually(core_v1.Pod, "default", "web", lambda pod: pod.status.message == "49")


async def test_reports_go_back_and_forth(master: Any) -> None:
    """A status that returns to what it was before must not be taken for one that is written already."""
    session = await master.connect("n1")
    pod = await master.pod("web", "n1")
    for round_ in range(10):
        wanted = str(round_ % 2)
        await session.send(pods=report(pod, {"phase": "Running", "message": wanted}))
        await master.eventually(core_v1.Pod, "default", "web", lambda p, w=wanted: p.status.message == w)


async def test_reports_of_pods_that_are_gone_or_anothers_do_no_harm(master: Any) -> None:
    session = await master.connect("n1")
    mine, other = await master.pod("mine", "n1"), await master.pod("other", "n2")
    running = {"phase": "Running"}
    await session.send(pods=report(other, running))
    await session.send(pods=report(mine, running, pod_uid="of-a-former-pod"))
    await session.send(pods=report(mine, running, pod_name="absent"))
    await session.send(pods=report(mine, {"phase": "Failed"}))
    await master.eventually(core_v1.Pod, "default", "mine", lambda pod: pod.status.phase == "Failed")
    assert (await master.find(core_v1.Pod, "default", "other")).status.phase != "Running"


async def test_a_removed_pod_goes_if_it_was_deleted(master: Any) -> None:
    session = await master.connect("n1")
    kept, deleted = await master.pod("kept", "n1"), await master.pod("deleted", "n1")
    await master.registry.delete(ADMIN, core_v1.Pod, "default", "deleted", DeleteOptions(grace_seconds=30))
    await session.send(pods=report(kept, removed=True))
    await session.send(pods=report(deleted, {"phase": "Failed"}, removed=True))
    await master.eventually(core_v1.Pod, "default", "deleted", lambda pod: pod is None)
    await session.holds("Pod", "kept")
    assert await master.find(core_v1.Pod, "default", "kept")


async def test_events_are_written_once_and_counted(master: Any) -> None:
    session = await master.connect("n1")
    pod = await master.pod("web", "n1")
    regarding = {"kind": "Pod", "namespace": "default", "name": "web", "uid": pod.metadata.uid}
    event = node_pb2.EventReport(
        involved_object_json=json.dumps(regarding).encode(), type="Warning", reason="BackOff", text="again"
    )
    await session.send(events=node_pb2.EventReports(events=[event] * 40))

    async def counted() -> core_v1.Event | None:
        listed = await master.registry.list(ADMIN, core_v1.Event, "default")
        events = [json.loads(raw) for raw in listed.items]
        assert len(events) <= 1
        return events[0] if events and events[0]["count"] == 25 else None

    found = await master.until(counted, "one Event that stands for the 25 of the burst")
    assert (found["source"], found["reason"]) == ({"component": "kubelet", "host": "n1"}, "BackOff")


# Tokens


async def test_a_node_gets_tokens_for_its_own_pods_only(master: Any) -> None:
    session = await master.connect("n1")
    mine, other = [await master.pod(*at, serviceAccountName="default") for at in (("mine", "n1"), ("other", "n2"))]
    for number, pod in enumerate([mine, other]):
        request = node_pb2.TokenRequest(
            id=number,
            pod_namespace="default",
            pod_name=pod.metadata.name,
            pod_uid=pod.metadata.uid,
            service_account="default",
            expiration_seconds=3600,
        )
        await session.send(token_request=request)

    async def both() -> bool:
        return len(session.replies) == 2

    await master.until(both, "two replies")
    replies = {reply.id: reply for reply in session.replies}
    assert replies[0].token.count(".") == 2
    assert replies[0].expires
    refusal = json.loads(replies[1].status_json)
    assert (refusal["code"], refusal["reason"], replies[1].token) == (403, "Forbidden", "")


# Liars, garbage and newer sessions


async def test_a_node_with_anothers_certificate_is_refused(master: Any) -> None:
    victim = await master.connect("n2")
    session = await master.open(await master.stub(master.certificate("n1")))
    await session.send(hello=node_pb2.Hello(node_name="n2", node_json=master.node_json("n2")))
    code, text = await session.refusal()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert '"n1"' in text
    assert '"n2"' in text
    await master.pod("web", "n2")
    await victim.holds("Pod", "web")


def messages(master: Any) -> dict[str, node_pb2.NodeMessage]:
    event = node_pb2.EventReport(involved_object_json=b'{"kind":"Secret","name":"x"}', type="Normal", reason="R")
    nameless = node_pb2.PodReport(pod_uid="u", status_json=b"{}")
    return {
        "empty": node_pb2.NodeMessage(),
        "a second hello": node_pb2.NodeMessage(hello=node_pb2.Hello(node_name="n1")),
        "bad json": node_pb2.NodeMessage(node=node_pb2.NodeReport(status_json=b"{")),
        "bad type": node_pb2.NodeMessage(node=node_pb2.NodeReport(status_json=b'{"conditions":3}')),
        "nameless pod": node_pb2.NodeMessage(pods=node_pb2.PodReports(pods=[nameless])),
        "event about a secret": node_pb2.NodeMessage(events=node_pb2.EventReports(events=[event])),
    }


async def drain(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


@pytest.mark.parametrize(
    "what", ["empty", "a second hello", "bad json", "bad type", "nameless pod", "event about a secret", "bytes"]
)
async def test_garbage_ends_the_stream_and_nothing_else(master: Any, what: str) -> None:
    neighbour = await master.connect("n2")
    channel = await master.channel(master.certificate("n1"), master.dispatcher.node_port)
    call = channel.stream_stream("/timonel.node.v1.Node/Session")()
    hello = node_pb2.NodeMessage(hello=node_pb2.Hello(node_name="n1", node_json=master.node_json("n1")))
    await call.write(hello.SerializeToString())
    await call.read()
    await call.write(b"\xff\xff\xff" if what == "bytes" else messages(master)[what].SerializeToString())
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await asyncio.wait_for(drain(call), 5)
    assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "garbage" in ended.value.details()
    await master.pod("web", "n2")
    await neighbour.holds("Pod", "web")
    await master.connect("n1")


@pytest.mark.parametrize("described", [b"", b"{", b'{"metadata":[]}'])
async def test_garbage_for_a_node_is_refused_at_hello(master: Any, described: bytes) -> None:
    session = await master.open(await master.stub(master.certificate("n1")))
    await session.send(hello=node_pb2.Hello(node_name="n1", node_json=described))
    code, text = await session.refusal()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "Node" in text
    assert await master.find(core_v1.Node, "", "n1") is None


async def test_a_newer_session_takes_the_place_of_the_older(master: Any) -> None:
    older = await master.connect("n1")
    newer = await master.connect("n1")
    code, text = await older.refusal()
    assert code is grpc.StatusCode.ABORTED
    assert "newer session" in text
    await master.pod("web", "n1")
    await newer.holds("Pod", "web")
    assert master.dispatcher.connected("n1")


async def test_closing_the_master_tells_the_nodes(master: Any) -> None:
    session = await master.connect("n1")
    await master.dispatcher.close()
    code, text = await session.refusal()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "stopping" in text
    await master.dispatcher.close()


async def test_a_node_that_reads_nothing_loses_its_session(master: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.dispatcher.session.WRITE_SECONDS", 0.3)
    neighbour = await master.connect("n2")
    for number in range(16):
        await master.make(core_v1.ConfigMap, "default", f"big{number}", data={"k": "x" * 900_000})
    await master.pod("web", "n1", volumes=[{"name": f"v{i}", "configMap": {"name": f"big{i}"}} for i in range(16)])
    stub = await master.stub(master.certificate("n1"))
    call = stub.Session()
    hello = node_pb2.Hello(node_name="n1", node_json=master.node_json("n1"))
    await call.write(node_pb2.NodeMessage(hello=hello))

    async def node_exists() -> object:
        return await master.find(core_v1.Node, "", "n1")

    async def lost() -> bool:
        return not master.dispatcher.connected("n1")

    await master.until(node_exists)
    await master.until(lost, "the session ends")
    await master.pod("other", "n2")
    await neighbour.holds("Pod", "other")
    call.cancel()


async def test_requests_that_a_node_leaves_unread_are_bounded(master: Any) -> None:
    session = await master.connect("n1")
    for _ in range(10_000):
        master.dispatcher._sessions.send("n1", node_pb2.MasterMessage(token_reply=node_pb2.TokenReply(token="x" * 99)))
    code, text = await session.refusal()
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "not read" in text
