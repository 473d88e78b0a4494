"""Service account tokens, asked of the master through the session."""

import asyncio
from collections.abc import Callable

from node_agent.volumes.base import Token
from timonel.api import codec
from timonel.api.time import parse
from timonel.api.types import core_v1, meta_v1
from timonel.rpc import node_pb2

REPLY_SECONDS = 10.0


class TokenClient:
    """Sends requests and matches the replies; implements volumes.base.Tokens."""

    def __init__(self, send: Callable[[node_pb2.NodeMessage], None]) -> None:
        self._send = send
        self._awaited: dict[int, asyncio.Future[node_pb2.TokenReply]] = {}
        self._last = 0

    async def request(self, pod: core_v1.Pod, audience: str, seconds: int) -> Token:
        """A token for the pod's service account. Raises TimeoutError, or LookupError with the master's words."""
        self._last += 1
        number = self._last
        reply: asyncio.Future[node_pb2.TokenReply] = asyncio.get_running_loop().create_future()
        self._awaited[number] = reply
        request = node_pb2.TokenRequest(
            id=number,
            pod_namespace=pod.metadata.namespace,
            pod_name=pod.metadata.name,
            pod_uid=pod.metadata.uid,
            service_account=pod.spec.serviceAccountName or "default",
            audiences=[audience] if audience else [],
            expiration_seconds=seconds,
        )
        try:
            self._send(node_pb2.NodeMessage(token_request=request))
            async with asyncio.timeout(REPLY_SECONDS):
                return _token(await reply)
        finally:
            del self._awaited[number]

    def take(self, reply: node_pb2.TokenReply) -> None:
        """A reply has come; one that nobody awaits any more is dropped."""
        awaited = self._awaited.get(reply.id)
        if awaited is not None and not awaited.done():
            awaited.set_result(reply)


def _token(reply: node_pb2.TokenReply) -> Token:
    if reply.status_json:
        raise LookupError(codec.decode(meta_v1.Status, reply.status_json).message or "the master refused a token")
    return Token(reply.token, parse(reply.expires))
