"""Serves exec and attach: a client's channels coupled to a node's stream."""

import asyncio
from typing import Protocol

from master.apiserver.streams.channels import Remote
from master.registry.streams import Channel, Frame, NodeStream, StreamEnded
from timonel.api import codec
from timonel.api.errors import BadRequest, InternalError, StatusError
from timonel.api.types import meta_v1
from timonel.tasks import end

SUCCESS = codec.encode(meta_v1.Status(status="Success"))

_UP = {Remote.STDIN: Channel.STDIN, Remote.RESIZE: Channel.RESIZE}
_DOWN = {Channel.STDOUT: Remote.STDOUT, Channel.STDERR: Remote.STDERR, Channel.STATUS: Remote.ERROR}


class Channels(Protocol):
    """A client's connection: `channels.Channels` over a WebSocket, `spdyremote.SpdyChannels` over SPDY."""

    @property
    def closes(self) -> bool:
        """Whether one channel alone can be ended."""

    async def send(self, channel: int, data: bytes) -> None:
        """Send data on a channel; raises ConnectionError when the client is gone."""

    async def receive(self) -> tuple[int, bytes] | None:
        """The next channel and its data; None when the client has ended."""


async def couple(channels: Channels, stream: NodeStream) -> None:
    """Carry both ways until the node has said how it ended, or either side is gone."""
    down = asyncio.create_task(_to_client(channels, stream))
    up = asyncio.create_task(_to_node(channels, stream))
    try:
        await asyncio.wait([down, up], return_when=asyncio.FIRST_COMPLETED)
        if not up.done() or up.result():
            await down
    finally:
        await end((down, up))


def failure(error: StatusError) -> bytes:
    """An error as the error channel has it."""
    return codec.encode(error.status())


async def _to_client(channels: Channels, stream: NodeStream) -> None:
    """Everything the node sends; its status is the last."""
    while (frame := await stream.read()) is not None:
        if frame.channel in _DOWN:
            await channels.send(_DOWN[frame.channel], frame.data)
        elif frame.channel is Channel.CLOSE and channels.closes:
            await _close(channels, frame.data)
        if frame.channel is Channel.STATUS:
            return
    await channels.send(Remote.ERROR, failure(InternalError("the connection to the container's node was lost")))


async def _close(channels: Channels, data: bytes) -> None:
    for number in data:
        if number in _DOWN:
            await channels.send(Remote.CLOSE, bytes((_DOWN[Channel(number)],)))


async def _to_node(channels: Channels, stream: NodeStream) -> bool:
    """Everything the client sends; False when it has gone, True when the node wants no more of it."""
    try:
        while (message := await channels.receive()) is not None:
            frame = _frame(*message)
            if frame is not None:
                await stream.write(frame)
    except StreamEnded:
        return True
    except BadRequest as error:
        await channels.send(Remote.ERROR, failure(error))
    return False


def _frame(channel: int, data: bytes) -> Frame | None:
    """A client's message as the node gets it; None for what a client has no business to send."""
    if channel == Remote.CLOSE:
        return Frame(Channel.CLOSE, bytes((Channel.STDIN,))) if data == bytes((Remote.STDIN,)) else None
    if channel not in (Remote.STDIN, Remote.RESIZE) or not data:
        return None
    return Frame(_UP[Remote(channel)], data)
