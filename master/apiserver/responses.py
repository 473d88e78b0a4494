"""Writes answers: JSON, YAML or protobuf, indented where asked, compressed where it pays."""

import asyncio
import re
import zlib
from collections.abc import Iterable, Mapping

import msgspec
import yaml
from aiohttp import web

from master.apiserver.negotiation import COMPRESS_FROM, JSON, PROTOBUF, YAML, accepts_gzip, choose
from master.apiserver.pieces import PIECE, Pieces, PiecesPayload
from master.apiserver.protobuf import encode
from timonel.api import codec
from timonel.api.errors import StatusError

_INTERACTIVE = ("curl", "Wget", "Mozilla/5.0")
_GZIP = 16 + zlib.MAX_WBITS


async def answer(
    request: web.BaseRequest,
    body: bytes | Pieces,
    *,
    code: int = 200,
    media_type: str = JSON,
    content_type: str = "",
    warnings: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """An answer with the JSON text `body`, written as `media_type`."""
    if media_type == YAML:
        body = await asyncio.to_thread(to_yaml, bytes(body))
    elif media_type != JSON or is_pretty(request):
        body = _written(request, bytes(body), media_type)
    return await ready(
        request, body, code=code, content_type=content_type or media_type, warnings=warnings, headers=headers
    )


async def ready(
    request: web.BaseRequest,
    body: bytes | Pieces,
    *,
    code: int = 200,
    content_type: str,
    warnings: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """An answer with `body` as it is."""
    response = web.Response(status=code, headers={"Cache-Control": "no-cache, private", **(headers or {})})
    response.headers["Content-Type"] = content_type
    for warning in warnings:
        response.headers.add("Warning", warning_header(warning))
    size = body.size if isinstance(body, Pieces) else len(body)
    if size >= COMPRESS_FROM and accepts_gzip(request.headers.get("Accept-Encoding", "")):
        body = await asyncio.to_thread(_gzip, body if isinstance(body, Pieces) else (body,))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    if isinstance(body, Pieces):
        response.body = PiecesPayload(body, content_type) if size > PIECE else bytes(body)
    else:
        response.body = body
    return response


def warning_header(text: str) -> str:
    """A warning as the header of that name has it."""
    return f'299 - "{_header_safe(text)}"'


def failure(request: web.BaseRequest, error: StatusError) -> web.Response:
    """The answer that tells of an error: a Status, as JSON to those who take nothing that it could be written in."""
    choice = choose(request.headers.get("Accept", ""))
    media_type = choice.media_type if choice else JSON
    body = _written(request, codec.encode(error.status()), media_type)
    response = web.Response(status=error.code, body=body, headers={"Cache-Control": "no-cache, private"})
    response.headers["Content-Type"] = media_type
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def is_pretty(request: web.BaseRequest) -> bool:
    """Whether JSON is indented: as the `pretty` option or the media type says, else where people read it."""
    if option := request.query.get("pretty"):
        return option.lower() in ("true", "1", "t")
    if "pretty=1" in request.headers.get("Accept", ""):
        return True
    return request.headers.get("User-Agent", "").startswith(_INTERACTIVE)


def _written(request: web.BaseRequest, body: bytes, media_type: str) -> bytes:
    if media_type == PROTOBUF:
        return encode.from_json(body)
    if media_type == YAML:
        return to_yaml(body)
    return msgspec.json.format(body, indent=2) if is_pretty(request) else body


def to_yaml(body: bytes) -> bytes:
    """JSON text as YAML."""
    text = yaml.dump(msgspec.json.decode(body), Dumper=_Dumper, default_flow_style=False, allow_unicode=True)
    return text.encode()


class _Dumper(yaml.CSafeDumper):
    """Quotes also the strings that only YAML 1.2 readers, Go's among them, take for numbers."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+|\.\d+|\d+\.\d*)([eE][-+]?\d+)?|0o[0-7]+"), list("-+.0123456789")
)


def _gzip(pieces: Iterable[bytes]) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=_GZIP)
    return b"".join([*map(compressor.compress, pieces), compressor.flush()])


def _header_safe(text: str) -> str:
    """`text` as the quoted part of a Warning header: one line, quotes and backslashes escaped."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line).replace("\\", "\\\\").replace('"', '\\"')
