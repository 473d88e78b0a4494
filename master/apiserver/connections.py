"""HTTP connections: what is no HTTP, or has too large a head, is answered with a Status; who is idle is cut off."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from master.apiserver import responses
from timonel.api.errors import BadRequest, StatusError

IDLE_SECONDS = 90.0
"""How long a connection may be without a whole head of a request. Source: Kubernetes' idle time-out."""
MAX_LINE = 64 * 1024
"""Bytes of a request's first line, where selectors and commands of exec are, and of each header."""
MAX_HEADERS = 1000
"""Of one request: who is impersonated may have many groups."""

_OPTIONS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": IDLE_SECONDS,
    "max_field_size": MAX_LINE,
    "max_headers": MAX_HEADERS,
    "max_line_size": MAX_LINE,
}


class HeadTooLarge(StatusError):
    """431: the first line or a header is larger than the server takes."""

    code = 431
    reason = "RequestHeaderFieldsTooLarge"


class Server(web.Server):
    """`web.Server` with connections of our own."""

    def __call__(self) -> web.RequestHandler:
        """What handles the next connection."""
        return _Connection(self, loop=self._loop, **_OPTIONS)


class _Connection(web.RequestHandler):
    """Answers what cannot be parsed as all else is answered, and does not log it: anyone may send anything."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See `web.RequestHandler`."""
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        error: StatusError
        if isinstance(exc, LineTooLong):
            error = HeadTooLarge(f"a line of the request's head exceeds {MAX_LINE} bytes")
        else:
            why = (message or "").partition("\n")[0].rstrip(":")
            error = BadRequest(f"the request is no HTTP: {why}")
        response = responses.failure(request, error)
        response.force_close()
        return response
