"""Serves watches: a stream of newline-ended JSON events, many of them in one write."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from aiohttp import web

from master.apiserver.audit import record as audit
from master.apiserver.lifetimes import Lifetimes
from timonel.api import codec
from timonel.api.errors import Expired, InternalError, StatusError

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/json"
DEFAULT_SECONDS = 1800.0
"""The least time after which a watch that names none ends; each lives for a random time of up to twice as long."""
WRITE_SECONDS = 60.0
"""How long one write may wait for a client that does not read."""
REFUSAL_SECONDS = 0.05
"""How long the answer's head waits for a refusal: one that comes later is told inside the stream."""

Frames = AsyncGenerator[bytes, None]


def lifetime(asked: float | None) -> float:
    """Seconds for which a watch is served."""
    return asked if asked else DEFAULT_SECONDS * (1 + random.random())  # spreads reconnections over time


async def serve(request: web.BaseRequest, frames: Frames, seconds: float, lifetimes: Lifetimes) -> web.StreamResponse:
    """Send `frames`, each one or more whole events, until the time is over, the client goes or the server closes.

    Raises:
        StatusError: the watch was refused before it began. An expired resourceVersion is no refusal: clients look for
            it among the events.
    """
    response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    async with aclosing(frames):
        first = asyncio.ensure_future(anext(frames, b""))
        try:
            await asyncio.wait([first], timeout=REFUSAL_SECONDS)
            _raise_refusal(first)
            await response.prepare(request)
            audit.began(request, response)
            await _send(response, _chained(first, frames), seconds, lifetimes, request.path)
            await _end(response)
        except ConnectionError:
            log.debug("watch %s: the client is gone", request.path)
        finally:
            if not first.done():
                first.cancel()
                await asyncio.wait([first])
    return response


def error_event(error: StatusError) -> bytes:
    """An error as the watch's last event."""
    return b'{"type":"ERROR","object":%b}\n' % codec.encode(error.status())


async def _send(
    response: web.StreamResponse, frames: AsyncIterator[bytes], seconds: float, lifetimes: Lifetimes, path: str
) -> None:
    try:
        async with lifetimes.limit(seconds):
            async for frame in frames:
                await _write(response, frame)
    except TimeoutError:
        return
    except StatusError as error:
        await _write(response, error_event(error))
    except ConnectionError:
        raise
    except Exception:  # the answer has begun: only the stream itself can tell
        log.exception("watch %s failed", path)
        await _write(response, error_event(InternalError("the watch failed; its cause is in the server's log")))


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
