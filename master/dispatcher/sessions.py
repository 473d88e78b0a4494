"""The sessions of all nodes: who may hold one, and one a node."""

import asyncio
import logging

import grpc

from master.dispatcher import wire
from master.dispatcher.feed import Feed
from master.dispatcher.nodeapi import NodeApi
from master.dispatcher.peers import Context, Refused, node_of, receive
from master.dispatcher.session import Session, Settings
from master.dispatcher.streams import OpenStreams
from master.dispatcher.usage import UsageBook
from master.dispatcher.wire import Garbage
from master.registry.recorder import EventRecorder
from master.registry.verbs import Registry
from timonel.rpc import node_pb2

log = logging.getLogger(__name__)

HELLO_SECONDS = 10.0
HAND_OVER_SECONDS = 5.0


class Sessions:
    """Serves the Session calls, and knows which node is connected."""

    def __init__(self, registry: Registry, feed: Feed, recorder: EventRecorder, settings: Settings) -> None:
        self.usage = UsageBook()
        self.streams = OpenStreams(self.send)
        self._registry = registry
        self._feed = feed
        self._recorder = recorder
        self._settings = settings
        self._sessions: dict[str, Session] = {}

    def connected(self, node: str) -> bool:
        """Whether the node holds a session."""
        return node in self._sessions

    def send(self, node: str, message: node_pb2.MasterMessage) -> bool:
        """Send a message to a node; False when it has no session."""
        session = self._sessions.get(node)
        if session is None:
            return False
        session.send(message)
        return True

    def end_all(self, why: str) -> None:
        """End every session; nodes come back when there is a master again."""
        for session in self._sessions.values():
            session.end(Refused(grpc.StatusCode.UNAVAILABLE, why))

    async def serve(self, context: Context) -> None:
        """Serve one Session call from Hello to its end.

        Raises:
            Refused: it had to end; the text is for the node.
        """
        node = node_of(context)
        hello = await _hello(context, node)
        try:
            described = wire.node(hello)
        except Garbage as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        api = NodeApi(self._registry, node, self._settings.lease_seconds)
        session = Session(node, context, api, self._feed, self.usage, self._recorder, self._settings)
        former, self._sessions[node] = self._sessions.get(node), session
        try:
            if former is not None:
                former.end(
                    Refused(grpc.StatusCode.ABORTED, f"node {node} has opened a newer session ({hello.boot_id})")
                )
                await former.until_over(HAND_OVER_SECONDS)
            log.info("node %s: connected, agent %s", node, hello.agent_version)
            await session.run(described)
        finally:
            if self._sessions.get(node) is session:
                del self._sessions[node]
                self.usage.forget(node)
                self.streams.node_lost(node)
            log.info("node %s: a session has ended", node)


async def _hello(context: Context, node: str) -> node_pb2.Hello:
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            message = await receive(context)
    except TimeoutError:
        raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, f"no Hello within {HELLO_SECONDS:g} s") from None
    except Garbage as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"garbage instead of a Hello: {error}") from error
    if message is None or message.WhichOneof("message") != "hello":
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the first message of a session must be a Hello")
    hello: node_pb2.Hello = message.hello
    if hello.node_name != node:
        text = f'the certificate is that of node "{node}", but the Hello is from "{hello.node_name}"'
        raise Refused(grpc.StatusCode.PERMISSION_DENIED, text)
    return hello
