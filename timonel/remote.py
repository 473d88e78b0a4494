"""The client's end of exec and attach: a WebSocket whose messages begin with their channel's number."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from timonel.api import codec
from timonel.api.errors import StatusError, from_status
from timonel.api.types import meta_v1
from timonel.lean_aiohttp import aiohttp

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


class Channel(IntEnum):
    """What a message carries."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


class Remote:
    """A running command, or a process that one has joined."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._status: meta_v1.Status | None = None

    async def read(self) -> tuple[Channel, bytes] | None:
        """The next output, of STDOUT or STDERR; None when there is no more."""
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                return None
            channel, data = message.data[0], message.data[1:]
            if channel == Channel.ERROR and data:
                self._status = codec.decode(meta_v1.Status, data)
            elif channel in (Channel.STDOUT, Channel.STDERR) and data:
                return Channel(channel), data

    async def write(self, data: bytes) -> None:
        """Send input."""
        await self._socket.send_bytes(bytes((Channel.STDIN,)) + data)

    async def end_input(self) -> None:
        """Say that there is no more input; a server that speaks only version 4 is not told."""
        if self._socket.protocol == PROTOCOLS[0]:
            await self._socket.send_bytes(bytes((Channel.CLOSE, Channel.STDIN)))

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the terminal."""
        size = msgspec.json.encode({"Width": columns, "Height": rows})
        await self._socket.send_bytes(bytes((Channel.RESIZE,)) + size)

    def exit_code(self) -> int:
        """How the command ended, once `read` has given None.

        Raises:
            StatusError: it could not be run, or the connection was lost before its end.
        """
        status = self._status
        if status is None:
            raise StatusError("the connection was lost before the command ended")
        if status.status == "Success":
            return 0
        for cause in status.details.causes if status.details else ():
            if cause.reason == "ExitCode":
                return int(cause.message or "1")
        raise from_status(status)

    async def close(self) -> None:
        """End the connection. Idempotent."""
        await self._socket.close()
