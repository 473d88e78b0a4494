"""The asynchronous client of the API, for the command line and for tests.

    async with Client(kubeconfig.load()) as client:
        pods = client.kind(core_v1.Pod)
        async for event in pods.watch("default"):
            ...

Objects are Structs where a kind is named by its Struct, and dicts where it is named by a word or a `GVK`.
What the server refuses is raised as the `timonel.api.errors` class of its Status.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import msgspec

from timonel import discovery, remote
from timonel.api import codec
from timonel.api.errors import StatusError, from_status
from timonel.api.gvk import GVK
from timonel.api.struct import Struct
from timonel.api.types import meta_v1
from timonel.discovery import ApiResource, Discovery
from timonel.kind import JSON, Kind, Listing, WatchEvent
from timonel.lean_aiohttp import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from timonel.kubeconfig import Access

__all__ = ["Client", "Kind", "Listing", "Unreachable", "WatchEvent"]

log = logging.getLogger(__name__)

USER_AGENT = "timonel"
CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
"""How long an ordinary call may take, unless a client is told otherwise."""

S = TypeVar("S", bound=Struct)
Query = Mapping[str, str | list[str]]


class Unreachable(ConnectionError):
    """The API server cannot be reached; the text says which and why."""


class Client:
    """A connection to an API server.

    Args:
        access: where it is and who one is.
        field_manager: under which name written fields are owned.
        on_warning: is given the server's warnings.
        seconds: how long an ordinary call may take.
    """

    def __init__(
        self,
        access: Access,
        *,
        field_manager: str = USER_AGENT,
        on_warning: Callable[[str], None] | None = None,
        seconds: float = READ_SECONDS,
    ) -> None:
        self.access = access
        self.field_manager = field_manager
        self._on_warning = on_warning
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None
        self._discovery: Discovery | None = None
        self._tls: ssl.SSLContext | bool = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    # Finding resources

    @overload
    def kind(self, what: type[S]) -> Kind[S]: ...
    @overload
    def kind(self, what: GVK | ApiResource | str) -> Kind[dict[str, Any]]: ...
    def kind(self, what: type[Any] | GVK | ApiResource | str) -> Kind[Any]:
        """The verbs for a kind: named by its Struct, its GVK, or a word such as `deploy` or `deployments.apps`."""
        return Kind(self, what)

    async def discover(self) -> Discovery:
        """What the server has; asked once."""
        if self._discovery is None:
            headers = {"Accept": f"{discovery.ACCEPT},{JSON}"}
            answers = await asyncio.gather(*(self.call("GET", path, headers=headers) for path in ("/api", "/apis")))
            self._discovery = Discovery(msgspec.json.decode(answer) for answer in answers)
        return self._discovery

    async def resource(self, what: type[Any] | GVK | ApiResource | str) -> ApiResource:
        """The resource of a kind; raises UnknownResource when the server has none such."""
        if isinstance(what, ApiResource):
            return what
        found = await self.discover()
        if isinstance(what, str):
            return found.named(what)
        return found.of(what if isinstance(what, GVK) else what.gvk)

    # Calls

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes = b"",
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """One call; the body of its answer.

        Raises:
            StatusError: the server refused.
            Unreachable: there is no server.
        """
        sent = {"Content-Type": content_type, **(headers or {})} if body else dict(headers or {})
        async with self._request(method, path, query, body, sent, self._seconds) as response:
            body, warnings = await response.read(), _warnings(response)
        if self._on_warning is not None:
            for warning in warnings:
                self._on_warning(warning)
        return body

    async def stream(
        self, path: str, query: Query | None = None, *, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """A long answer in pieces as they come; raises as `call` does."""
        async with self._request("GET", path, query, b"", headers or {}, None) as response:
            try:
                async for piece in response.content.iter_any():
                    yield piece
            except aiohttp.ClientError as error:
                raise Unreachable(f"the connection to {self.access.server} was lost: {error}") from error

    async def logs(self, namespace: str, pod: str, **options: str | bool | int) -> AsyncGenerator[bytes, None]:
        """A container's log in pieces; `options` are those of the API: container, follow, tailLines, ..."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        async with aclosing(self.stream(path, {name: _text(value) for name, value in options.items()})) as pieces:
            async for piece in pieces:
                yield piece

    async def execute(
        self,
        namespace: str,
        pod: str,
        command: list[str],
        *,
        container: str = "",
        stdin: bool = False,
        tty: bool = False,
    ) -> remote.Remote:
        """Run a command in a container; the caller closes what it gets."""
        query = _remote_query(container, stdin=stdin, tty=tty) | {"command": command}
        return await self._connect(namespace, pod, "exec", query)

    async def attach(
        self, namespace: str, pod: str, *, container: str = "", stdin: bool = False, tty: bool = False
    ) -> remote.Remote:
        """Join the streams of a container's first process; the caller closes what it gets."""
        return await self._connect(namespace, pod, "attach", _remote_query(container, stdin=stdin, tty=tty))

    async def _connect(self, namespace: str, pod: str, subresource: str, query: Query) -> remote.Remote:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/{subresource}"
        session = self._open()
        try:
            socket = await session.ws_connect(
                self._url(path), params=query, protocols=remote.PROTOCOLS, max_msg_size=0, ssl=self._tls
            )
        except aiohttp.WSServerHandshakeError:
            await self.call("POST", path, query=query)  # the refusal's words are only in an ordinary answer
            raise
        except aiohttp.ClientError as error:
            raise Unreachable(f"cannot reach {self.access.server}: {error}") from error
        return remote.Remote(socket)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        log.debug("%s %s %s", method, path, dict(query or {}))
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        session = self._open()
        try:
            async with session.request(
                method,
                self._url(path),
                params=query,
                data=body or None,
                headers=headers,
                timeout=timeout,
                ssl=self._tls,
                server_hostname=self.access.server_name or None,
            ) as response:
                if response.status >= 400:
                    raise _refusal(response.status, await response.read())
                yield response
        except TimeoutError as error:
            raise Unreachable(f"{self.access.server} has not answered in time") from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"cannot reach {self.access.server}: {error}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"User-Agent": USER_AGENT, "Accept": JSON}
            if self.access.token:
                headers["Authorization"] = f"Bearer {self.access.token}"
            self._tls = self.access.tls() if self.access.server.startswith("https") else True
            self._session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))
        return self._session

    def _url(self, path: str) -> str:
        return self.access.server + path


def _refusal(code: int, body: bytes) -> StatusError:
    """The error of an answer; one that is no Status is judged by its code."""
    try:
        status = codec.decode(meta_v1.Status, body)
    except StatusError:
        status = meta_v1.Status()
    if status.kind != "Status" or not status.code:
        text = body[:200].decode(errors="replace").strip()
        status = meta_v1.Status(code=code, message=text)
    return from_status(status)


def _warnings(response: aiohttp.ClientResponse) -> list[str]:
    """The texts of `299 - "text"` headers."""
    texts = [header.partition('"')[2].removesuffix('"') for header in response.headers.getall("Warning", [])]
    return [text.replace('\\"', '"').replace("\\\\", "\\") for text in texts]


def _remote_query(container: str, *, stdin: bool, tty: bool) -> dict[str, str | list[str]]:
    query: dict[str, str | list[str]] = {"stdout": "true", "stderr": _text(not tty)}
    query |= {"stdin": _text(stdin), "tty": _text(tty)}
    return query | ({"container": container} if container else {})


def _text(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
