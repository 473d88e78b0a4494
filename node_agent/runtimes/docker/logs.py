"""Container logs, read from the daemon's files."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from node_agent.runtimes.base import LogQuery, RuntimeFailure, RuntimeUnavailable
from node_agent.runtimes.docker.client import Daemon, Refused
from node_agent.runtimes.docker.jsonlog import STREAMS, Message, Reader

_POLL_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_DAY_SECONDS = 86_400.0
_MAX_LINE = 1024 * 1024
"""A longer line is passed on in pieces."""


async def read(daemon: Daemon, container: str, query: LogQuery) -> AsyncIterator[bytes]:
    """The part of the log that is asked for, in chunks of whole lines but where ``limit_bytes`` cuts."""
    inspected = await daemon.inspect(container)
    if inspected is None or not inspected["LogPath"]:
        raise RuntimeFailure("ContainerLogsError", f"unable to retrieve container logs for docker://{container}")
    reader = Reader(Path(inspected["LogPath"]))
    ended = asyncio.create_task(_ended(daemon, container), name=f"end of {container[:12]}") if query.follow else None
    left = query.limit_bytes
    try:
        with closing(reader):
            if query.tail_lines is not None:
                reader.seek_tail(query.tail_lines, query.stream)
            async for text in _texts(reader, query, ended):
                yield text[:left]
                if left is not None and (left := left - len(text[:left])) == 0:
                    return
    except OSError as error:
        raise RuntimeFailure(
            "ContainerLogsError", f"unable to retrieve container logs for docker://{container}: {error}"
        ) from error
    finally:
        if ended:
            ended.cancel()


async def _texts(reader: Reader, query: LogQuery, ended: asyncio.Task[None] | None) -> AsyncIterator[bytes]:
    lines = Lines(STREAMS[query.stream], query.since, timestamps=query.timestamps)
    over = ended is None
    while True:
        for messages in reader.read():
            if text := lines.feed(messages):
                yield text
            await asyncio.sleep(0)
        if over:
            break
        if ended:
            over = bool((await asyncio.wait([ended], timeout=_POLL_SECONDS))[0])
    if rest := lines.rest():
        yield rest


async def _ended(daemon: Daemon, container: str) -> None:
    """Wait for the container's end, through absences of the daemon. It has written all of the log when it tells."""
    while True:
        try:
            await daemon.send("POST", f"/containers/{container}/wait", seconds=_DAY_SECONDS)
            return
        except RuntimeUnavailable:
            await asyncio.sleep(_RETRY_SECONDS)
        except Refused:
            return


class Lines:
    """Whole lines from the messages of two streams. Docker splits a line of over 16 KiB into several messages."""

    def __init__(self, streams: Iterable[str], since: datetime | None, *, timestamps: bool) -> None:
        self._streams = frozenset(streams)
        self._since = since
        self._timestamps = timestamps
        self._begun: dict[str, bytes] = {}

    def feed(self, messages: Iterable[Message]) -> bytes:
        """The lines that these messages complete."""
        done = []
        for message in messages:
            if message.stream not in self._streams or (self._since and message.when() < self._since):
                continue
            begun = self._begun.pop(message.stream, b"")
            stamp = f"{message.stamp()} " if self._timestamps and not begun else ""
            text = begun + f"{stamp}{message.log}".encode()
            if text.endswith(b"\n") or len(text) > _MAX_LINE:
                done.append(text)
            else:
                self._begun[message.stream] = text
        return b"".join(done)

    def rest(self) -> bytes:
        """What has no end of line yet."""
        return b"".join(self._begun.values())
