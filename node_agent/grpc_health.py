"""The gRPC health check (grpc.health.v1), with its two small messages written by hand."""

import asyncio

import grpc
import grpc.aio

from node_agent.handlers import OK, Outcome, Verdict

_METHOD = "/grpc.health.v1.Health/Check"
_SERVING = 1
_OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
"""The last, so that no probe inherits another's wait before a new connection."""


async def health(host: str, port: int, service: str, seconds: float) -> Outcome:
    """Ask a gRPC server whether the service serves, and give it so long to be reached and to answer."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    missed = f'failed to connect service "{target}"'
    try:
        async with asyncio.timeout(seconds), grpc.aio.insecure_channel(target, options=_OPTIONS) as channel:
            await channel.channel_ready()
            missed = "health rpc did not complete"
            call = channel.unary_unary(_METHOD, request_serializer=encode_request, response_deserializer=decode_status)
            status = await call(service)
    except TimeoutError:
        return Outcome(Verdict.FAILURE, f"timeout: {missed} within {seconds:g}s")
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            text = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            return Outcome(Verdict.FAILURE, f"{text}: {error.details()}")
        return Outcome(Verdict.FAILURE, f"error: health rpc probe failed: {error.details()}")
    if status == _SERVING:
        return OK
    names = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
    return Outcome(Verdict.FAILURE, f'service unhealthy (responded with "{names.get(status, str(status))}")')


def encode_request(service: str) -> bytes:
    """HealthCheckRequest{service = 1}."""
    data = service.encode()
    return b"\x0a" + _varint(len(data)) + data if data else b""


def decode_status(data: bytes) -> int:
    """HealthCheckResponse{status = 1}; absent is 0."""
    return data[1] if len(data) >= 2 and data[0] == 0x08 else 0


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
