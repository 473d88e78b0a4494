"""Reading a pretended container's log."""

from collections.abc import AsyncIterator

from node_agent.runtimes.base import LogQuery
from node_agent.runtimes.fake.world import LogEntry, PretendedContainer

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
        fresh = await container.news(seen)
        if not fresh:
            return
        seen = container.written
        entries = _wanted(fresh, query)


def _wanted(entries: list[LogEntry], query: LogQuery) -> list[LogEntry]:
    streams, since = _STREAMS[query.stream], query.since
    return [entry for entry in entries if entry[1] in streams and (since is None or entry[0] >= since)]


def _line(entry: LogEntry, *, timestamps: bool) -> bytes:
    when, _, line = entry
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() + line if timestamps else line
