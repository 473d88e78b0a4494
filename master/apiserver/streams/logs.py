"""Serves a container's log as plain text."""

import asyncio
import logging

from aiohttp import web

from master.apiserver.audit import record as audit
from master.apiserver.lifetimes import Lifetimes
from master.registry.streams import Channel, NodeStream
from timonel.api import codec
from timonel.api.errors import StatusError, from_status
from timonel.api.types import meta_v1
from timonel.tasks import end

log = logging.getLogger(__name__)

HEAD_SECONDS = 1.0
"""How long the answer's head waits for the node's first words, which may be a refusal."""
WRITE_SECONDS = 60.0
"""How long one write may wait for a client that does not read."""

HEADERS = {"Content-Type": "text/plain", "Cache-Control": "no-cache, private"}


async def serve(http: web.BaseRequest, stream: NodeStream, lifetimes: Lifetimes) -> web.StreamResponse:
    """Send what the stream gives until it ends, the client goes, or the server closes.

    Raises:
        StatusError: the node refuses, before there is any text.
    """
    response = web.StreamResponse(headers=HEADERS)
    response.enable_chunked_encoding()
    first = asyncio.create_task(_next_text(stream))
    try:
        await asyncio.wait([first], timeout=HEAD_SECONDS)
        if first.done():
            first.result()
        await response.prepare(http)
        audit.began(http, response)
        async with lifetimes.limit(None):
            await _send(response, first, stream)
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        log.debug("log %s: ended before its end", http.path)
    finally:
        await end([first])
    return response


async def _send(response: web.StreamResponse, first: asyncio.Future[bytes | None], stream: NodeStream) -> None:
    try:
        text = await first
        while text is not None:
            async with asyncio.timeout(WRITE_SECONDS):
                await response.write(text)
            text = await _next_text(stream)
    except StatusError as error:
        await response.write(f"{error.message}\n".encode())


async def _next_text(stream: NodeStream) -> bytes | None:
    """The next piece of the log; None at its end.

    Raises:
        StatusError: the node says that it failed.
    """
    while (frame := await stream.read()) is not None:
        match frame.channel:
            case Channel.STDOUT | Channel.STDERR:
                if frame.data:
                    return frame.data
            case Channel.STATUS:
                status = codec.decode(meta_v1.Status, frame.data)
                if status.status == "Failure":
                    raise from_status(status)
                return None
    return None
