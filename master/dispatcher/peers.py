"""Who is at the other end of a call, and how calls are refused."""

from typing import Any

import grpc
from google.protobuf.message import DecodeError

from master.dispatcher.wire import Garbage
from master.pki import NODE_PREFIX

Context = grpc.aio.ServicerContext[Any, Any]


class Refused(Exception):
    """The call ends with a gRPC status; the text is for the other side."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def node_of(context: Context) -> str:
    """The node whose certificate the peer has shown.

    Raises:
        Refused: the certificate is none of a node.
    """
    name = b"".join(context.auth_context().get("x509_common_name", ())).decode(errors="replace")
    node = name.removeprefix(NODE_PREFIX)
    if not node or node == name:
        raise Refused(grpc.StatusCode.PERMISSION_DENIED, f'the certificate of "{name}" is not a node\'s')
    return node


async def receive(context: Context) -> Any:
    """The peer's next message; None when it has sent its last.

    Raises:
        Garbage: what came is no message.
    """
    try:
        message = await context.read()
    except DecodeError as error:
        raise Garbage(f"what came is no message: {error}") from error
    return None if message is grpc.aio.EOF else message  # type: ignore[attr-defined]
