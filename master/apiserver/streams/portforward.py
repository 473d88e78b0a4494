"""Serves port-forwards over a WebSocket: for each port a channel of data and one of errors.

The plain form, as official clients but kubectl speak it: the channels of the n-th port are 2n and 2n+1, and the first
message on each is the port's number in two bytes, the lower first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from master.apiserver.streams.channels import Channels
from master.registry.streams import Channel, Frame, NodeStream, StreamEnded
from timonel.api import codec
from timonel.api.errors import StatusError
from timonel.api.types import meta_v1
from timonel.tasks import end

QUEUED = 64
"""Messages of the client that wait for one port before the client has to wait."""

Open = Callable[[int], Awaitable[NodeStream]]
"""Opens a connection to a port."""


async def couple(channels: Channels, ports: Sequence[int], open_port: Open) -> None:
    """Forward all `ports` until the client goes, or all connections have ended."""
    incoming: list[asyncio.Queue[bytes]] = [asyncio.Queue(QUEUED) for _ in ports]
    for index, port in enumerate(ports):
        for channel in (2 * index, 2 * index + 1):
            await channels.send(channel, port.to_bytes(2, "little"))
    reader = asyncio.create_task(_distribute(channels, incoming))
    forwards = asyncio.create_task(_forward_all(channels, ports, open_port, incoming))
    try:
        await asyncio.wait([reader, forwards], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end((reader, forwards))


async def _forward_all(
    channels: Channels, ports: Sequence[int], open_port: Open, incoming: Sequence[asyncio.Queue[bytes]]
) -> None:
    async with asyncio.TaskGroup() as group:
        for index, port in enumerate(ports):
            group.create_task(_forward(channels, index, port, open_port, incoming[index]))


async def _distribute(channels: Channels, incoming: Sequence[asyncio.Queue[bytes]]) -> None:
    """Give each message to its port; returns when the client has gone."""
    while (message := await channels.receive()) is not None:
        channel, data = message
        index, is_error = divmod(channel, 2)
        if index < len(incoming) and not is_error and data:
            await incoming[index].put(data)


async def _forward(channels: Channels, index: int, port: int, open_port: Open, incoming: asyncio.Queue[bytes]) -> None:
    """One port: its connection, both ways; what fails is told on its error channel."""
    try:
        stream = await open_port(port)
    except StatusError as error:
        await channels.send(2 * index + 1, error.message.encode())
        return
    sender = asyncio.create_task(_send(stream, incoming))
    try:
        while (frame := await stream.read()) is not None:
            if frame.channel is Channel.STDOUT:
                await channels.send(2 * index, frame.data)
            elif frame.channel is Channel.STATUS:
                await _tell_failure(channels, 2 * index + 1, frame.data)
                return
    finally:
        await end([sender])
        await stream.close()


async def _send(stream: NodeStream, incoming: asyncio.Queue[bytes]) -> None:
    try:
        while True:
            await stream.write(Frame(Channel.STDIN, await incoming.get()))
    except StreamEnded:
        return


async def _tell_failure(channels: Channels, channel: int, data: bytes) -> None:
    status = codec.decode(meta_v1.Status, data)
    if status.status == "Failure":
        await channels.send(channel, status.message.encode())
