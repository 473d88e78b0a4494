"""Calls to an etcd cluster over gRPC: endpoints with fail-over, deadlines, and the store's own errors."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from master.store.base import (
    Compacted,
    Corrupt,
    LeaseEnded,
    NoSpace,
    OutcomeUnknown,
    StoreError,
    TooLarge,
    Unavailable,
)
from timonel.rpc import etcd_pb2 as pb

TRY_TIMEOUT = 2.0
"""Seconds after which a read is tried at the next endpoint."""

CALL_TIMEOUT = 5.0
"""Seconds after which a call is given up."""

PAUSE = 0.1
"""Seconds between rounds over all endpoints."""

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # etcd closes connections that are pinged more often than every 5 s.
    ("grpc.keepalive_time_ms", 6_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
]

_NOT_SENT = "failed to connect to all addresses"
"""How gRPC begins the details of a call that never left this process."""


Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class Method(Generic[Request, Response]):
    """An RPC by its path, since etcd's service names are not those of our protobuf package."""

    def __init__(self, path: str, request: type[Request], response: type[Response]) -> None:
        self.path = path
        self.serializer = request.SerializeToString
        self.deserializer = response.FromString


RANGE = Method("/etcdserverpb.KV/Range", pb.RangeRequest, pb.RangeResponse)
TXN = Method("/etcdserverpb.KV/Txn", pb.TxnRequest, pb.TxnResponse)
COMPACT = Method("/etcdserverpb.KV/Compact", pb.CompactionRequest, pb.CompactionResponse)
WATCH = Method("/etcdserverpb.Watch/Watch", pb.WatchRequest, pb.WatchResponse)
GRANT = Method("/etcdserverpb.Lease/LeaseGrant", pb.LeaseGrantRequest, pb.LeaseGrantResponse)
REVOKE = Method("/etcdserverpb.Lease/LeaseRevoke", pb.LeaseRevokeRequest, pb.LeaseRevokeResponse)
KEEP_ALIVE = Method("/etcdserverpb.Lease/LeaseKeepAlive", pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse)
STATUS = Method("/etcdserverpb.Maintenance/Status", pb.StatusRequest, pb.StatusResponse)
DEFRAGMENT = Method("/etcdserverpb.Maintenance/Defragment", pb.DefragmentRequest, pb.DefragmentResponse)
ALARM = Method("/etcdserverpb.Maintenance/Alarm", pb.AlarmRequest, pb.AlarmResponse)


@dataclass(frozen=True, slots=True)
class TLS:
    """PEM texts: the CA of the servers' certificates, and this client's own certificate and key if they ask for one."""

    ca: bytes
    certificate: bytes | None = None
    key: bytes | None = None


class Client:
    """One connection an endpoint (``host:port``), of which one at a time is used."""

    def __init__(self, endpoints: Sequence[str], tls: TLS | None = None) -> None:
        self.endpoints = tuple(endpoints)
        self._channels = [_channel(endpoint, tls) for endpoint in endpoints]
        self._current = 0
        self._closed = False

    async def read(self, method: Method[Request, Response], request: Request) -> Response:
        """Call what may be repeated: at one endpoint after the other, until `CALL_TIMEOUT`.

        Raises:
            StoreError: what etcd refused; `Unavailable` when no endpoint answered.
        """
        return await self._call(method, request, TRY_TIMEOUT, repeatable=True)

    async def write(self, method: Method[Request, Response], request: Request) -> Response:
        """Call what may not be repeated: at another endpoint only if it certainly was not sent.

        Raises:
            StoreError: what etcd refused; `Unavailable` when it was never sent; `OutcomeUnknown` when no answer came.
        """
        return await self._call(method, request, CALL_TIMEOUT, repeatable=False)

    async def _call(
        self, method: Method[Request, Response], request: Request, timeout: float, *, repeatable: bool
    ) -> Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CALL_TIMEOUT
        tries = 0
        while True:
            self._check_open()
            at = self._current
            call = self._channels[at].unary_unary(method.path, method.serializer, method.deserializer)
            try:
                return await call(request, timeout=min(timeout, max(deadline - loop.time(), 0.1)))  # type: ignore[no-any-return]
            except grpc.aio.AioRpcError as error:
                translated = _translated(error, self.endpoints[at], maybe_applied=not repeatable)
                silent = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
                if silent:
                    self._leave(at)
                if not silent or isinstance(translated, OutcomeUnknown) or loop.time() >= deadline:
                    raise translated from error
            tries += 1
            if tries % len(self._channels) == 0:
                await asyncio.sleep(PAUSE)

    def _leave(self, endpoint: int) -> None:
        if self._current == endpoint:
            self._current = (endpoint + 1) % len(self._channels)

    async def at(
        self, endpoint: int, method: Method[Request, Response], request: Request, timeout: float = CALL_TIMEOUT
    ) -> Response:
        """Call one endpoint, once; raises as `read`."""
        self._check_open()
        call = self._channels[endpoint].unary_unary(method.path, method.serializer, method.deserializer)
        try:
            return await call(request, timeout=timeout)  # type: ignore[no-any-return]
        except grpc.aio.AioRpcError as error:
            raise _translated(error, self.endpoints[endpoint], maybe_applied=False) from error

    async def stream(
        self, method: Method[Request, Response], request: Request, timeout: float | None = None
    ) -> AsyncGenerator[Response, None]:
        """Send ``request`` on a stream and yield the answers until the stream is closed.

        Raises:
            StoreError: as `read`; `Unavailable` also where the other end closes the stream.
        """
        self._check_open()
        at = self._current
        start = self._channels[at].stream_stream(method.path, method.serializer, method.deserializer)
        # Without this, a member that has lost its cluster would keep the stream open in silence.
        # grpc-stubs ask for an iterator, which grpc itself does not: messages are written one by one.
        call = start(timeout=timeout, metadata=(("hasleader", "true"),))  # type: ignore[call-arg]
        try:
            await call.write(request)
            async for response in call:
                yield response
            self._leave(at)
            raise Unavailable(f"etcd at {self.endpoints[at]} closed a stream")
        except grpc.aio.AioRpcError as error:
            self._leave(at)
            raise _translated(error, self.endpoints[at], maybe_applied=False) from error
        except asyncio.InvalidStateError as error:  # what `write` raises on a stream that has failed
            self._leave(at)
            raise Unavailable(f"etcd at {self.endpoints[at]} closed a stream") from error
        finally:
            call.cancel()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")

    async def close(self) -> None:
        """Close every connection; calls under way end."""
        self._closed = True
        await asyncio.gather(*(channel.close(None) for channel in self._channels))


def _channel(endpoint: str, tls: TLS | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    return grpc.aio.secure_channel(endpoint, credentials, options=_OPTIONS)


def _translated(error: grpc.aio.AioRpcError, endpoint: str, *, maybe_applied: bool) -> StoreError | ValueError:
    """The store's word for what etcd or gRPC said; the texts are those of etcd's rpctypes."""
    said = error.details() or error.code().name
    message = f"etcd at {endpoint}: {said}"
    match error.code():
        case grpc.StatusCode.OUT_OF_RANGE if "compacted" in said:
            return Compacted(0)
        case grpc.StatusCode.OUT_OF_RANGE:
            return Unavailable(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED if "space exceeded" in said:
            return NoSpace(f"{message}; free space or raise its quota")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Unavailable(message)
        case grpc.StatusCode.NOT_FOUND if "lease" in said:
            return LeaseEnded(message)
        case grpc.StatusCode.INVALID_ARGUMENT if "too large" in said or "too many" in said:
            return TooLarge(message)
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.UNIMPLEMENTED:
            return ValueError(message)
        case grpc.StatusCode.DATA_LOSS:
            return Corrupt(message)
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return Unavailable(message)
    if maybe_applied and not said.startswith(_NOT_SENT):
        return OutcomeUnknown(message)
    return Unavailable(message)
