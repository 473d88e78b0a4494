"""The node's side of the session: dial the master, take assignments in, report, and come back after every loss."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from node_agent.agent import Agent
from node_agent.assignments import OutOfStep
from node_agent.credentials import NodeCredentials
from node_agent.outbox import Outbox
from node_agent.streams import StreamServer
from node_agent.tokens import TokenClient
from timonel.rpc import node_pb2
from timonel.rpc.channel import CLIENT_OPTIONS
from timonel.rpc.node_pb2_grpc import NodeStub
from timonel.tasks import end

if TYPE_CHECKING:
    from timonel.rpc.node_pb2_grpc import NodeAsyncStub

logger = logging.getLogger(__name__)

WELCOME_SECONDS = 10.0
COALESCE_SECONDS = 0.015
"""Reports that come so soon after the last go out together."""

FIRST_RETRY = 0.2
LONGEST_RETRY = 5.0
RENEW_RETRY = 60.0

Call = grpc.aio.StreamStreamCall[node_pb2.NodeMessage, node_pb2.MasterMessage]


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What the session connects."""

    agent: Agent
    outbox: Outbox
    tokens: TokenClient
    streams: StreamServer
    hello: Callable[[], Awaitable[node_pb2.Hello]]
    heartbeat: Callable[[], Awaitable[node_pb2.Heartbeat]]
    welcomed: Callable[[node_pb2.Welcome], None]


class Session:
    """Holds one session with the master for as long as the agent lives."""

    def __init__(self, address: str, credentials: NodeCredentials, parts: SessionParts) -> None:
        self._address = address
        self._credentials = credentials
        self._parts = parts
        self._connected = False
        self._resyncing = False
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether the master has welcomed us and has not been lost since."""
        return self._connected

    def start(self) -> None:
        """Begin to dial."""
        self._task = asyncio.create_task(self._hold(), name="session")

    async def close(self) -> None:
        """Hang up; pods run on."""
        self._closing = True
        if self._task is not None:
            await end([self._task])
        await self._parts.streams.close()

    async def _hold(self) -> None:
        delay = FIRST_RETRY
        while True:
            try:
                await self._talk()
            except* (grpc.RpcError, OSError, TimeoutError, ValueError, asyncio.InvalidStateError) as errors:
                self._tell(_words(errors))
            except* Exception:
                logger.exception("the session with %s failed", self._address)
            if self._closing:
                return  # a task group whose parts failed as well raises their failures in place of the cancellation
            delay = FIRST_RETRY if self._connected else min(delay * 2, LONGEST_RETRY)
            self._connected = False
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # spreading, not secrecy

    def _tell(self, why: str) -> None:
        """Log why there is no session, once for each outage and reason."""
        if self._connected or why != self._trouble:
            logger.warning("no session with %s: %s", self._address, why)
        self._trouble = why

    async def _talk(self) -> None:
        """One session, from dialling to its end. Raises ExceptionGroup."""
        certificate, key, ca = self._credentials.read()
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        async with grpc.aio.secure_channel(self._address, credentials, options=CLIENT_OPTIONS) as channel:
            stub = NodeStub(channel)
            call: Call = stub.Session()  # type: ignore[call-arg]  # the stubs do not know calls that are written to
            try:
                welcome = await self._greet(call)
                self._connected = True
                logger.info("connected to %s", self._address)
                self._parts.welcomed(welcome)
                self._parts.outbox.reconnected()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._send(call))
                    tasks.create_task(self._receive(call, stub))
                    tasks.create_task(self._beat(welcome.heartbeat_seconds or 2.0))
                    tasks.create_task(self._renew(stub))
            finally:
                call.cancel()

    async def _greet(self, call: Call) -> node_pb2.Welcome:
        async with asyncio.timeout(WELCOME_SECONDS):
            await call.write(node_pb2.NodeMessage(hello=await self._parts.hello()))
            message = await call.read()
        if not isinstance(message, node_pb2.MasterMessage):
            raise OSError("the master hung up before its welcome")
        if message.WhichOneof("message") != "welcome":
            raise ValueError("the master's first message is no welcome")
        return message.welcome

    async def _send(self, call: Call) -> None:
        """Send at once what comes after a pause, and together what comes in a burst."""
        outbox = self._parts.outbox
        while True:
            await outbox.filled.wait()
            for message in outbox.drain():
                await call.write(message)
            await asyncio.sleep(COALESCE_SECONDS)

    async def _receive(self, call: Call, stub: "NodeAsyncStub") -> None:
        while True:
            message = await call.read()
            if not isinstance(message, node_pb2.MasterMessage):
                raise OSError("the master hung up")
            match message.WhichOneof("message"):
                case "assignments":
                    self._take(message.assignments)
                case "token_reply":
                    self._parts.tokens.take(message.token_reply)
                case "open_stream":
                    self._parts.streams.open(stub, message.open_stream)
                case other:
                    logger.warning("the master sent %s, which this agent does not know", other)

    def _take(self, message: node_pb2.Assignments) -> None:
        complete = message.type == node_pb2.Assignments.COMPLETE
        if self._resyncing and not complete:
            return
        try:
            self._parts.agent.take(message)
            self._resyncing = False
        except OutOfStep as why:
            logger.warning("asking for all assignments again: %s", why)
            self._resyncing = True
            self._parts.outbox.message(node_pb2.NodeMessage(resync=node_pb2.Resync(why=str(why))))

    async def _beat(self, seconds: float) -> None:
        while True:
            self._parts.outbox.message(node_pb2.NodeMessage(heartbeat=await self._parts.heartbeat()))
            await asyncio.sleep(seconds)

    async def _renew(self, stub: "NodeAsyncStub") -> None:
        """Renew the certificate when most of its life has passed; the next session uses it."""
        while True:
            left = (self._credentials.renew_at() - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(min(max(left, 0.0), 24 * 3600.0))
            if left > 24 * 3600:
                continue
            try:
                await self._renew_now(stub)
            except (grpc.RpcError, OSError, ValueError) as error:
                logger.warning("the certificate could not be renewed, trying again soon: %s", error)
                await asyncio.sleep(RENEW_RETRY)

    async def _renew_now(self, stub: "NodeAsyncStub") -> None:
        from node_agent.join import JoinFailure, signing_request, store  # needs cryptography, rarely

        name = (await self._parts.hello()).node_name
        key, request = await asyncio.to_thread(signing_request, name)
        reply = await stub.Renew(node_pb2.RenewRequest(csr_pem=request), timeout=WELCOME_SECONDS)
        try:
            await asyncio.to_thread(store, self._credentials.directory, key, reply)
        except JoinFailure as error:
            raise ValueError(str(error)) from error
        logger.info("the node's certificate is renewed")


def _words(errors: BaseExceptionGroup[BaseException]) -> str:
    """The first error's text; the others follow from it."""
    first = errors.exceptions[0]
    if isinstance(first, BaseExceptionGroup):
        return _words(first)
    text = first.details() if isinstance(first, grpc.aio.AioRpcError) else str(first)
    return text or type(first).__name__
