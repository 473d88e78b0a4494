"""Reads request bodies: bounded in size; JSON, YAML or protobuf in, JSON out."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

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


def to_json(body: bytes, media: str, field_validation: str) -> tuple[bytes, list[str]]:
    """The body as JSON, with warnings about what the conversion would hide.

    JSON goes through as it is. YAML loses keys that are given twice, so these are found here.

    Raises:
        BadRequest: it is malformed, or field validation is Strict and keys are given twice.
    """
    if media == PROTOBUF:
        return decode.to_json(body), []
    if media != YAML:
        return body, []
    document = codec.decode_yaml(body)
    duplicates = [] if field_validation == "Ignore" else list(_duplicates(document, ""))
    if duplicates and field_validation == "Strict":
        raise BadRequest(f"strict decoding error: {', '.join(duplicates)}")
    return codec.encode(document), duplicates


def _duplicates(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _duplicates(item, f"{path}[{index}]")
    elif isinstance(value, parse.Object):
        dot = f"{path}." if path else ""
        yield from (f'duplicate field "{dot}{key}"' for key in value.duplicates)
        for key, item in value.items():
            yield from _duplicates(item, dot + key)
