"""Container logs through the daemon, which knows its rotated files."""

from collections.abc import AsyncIterator
from datetime import datetime

from node_agent.runtimes.base import LogQuery, RuntimeFailure
from node_agent.runtimes.docker.client import Daemon, Refused
from node_agent.runtimes.docker.frames import Frames

_MAX_LINE = 1024 * 1024
"""A longer line is passed on in pieces."""


async def read(daemon: Daemon, container: str, query: LogQuery) -> AsyncIterator[bytes]:
    """The part of the log that is asked for, in chunks of whole lines but where ``limit_bytes`` cuts."""
    left = query.limit_bytes
    try:
        inspected = await daemon.inspect(container)
        frames = Frames(tty=inspected is not None and inspected["Config"]["Tty"])
        lines = Lines(timestamps=query.timestamps)
        async with daemon.open("GET", f"/containers/{container}/logs", _parameters(query)) as reply:
            async for data in reply.chunks():
                text = b"".join(lines.feed(stream, payload) for stream, payload in frames.feed(data))
                if left is not None:
                    text = text[:left]
                    left -= len(text)
                if text:
                    yield text
                if left == 0:
                    return
    except Refused as refusal:
        raise RuntimeFailure(
            "ContainerLogsError", f"unable to retrieve container logs for docker://{container}: {refusal.message}"
        ) from refusal
    if rest := lines.rest()[:left]:
        yield rest


def _parameters(query: LogQuery) -> dict[str, str]:
    return {
        "follow": str(int(query.follow)),
        "timestamps": str(int(query.timestamps)),
        "stdout": str(int(query.stream in ("All", "Stdout"))),
        "stderr": str(int(query.stream in ("All", "Stderr"))),
        "tail": "all" if query.tail_lines is None else str(query.tail_lines),
        **({"since": _seconds(query.since)} if query.since else {}),
    }


def _seconds(when: datetime) -> str:
    """Seconds with microseconds since 1970, exactly."""
    return f"{int(when.timestamp())}.{when.microsecond:06d}"


class Lines:
    """Whole lines from the messages of two streams. Docker splits a line of over 16 KiB into several messages."""

    def __init__(self, *, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._begun: dict[int, bytes] = {}

    def feed(self, stream: int, message: bytes) -> bytes:
        """The lines that this message completes."""
        begun = self._begun.pop(stream, b"")
        if begun and self._timestamps:
            message = message.partition(b" ")[2]
        text = begun + message
        end = len(text) if len(text) > _MAX_LINE else text.rfind(b"\n") + 1
        if end < len(text):
            self._begun[stream] = text[end:]
        return text[:end]

    def rest(self) -> bytes:
        """What has no end of line yet."""
        return b"".join(self._begun.values())
