"""The gRPC health check (grpc.health.v1), with its two small messages written by hand."""

import grpc
import grpc.aio

from node_agent.handlers import OK, Outcome, Verdict

_METHOD = "/grpc.health.v1.Health/Check"
_SERVING = 1


async def health(host: str, port: int, service: str) -> Outcome:
    """Ask a gRPC server whether the service serves; the caller sets the deadline."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    async with grpc.aio.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary(_METHOD, request_serializer=encode_request, response_deserializer=decode_status)
        try:
            status = await call(service)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                text = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
                return Outcome(Verdict.FAILURE, f"{text}: {error.details()}")
            return Outcome(Verdict.FAILURE, f"health rpc failed: {error.details()}")
    if status == _SERVING:
        return OK
    names = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
    return Outcome(Verdict.FAILURE, f"service unhealthy (responded with {names.get(status, str(status))!r})")


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
