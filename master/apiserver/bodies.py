"""Reads request bodies: bounded in size; JSON, YAML or protobuf in, JSON out."""

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web

from master.apiserver.negotiation import JSON, PROTOBUF, YAML
from master.apiserver.protobuf import decode
from timonel.api import codec, parse
from timonel.api.errors import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

READ = (JSON, YAML, PROTOBUF)
"""The media types of bodies that are objects."""

MAX_BODY = 3 * 1024 * 1024
"""Bytes of a request's body, as in Kubernetes."""
BODY_SECONDS = 60.0
"""How long a body may take to arrive: its request holds one of the seats that all requests share."""


async def read(request: web.BaseRequest) -> bytes:
    """The whole body. A client that asks first whether to send it is told to.

    Raises:
        BadRequest: it does not arrive within `BODY_SECONDS`.
        RequestEntityTooLarge: it is larger than `MAX_BODY`; what is too much is never held in memory.
    """
    if (request.content_length or 0) > MAX_BODY:
        raise RequestEntityTooLarge(f"limit is {MAX_BODY}")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType(READ)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(request)
    except TimeoutError:
        raise BadRequest(f"the request's body did not arrive within {BODY_SECONDS:g} seconds") from None


async def _whole(request: web.BaseRequest) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await request.content.readany():
        size += len(part)
        if size > MAX_BODY:
            raise RequestEntityTooLarge(f"limit is {MAX_BODY}")
        parts.append(part)
    return b"".join(parts)


def media_type(request: web.BaseRequest, accepted: Sequence[str] = READ) -> str:
    """The body's media type; a request that names none has the first of `accepted`.

    Raises:
        UnsupportedMediaType: it is none of `accepted`.
    """
    name = named_type(request)
    if not name:
        return accepted[0]
    if name not in accepted:
        raise UnsupportedMediaType(accepted)
    return name


def named_type(request: web.BaseRequest) -> str:
    """The media type that a request names; empty when it names none."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def to_json(body: bytes, media: str) -> tuple[bytes, tuple[str, ...]]:
    """The body as JSON, with what the conversion hides: the keys that YAML has twice.

    Raises:
        BadRequest: it is malformed.
    """
    if media == PROTOBUF:
        return decode.to_json(body), ()
    if media != YAML:
        return body, ()
    document = codec.decode_yaml(body)
    repeated = next(codec.repeated_fields(document), None) is not None
    # In the order in which Kubernetes looks through it.
    return msgspec.json.encode(document, order="sorted"), tuple(parse.repeated_keys(body)) if repeated else ()
