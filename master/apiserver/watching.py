"""Serves watches: a stream of events, many of them in one write."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from aiohttp import web

from master.apiserver.audit import record as audit
from master.apiserver.fairness import gate as fairness
from master.apiserver.lifetimes import Lifetimes
from master.apiserver.negotiation import JSON, PROTOBUF, STREAM
from master.apiserver.protobuf import encode
from timonel.api import codec
from timonel.api.errors import Expired, InternalError, StatusError

log = logging.getLogger(__name__)

DEFAULT_SECONDS = 1800.0
"""The least time after which a watch that names none ends; each lives for a random time of up to twice as long."""
WRITE_SECONDS = 60.0
"""How long one write may wait for a client that does not read."""
REFUSAL_SECONDS = 0.05
"""How long the answer's head waits for a refusal: one that comes later is told inside the stream."""

Frames = AsyncGenerator[bytes, None]
Written = Callable[[str, bytes], bytes]
"""Writes an event of a type about an object, which is given as JSON."""


def json_event(kind: str, raw: bytes) -> bytes:
    """An event as a line of JSON."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), raw)


WRITERS: dict[str, Written] = {JSON: json_event, PROTOBUF: encode.event}
"""How events are written, by media type."""


def lifetime(asked: float | None) -> float:
    """Seconds for which a watch is served."""
    return asked if asked else DEFAULT_SECONDS * (1 + random.random())  # spreads reconnections over time


async def serve(
    request: web.BaseRequest, frames: Frames, media_type: str, seconds: float, lifetimes: Lifetimes
) -> web.StreamResponse:
    """Send `frames`, each one or more whole events, until the time is over, the client goes or the server closes.

    Raises:
        StatusError: the watch was refused before it began. An expired resourceVersion is no refusal: clients look for
            it among the events.
    """
    content_type = media_type if media_type == JSON else media_type + STREAM
    response = web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    async with aclosing(frames):
        first = asyncio.ensure_future(anext(frames, b""))
        try:
            await asyncio.sleep(0)
            fairness.begun(request, response)  # the first step is what a watch costs; from here on it waits
            await asyncio.wait([first], timeout=REFUSAL_SECONDS)
            _raise_refusal(first)
            await response.prepare(request)
            audit.began(request, response)
            stream = _explained(_chained(first, frames), WRITERS[media_type], request.path)
            await _send(response, stream, seconds, lifetimes)
            await _end(response)
        except ConnectionError:
            log.debug("watch %s: the client is gone", request.path)
        finally:
            if not first.done():
                first.cancel()
                await asyncio.wait([first])
    return response


async def _send(
    response: web.StreamResponse, frames: AsyncIterator[bytes], seconds: float, lifetimes: Lifetimes
) -> None:
    try:
        async with lifetimes.limit(seconds):
            async for frame in frames:
                await _write(response, frame)
    except TimeoutError:
        return


async def _explained(frames: AsyncIterator[bytes], write: Written, path: str) -> AsyncIterator[bytes]:
    """The frames; what ends them early is told as the last event, as the answer has begun."""
    try:
        async for frame in frames:
            yield frame
    except StatusError as error:
        yield write("ERROR", codec.encode(error.status()))
    except Exception:
        log.exception("watch %s failed", path)
        hidden = InternalError("the watch failed; its cause is in the server's log")
        yield write("ERROR", codec.encode(hidden.status()))


async def _chained(first: asyncio.Future[bytes], frames: Frames) -> AsyncIterator[bytes]:
    frame = await first
    if frame:
        yield frame
        async for frame in frames:
            yield frame


def _raise_refusal(first: asyncio.Future[bytes]) -> None:
    if first.done() and not isinstance(first.exception(), Expired):
        first.result()


async def _write(response: web.StreamResponse, frame: bytes) -> None:
    """Send a frame; a client that does not read in time is as good as gone."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(frame)
    except TimeoutError:
        raise ConnectionResetError("the client does not read its watch") from None


async def _end(response: web.StreamResponse) -> None:
    try:
        async with asyncio.timeout(1):
            await response.write_eof()
    except TimeoutError:
        raise ConnectionResetError("the client does not read the end of its watch") from None
