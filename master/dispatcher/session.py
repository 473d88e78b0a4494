"""One node's session: what it reports goes to the registry, what it needs goes to it."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc

from master.dispatcher import wire
from master.dispatcher.assignments import Ref
from master.dispatcher.eventlimit import EventLimit
from master.dispatcher.feed import Feed
from master.dispatcher.jobs import Jobs, TooManyJobs
from master.dispatcher.ledger import Ledger
from master.dispatcher.nodeapi import NodeApi
from master.dispatcher.peers import Context, Refused, receive
from master.dispatcher.usage import UsageBook
from master.dispatcher.wire import Garbage
from master.registry.recorder import EventRecorder
from master.store.base import StoreError
from timonel.api.errors import StatusError
from timonel.api.types import core_v1
from timonel.rpc import node_pb2
from timonel.tasks import end

log = logging.getLogger(__name__)

OUTBOX = 256
"""Requests to the node that may wait for it to read."""

WRITE_SECONDS = 20.0
"""How long the node may leave one message unread."""

WRITERS = 8
REPORTS = 4096
"""Pods whose reports may wait to be written."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What nodes are told of the cluster, and the pace of their heartbeats."""

    heartbeat_seconds: float = 2.0
    lease_seconds: int = 8
    """Without a heartbeat for so long, a node counts as lost."""
    cluster_domain: str = "cluster.local"
    cluster_cidr: str = ""
    service_cidr: str = ""
    cluster_id: str = ""


class Session:
    """The command stream of one node, after its Hello.

    What goes down is made from state when the node is ready to take it: a slow node misses intermediate states, and
    only requests are queued, within bounds.
    """

    def __init__(
        self,
        node: str,
        context: Context,
        api: NodeApi,
        feed: Feed,
        usage: UsageBook,
        recorder: EventRecorder,
        settings: Settings,
    ) -> None:
        self.node = node
        self._context = context
        self._api = api
        self._feed = feed
        self._usage = usage
        self._recorder = recorder
        self._settings = settings
        self._ledger = Ledger()
        self._outbox: deque[node_pb2.MasterMessage] = deque()
        self._wake = asyncio.Event()
        self._reports = Jobs(WRITERS, REPORTS)
        self._beats = Jobs(1, 1)
        self._limit = EventLimit()
        self._status: core_v1.NodeStatus | None = None
        self._why: Refused | None = None
        self._told_to_end = asyncio.Event()
        self._over = asyncio.Event()

    def send(self, message: node_pb2.MasterMessage) -> None:
        """Have `message` sent; a node that lets too many pile up loses its session."""
        if len(self._outbox) >= OUTBOX:
            self.end(Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{OUTBOX} requests were not read by the node"))
            return
        self._outbox.append(message)
        self._wake.set()

    def end(self, why: Refused) -> None:
        """End the session and tell the node why."""
        self._why = self._why or why
        self._told_to_end.set()

    async def until_over(self, seconds: float) -> None:
        """Wait until the session writes nothing any more, for at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            log.warning("node %s: its former session is slow to end", self.node)

    async def run(self, node: core_v1.Node) -> None:
        """Register the node and serve it until it goes.

        Raises:
            Refused: the session had to end; the text is for the node.
        """
        try:
            await self._register(node)
            await self._catch_up()
            self._feed.watch(self.node, self._wake.set)
            await _first_of(self._read(), self._write(), self._reports.run(), self._beats.run(), self._end_when_told())
        except Garbage as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"garbage: {error}") from error
        except TooManyJobs as error:
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
        finally:
            self._feed.unwatch(self.node, self._wake.set)
            self._over.set()

    async def _end_when_told(self) -> None:
        await self._told_to_end.wait()
        if self._why is not None:
            raise self._why

    async def _register(self, node: core_v1.Node) -> None:
        self._status = node.status
        try:
            await self._api.register(node)
            await self._api.renew_lease()
        except StatusError as error:
            code = grpc.StatusCode.UNAVAILABLE if error.retry else grpc.StatusCode.INVALID_ARGUMENT
            raise Refused(code, f"node {self.node} cannot be registered: {error}") from error

    async def _catch_up(self) -> None:
        try:
            await self._feed.fresh()
        except (StoreError, TimeoutError) as error:
            raise Refused(grpc.StatusCode.UNAVAILABLE, f"the store does not answer: {error}") from error

    # Down

    async def _write(self) -> None:
        settings = self._settings
        await self._send(
            node_pb2.MasterMessage(
                welcome=node_pb2.Welcome(
                    heartbeat_seconds=settings.heartbeat_seconds,
                    cluster_domain=settings.cluster_domain,
                    cluster_cidr=settings.cluster_cidr,
                    service_cidr=settings.service_cidr,
                    cluster_id=settings.cluster_id,
                )
            )
        )
        while True:
            assignments = self._ledger.next(self._feed.needed(self.node))
            if assignments is not None:
                await self._send(node_pb2.MasterMessage(assignments=assignments))
            while self._outbox:
                await self._send(self._outbox.popleft())
            await self._wake.wait()
            self._wake.clear()

    async def _send(self, message: node_pb2.MasterMessage) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._context.write(message)
        except TimeoutError:
            text = f"the node has read nothing for {WRITE_SECONDS:g} s"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text) from None
        except grpc.aio.BaseError as error:
            raise Refused(grpc.StatusCode.UNAVAILABLE, f"the connection broke off: {error}") from error

    # Up

    async def _read(self) -> None:
        while (message := await receive(self._context)) is not None:
            self._take(message)

    def _take(self, message: node_pb2.NodeMessage) -> None:
        match message.WhichOneof("message"):
            case "heartbeat":
                self._beat(message.heartbeat)
            case "node":
                self._status = wire.node_status(message.node)
                self._report_node()
            case "pods":
                for report in map(wire.pod_report, message.pods.pods):
                    self._reports.put(f"pod {report.uid}", partial(self._report_pod, report))
            case "events":
                for event in map(wire.event_report, message.events.events):
                    self._tell(event)
            case "resync":
                log.info("node %s asks for everything again: %s", self.node, message.resync.why)
                self._ledger.start_over()
                self._wake.set()
            case "token_request":
                request = message.token_request
                self._reports.put(f"token {request.id}", partial(self._mint, request))
            case "hello":
                raise Garbage("a second Hello")
            case _:
                raise Garbage("a message without content")

    def _beat(self, heartbeat: node_pb2.Heartbeat) -> None:
        self._usage.put(self.node, heartbeat, self._settings.heartbeat_seconds)
        self._beats.put("lease", self._api.renew_lease)
        self._report_node()

    def _report_node(self) -> None:
        if self._status is not None:
            self._reports.put("node", partial(self._api.write_node_status, self._status))

    async def _report_pod(self, report: wire.PodReport) -> None:
        if report.status is not None:
            await self._api.write_pod_status(report.ref, report.uid, report.status)
        if report.removed:
            await self._api.remove_pod(report.ref, report.uid)

    def _tell(self, event: wire.EventReport) -> None:
        if self._limit.allows(event.regarding.uid or event.regarding.name or ""):
            self._recorder.tell(
                event.regarding, event.type, event.reason, event.text, source=event.component, host=self.node
            )

    async def _mint(self, request: node_pb2.TokenRequest) -> None:
        pod = Ref("Pod", request.pod_namespace, request.pod_name)
        try:
            status = await self._api.mint_token(
                pod, request.pod_uid, request.service_account, request.audiences, request.expiration_seconds
            )
        except StatusError as error:
            self.send(wire.token_refusal(request.id, error))
        else:
            self.send(wire.token_reply(request.id, status))


async def _first_of(*parts: Coroutine[Any, Any, None]) -> None:
    """Run `parts` together until the first ends, by itself or by an error, which is raised; cancel the others."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks)
    for task in done:
        task.result()
