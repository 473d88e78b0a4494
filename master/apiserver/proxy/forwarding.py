"""Passes one request on to a server and its answer back, whatever they are: pages, streams, upgrades."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from master.apiserver.audit import record as audit
from master.apiserver.fairness import gate as fairness
from master.apiserver.lifetimes import Lifetimes
from master.apiserver.proxy import rewriting
from master.apiserver.proxy.routes import CONNECT_SECONDS, PIECE, Route, Tls, client
from master.apiserver.streams import pipes
from timonel.api.errors import ServiceUnavailable
from timonel.tasks import end

log = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_HEAD = 64 * 1024
"""Bytes of the head of an answer to an upgrade."""
MAX_DOCUMENT = 16 * 1024 * 1024
"""Bytes of a document that this server asks for itself."""
MAX_PAGE = 8 * 1024 * 1024
"""Bytes of an HTML page whose URLs are moved; a longer one is passed on as it is."""

_OF_CONNECTION = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS = ("authorization", "impersonate-", "x-remote-")
"""How headers begin by which a client proves to us who it is: they are nobody else's business."""
_CORS = "access-control-"
"""How headers begin by which a server would open the API itself to other sites."""

Headers = CIMultiDict[str]


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked for on a server, and where the proxy serves it."""

    hosts: tuple[str, ...]
    """How the server may name itself."""
    path: str
    """Still percent-encoded, as is the query."""
    query: str
    prefix: str | None = None
    """The path below which clients see the server; None: nothing of its answers is rewritten."""

    @property
    def target(self) -> str:
        """The request's target, as the first line has it."""
        return f"{self.path}?{self.query}" if self.query else self.path


def request_headers(http: web.BaseRequest) -> Headers:
    """What a server is sent of a client's headers, and who it is sent for."""
    named = {name.strip().lower() for name in http.headers.get("Connection", "").split(",")}
    headers: Headers = CIMultiDict(
        (name, value)
        for name, value in http.headers.items()
        if name.lower() not in _OF_CONNECTION | named and not name.lower().startswith(_OURS)
    )
    if http.remote:
        before = headers.get("X-Forwarded-For")
        headers["X-Forwarded-For"] = f"{before}, {http.remote}" if before else http.remote
    return headers


class Server:
    """One server that requests are passed on to.

    Args:
        route: how it is reached.
        tls: how it is spoken to; None: in plain HTTP.
        lifetimes: ends what runs long when this server closes.
    """

    def __init__(self, route: Route, tls: Tls | None, lifetimes: Lifetimes) -> None:
        self._route = route
        self._tls = tls
        self._lifetimes = lifetimes
        self._session = client(route, tls)

    async def close(self) -> None:
        """End its connections."""
        await self._session.close()

    async def get(self, path: str, headers: Headers, seconds: float) -> tuple[int, bytes]:
        """A request of our own: the status and the body of the answer.

        Raises:
            ServiceUnavailable: there is no answer in time.
        """
        try:
            async with asyncio.timeout(seconds):
                async with self._session.get(URL(f"http://server{path}", encoded=True), headers=headers) as answer:
                    return answer.status, await _up_to(answer.content, MAX_DOCUMENT)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def forward(self, http: web.BaseRequest, place: Place, headers: Headers) -> web.StreamResponse:
        """Send a client's request to where `place` says, and give what is answered.

        Raises:
            ServiceUnavailable: there is no answer.
        """
        if is_upgrade(http):
            return await self._upgrade(http, place, headers)
        url = URL.build(scheme="http", host="server", path=place.path, query_string=place.query, encoded=True)
        body = http.content if http.body_exists else None
        try:
            answer = await self._session.request(http.method, url, headers=headers, data=body, allow_redirects=False)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        try:
            return await self._pass_back(http, answer, place)
        finally:
            answer.close()

    async def _pass_back(
        self, http: web.BaseRequest, answer: aiohttp.ClientResponse, place: Place
    ) -> web.StreamResponse:
        headers, start = answer_headers(answer.headers, place), b""
        if _is_page(http, answer, place):
            try:
                start = await _up_to(answer.content, MAX_PAGE)
            except (aiohttp.ClientError, OSError) as error:
                raise self._unreachable(error) from error
            if len(start) < MAX_PAGE:
                headers.popall("Content-Length", None)
                body = _moved(start, answer.charset or "utf-8", place)
                return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        fairness.begun(http, response)
        await response.prepare(http)
        audit.began(http, response)
        try:
            async with self._lifetimes.limit(None):
                await response.write(start)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            await response.write_eof()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.debug("%s %s broke off: %s", http.method, place.path, error)
            if http.transport is not None:
                http.transport.abort()  # the client must not take what it has for all there is
        return response

    async def _upgrade(self, http: web.BaseRequest, place: Place, headers: Headers) -> web.StreamResponse:
        """Couple both connections when the server agrees; from there on they are no longer HTTP's."""
        reader = asyncio.StreamReader(limit=MAX_HEAD)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, protocol = await self._route.open(lambda: asyncio.StreamReaderProtocol(reader), self._tls)
        except (OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        try:
            writer.write(_upgrade_head(http, place, headers))
            try:
                status, reason, found = _parse_head(await reader.readuntil(b"\r\n\r\n"))
                if status != 101:
                    return await _refused(status, reason, answer_headers(found, place), reader)
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError, TimeoutError) as error:
                raise self._unreachable(error) from error
            response, pipe = await pipes.take_over(http, found)
            fairness.begun(http, response)
            with suppress(TimeoutError):  # this server closes
                async with self._lifetimes.limit(None):
                    await _couple(pipe, reader, writer)
            return response
        finally:
            transport.abort()

    def _unreachable(self, error: BaseException) -> ServiceUnavailable:
        return ServiceUnavailable(f"error trying to reach service: {self._route.problem or _why(error)}")


def _is_page(http: web.BaseRequest, answer: aiohttp.ClientResponse, place: Place) -> bool:
    """Whether an answer is a page whose URLs can, and are to be, moved."""
    wanted = place.prefix is not None and http.method != "HEAD"
    return wanted and answer.content_type == "text/html" and "Content-Encoding" not in answer.headers


def _moved(page: bytes, charset: str, place: Place) -> bytes:
    try:
        text = page.decode(charset, "surrogateescape")
    except LookupError:
        return page
    return rewriting.page(text, place.prefix or "", place.hosts).encode(charset, "surrogateescape")


async def _up_to(content: aiohttp.StreamReader, most: int) -> bytes:
    start = bytearray()
    while len(start) < most and (piece := await content.read(most - len(start))):
        start += piece
    return bytes(start)


def answer_headers(found: CIMultiDictProxy[str] | Headers, place: Place) -> Headers:
    """What a client gets of a server's headers."""
    headers: Headers = CIMultiDict(
        (name, value)
        for name, value in found.items()
        if name.lower() not in _OF_CONNECTION and not name.lower().startswith(_CORS)
    )
    if place.prefix is not None and "Location" in headers:
        headers["Location"] = rewriting.url(headers["Location"], place.prefix, place.hosts)
    headers.setdefault("Cache-Control", "no-cache, private")
    return headers


def is_upgrade(http: web.BaseRequest) -> bool:
    """Whether a request wants its connection for something else than HTTP."""
    return "upgrade" in http.headers.get("Connection", "").lower() and "Upgrade" in http.headers


def _upgrade_head(http: web.BaseRequest, place: Place, headers: Headers) -> bytes:
    pairs = [*headers.items(), ("Connection", "Upgrade"), ("Upgrade", http.headers["Upgrade"])]
    lines = [f"{http.method} {place.target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _parse_head(head: bytes) -> tuple[int, str, Headers]:
    """The status, its reason and the headers of an answer. Raises ValueError."""
    first, *lines = head.decode("utf-8", "surrogateescape").rstrip("\r\n").split("\r\n")
    _, status, reason = f"{first}  ".split(" ", 2)
    headers: Headers = CIMultiDict()
    for line in lines:
        name, _, value = line.partition(":")
        headers.add(name, value.strip())
    return int(status), reason.strip(), headers


async def _refused(status: int, reason: str, headers: Headers, reader: asyncio.StreamReader) -> web.Response:
    """The answer of a server that does not upgrade; a body without a length ends with the connection."""
    length = int(headers.popall("Content-Length", ["-1"])[0])
    async with asyncio.timeout(CONNECT_SECONDS):
        body = await reader.readexactly(length) if 0 <= length <= MAX_PAGE else await reader.read(MAX_PAGE)
    return web.Response(status=status, reason=reason, headers=headers, body=body)


async def _couple(pipe: pipes.UpgradedPipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def up() -> None:
        while data := await pipe.read():
            writer.write(data)
            await writer.drain()

    async def down() -> None:
        while data := await reader.read(PIECE):
            await pipe.write(data)

    tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks)


def _why(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"tls: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
