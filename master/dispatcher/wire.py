"""The node protocol's messages to and from the types of the master. What makes no sense is `Garbage`."""

from dataclasses import dataclass
from typing import TypeVar

from master.dispatcher.assignments import Ref
from master.registry import streams
from timonel.api import codec
from timonel.api.errors import BadRequest, StatusError
from timonel.api.types import authentication_v1, core_v1
from timonel.rpc import node_pb2

T = TypeVar("T")


class Garbage(ValueError):
    """A node sent what the protocol has no meaning for; the text says what."""


@dataclass(frozen=True, slots=True)
class PodReport:
    """What a node says of one of its pods; `status` is None when it says only that it was removed."""

    ref: Ref
    uid: str
    status: core_v1.PodStatus | None
    removed: bool


@dataclass(frozen=True, slots=True)
class EventReport:
    """Something that a node tells the user."""

    regarding: core_v1.ObjectReference
    type: str
    reason: str
    text: str
    component: str


def node(hello: node_pb2.Hello) -> core_v1.Node:
    """The Node in a Hello."""
    return _decode(core_v1.Node, hello.node_json, "Hello.node_json")


def node_status(report: node_pb2.NodeReport) -> core_v1.NodeStatus:
    """The NodeStatus in a report."""
    return _decode(core_v1.NodeStatus, report.status_json, "NodeReport.status_json")


def pod_report(report: node_pb2.PodReport) -> PodReport:
    """The report on a pod."""
    if not (report.pod_namespace and report.pod_name and report.pod_uid):
        raise Garbage("a PodReport names no pod: namespace, name and uid are needed")
    if not (report.status_json or report.removed):
        raise Garbage(f"the PodReport of {report.pod_namespace}/{report.pod_name} says nothing")
    where = f"the status_json of pod {report.pod_namespace}/{report.pod_name}"
    status = _decode(core_v1.PodStatus, report.status_json, where) if report.status_json else None
    return PodReport(Ref("Pod", report.pod_namespace, report.pod_name), report.pod_uid, status, report.removed)


def event_report(report: node_pb2.EventReport) -> EventReport:
    """The report of an event."""
    regarding = _decode(core_v1.ObjectReference, report.involved_object_json, "EventReport.involved_object_json")
    if regarding.kind not in ("Pod", "Node") or not regarding.name:
        raise Garbage(
            f"an EventReport is about {regarding.kind} {regarding.name!r}: a node tells of Pods and Nodes only"
        )
    if report.type not in ("Normal", "Warning") or not report.reason:
        raise Garbage(f"an EventReport has type {report.type!r} and reason {report.reason!r}")
    return EventReport(regarding, report.type, report.reason, report.text, report.component or "kubelet")


def token_reply(request: int, status: authentication_v1.TokenRequestStatus) -> node_pb2.MasterMessage:
    """The answer to a token request that was granted."""
    expires = status.expirationTimestamp or ""
    return node_pb2.MasterMessage(token_reply=node_pb2.TokenReply(id=request, token=status.token, expires=expires))


def token_refusal(request: int, error: StatusError) -> node_pb2.MasterMessage:
    """The answer to one that was not."""
    return node_pb2.MasterMessage(token_reply=node_pb2.TokenReply(id=request, status_json=codec.encode(error.status())))


def open_stream(stream_id: str, target: streams.Target, request: streams.Request) -> node_pb2.MasterMessage:
    """The message that asks a node for a stream."""
    message = node_pb2.OpenStream(
        stream_id=stream_id,
        pod_namespace=target.namespace,
        pod_name=target.pod,
        pod_uid=target.uid,
        container=target.container,
    )
    match request:
        case streams.Logs():
            message.logs.CopyFrom(_logs(request))
        case streams.Exec():
            message.exec.CopyFrom(_exec(request, request.command))
        case streams.Attach():
            message.attach.CopyFrom(_exec(request, ()))
        case streams.PortForward():
            message.port_forward.CopyFrom(node_pb2.PortForward(port=request.port, host=request.host))
    return node_pb2.MasterMessage(open_stream=message)


def to_frame(frame: streams.Frame) -> node_pb2.Frame:
    """A frame for the wire."""
    return node_pb2.Frame(channel=node_pb2.Frame.Channel.ValueType(frame.channel), data=frame.data)


def from_frame(frame: node_pb2.Frame) -> streams.Frame:
    """A frame from the wire."""
    try:
        return streams.Frame(streams.Channel(frame.channel), frame.data)
    except ValueError:
        raise Garbage(f"a frame has the channel {frame.channel}, which a stream that is open does not use") from None


def _logs(request: streams.Logs) -> node_pb2.LogOptions:
    return node_pb2.LogOptions(
        follow=request.follow,
        previous=request.previous,
        timestamps=request.timestamps,
        tail_lines=request.tail_lines,
        limit_bytes=request.limit_bytes,
        since_seconds=request.since_seconds,
        since_time=request.since_time,
        stream=request.stream,
    )


def _exec(request: streams.Exec | streams.Attach, command: tuple[str, ...]) -> node_pb2.ExecOptions:
    return node_pb2.ExecOptions(
        command=command, stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, tty=request.tty
    )


def _decode(kind: type[T], raw: bytes, where: str) -> T:
    try:
        return codec.decode(kind, raw)
    except BadRequest as error:
        raise Garbage(f"{where} is not a {kind.__name__}: {error}") from error
