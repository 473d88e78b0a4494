"""Reading a pretended container's log."""

from collections.abc import AsyncIterator
from datetime import datetime

from node_agent.runtimes.base import LogQuery
from node_agent.runtimes.fake.world import PretendedContainer

_STREAMS = {"All": (1, 2), "Stdout": (1,), "Stderr": (2,)}


async def read_log(container: PretendedContainer, query: LogQuery) -> AsyncIterator[bytes]:
    """The part of the log that is asked for."""
    left = query.limit_bytes
    seen = container.written
    entries = _wanted(list(container.log), query)
    if query.tail_lines is not None:
        entries = entries[len(entries) - min(query.tail_lines, len(entries)) :]
    while True:
        for entry in entries:
            text = _line(entry, timestamps=query.timestamps)[:left]
            if left is not None:
                left -= len(text)
            if text:
                yield text
            if left == 0:
                return
        if not query.follow:
            return
        async with container.changed:
            await container.changed.wait_for(lambda: container.written > seen or not container.running)
            new = min(container.written - seen, len(container.log))
            entries = _wanted(list(container.log)[-new:] if new else [], query)
            seen = container.written
        if not new:
            return


def _wanted(entries: list[tuple[datetime, int, bytes]], query: LogQuery) -> list[tuple[datetime, int, bytes]]:
    return [
        entry
        for entry in entries
        if entry[1] in _STREAMS[query.stream] and (not query.since or entry[0] >= query.since)
    ]


def _line(entry: tuple[datetime, int, bytes], *, timestamps: bool) -> bytes:
    when, _, line = entry
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() + line if timestamps else line
