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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import msgspec

from timonel import discovery, remote
from timonel.api import codec
from timonel.api.errors import StatusError, from_status
from timonel.api.gvk import GVK
from timonel.api.struct import Struct
from timonel.api.types import meta_v1
from timonel.discovery import ApiResource, Discovery
from timonel.lean_aiohttp import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from timonel.kubeconfig import Access

log = logging.getLogger(__name__)

JSON = "application/json"
USER_AGENT = "timonel"
CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
"""How long an ordinary call may take, unless a client is told otherwise."""
PAGE = 500

PatchType = Literal["json", "merge", "strategic", "apply"]
_PATCHES: Mapping[PatchType, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}

_TABLE = {"Accept": f"{JSON};as=Table;v=v1;g=meta.k8s.io,{JSON}"}

T = TypeVar("T")
S = TypeVar("S", bound=Struct)
Query = Mapping[str, str | list[str]]


class Unreachable(ConnectionError):
    """The API server cannot be reached; the text says which and why."""


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """A change: ADDED, MODIFIED, DELETED or BOOKMARK, and the object after it (for DELETED: at its end)."""

    type: str
    object: T


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All objects of a list, and the resourceVersion from which a watch goes on."""

    items: list[T]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    body: bytes
    warnings: tuple[str, ...]


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

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            self._discovery = Discovery(msgspec.json.decode(answer.body) for answer in answers)
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
    ) -> Answer:
        """One call.

        Raises:
            StatusError: the server refused.
            Unreachable: there is no server.
        """
        sent = {"Content-Type": content_type, **(headers or {})} if body else dict(headers or {})
        async with self._request(method, path, query, body, sent, self._seconds) as response:
            answer = Answer(await response.read(), tuple(_warnings(response)))
        for warning in answer.warnings:
            if self._on_warning is not None:
                self._on_warning(warning)
        return answer

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
        return await self._connect(f"/api/v1/namespaces/{namespace}/pods/{pod}/exec", query)

    async def attach(
        self, namespace: str, pod: str, *, container: str = "", stdin: bool = False, tty: bool = False
    ) -> remote.Remote:
        """Join the streams of a container's first process; the caller closes what it gets."""
        query = _remote_query(container, stdin=stdin, tty=tty)
        return await self._connect(f"/api/v1/namespaces/{namespace}/pods/{pod}/attach", query)

    async def _connect(self, path: str, query: Query) -> remote.Remote:
        session = self._open()
        try:
            socket = await session.ws_connect(
                self._url(path), params=_pairs(query), protocols=remote.PROTOCOLS, max_msg_size=0, ssl=self._tls
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
                params=_pairs(query or {}),
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


class Kind(Generic[T]):
    """The verbs for one kind; made by `Client.kind`. An empty namespace is all of them, for list and watch."""

    def __init__(self, client: Client, what: type[T] | GVK | ApiResource | str) -> None:
        self._client = client
        self._what = what
        struct = what if isinstance(what, type) else None
        self._decode: Callable[[bytes], Any] = (
            (lambda raw: codec.decode(struct, raw)) if struct else msgspec.json.decode
        )

    async def get(self, namespace: str, name: str, *, subresource: str = "") -> T:
        """One object; raises NotFound when there is none."""
        path = (await self._resource()).path(namespace, name, subresource)
        return self._one(await self._client.call("GET", path))

    async def list(self, namespace: str = "", *, labels: str = "", fields: str = "", page: int = PAGE) -> Listing[T]:
        """All objects that the selectors choose, fetched by `page` at a time (0: all at once)."""
        path = (await self._resource()).path(namespace)
        query = _selectors(labels, fields) | ({"limit": str(page)} if page else {})
        items: list[T] = []
        while True:
            part = _page.decode((await self._client.call("GET", path, query=query)).body)
            items.extend(self._decode(bytes(raw)) for raw in part.items)
            if not part.metadata.get("continue"):
                return Listing(items, str(part.metadata.get("resourceVersion", "")))
            query["continue"] = part.metadata["continue"]

    async def table(
        self,
        namespace: str = "",
        name: str = "",
        *,
        labels: str = "",
        fields: str = "",
        whole: bool = False,
        page: int = PAGE,
    ) -> dict[str, Any]:
        """The server's table of a list, fetched by `page` rows at a time (0: all at once), or of one object.

        Each row carries its object's metadata, or with `whole` the object.
        """
        path = (await self._resource()).path(namespace, name)
        query = _selectors(labels, fields) | _included(whole) | ({"limit": str(page)} if page and not name else {})
        table: dict[str, Any] = {}
        while True:
            answer = await self._client.call("GET", path, query=query, headers=_TABLE)
            part: dict[str, Any] = msgspec.json.decode(answer.body)
            rows = [*(table.get("rows") or ()), *(part.get("rows") or ())]
            table = {
                **part,
                "columnDefinitions": table.get("columnDefinitions") or part["columnDefinitions"],
                "rows": rows,
            }
            if not part["metadata"].get("continue"):
                return table
            query["continue"] = part["metadata"]["continue"]

    async def create(
        self, obj: T, *, namespace: str = "", dry_run: bool = False, validation: str = "", subresource: str = ""
    ) -> T:
        """Create an object, in its own namespace or `namespace`; with `subresource`, carry out an action on it."""
        meta = _metadata(obj)
        namespace = namespace or str(meta.get("namespace") or "")
        name = str(meta.get("name") or "") if subresource else ""
        path = (await self._resource()).path(namespace, name, subresource)
        return await self._write("POST", path, codec.encode(obj), JSON, dry_run=dry_run, validation=validation)

    async def replace(self, obj: T, *, namespace: str = "", subresource: str = "", dry_run: bool = False) -> T:
        """Replace an object; with its resourceVersion set, only while it is at that version."""
        meta = _metadata(obj)
        namespace = namespace or str(meta.get("namespace") or "")
        path = (await self._resource()).path(namespace, str(meta.get("name") or ""), subresource)
        return await self._write("PUT", path, codec.encode(obj), JSON, dry_run=dry_run)

    async def patch(
        self,
        namespace: str,
        name: str,
        patch: Any,
        kind: PatchType = "merge",
        *,
        subresource: str = "",
        dry_run: bool = False,
        force: bool = False,
        validation: str = "",
    ) -> T:
        """Patch an object; `patch` is what the patch's JSON says. `force` is for apply alone."""
        path = (await self._resource()).path(namespace, name, subresource)
        body = codec.encode(patch)
        return await self._write(
            "PATCH", path, body, _PATCHES[kind], dry_run=dry_run, force=force, validation=validation
        )

    async def apply(self, obj: Any, *, force: bool = False, dry_run: bool = False, validation: str = "") -> T:
        """Server-side apply: create the object, or bring the fields that `obj` names to what it says.

        An object of a namespaced kind that names no namespace goes to that of the access.
        Raises ApplyConflict when other managers own some of them and `force` is False.
        """
        meta = _metadata(obj)
        namespace, name = str(meta.get("namespace") or self._client.access.namespace), str(meta.get("name") or "")
        return await self.patch(namespace, name, obj, "apply", force=force, dry_run=dry_run, validation=validation)

    async def delete(
        self,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Delete an object; gives a Status, or the object where grace or finalizers keep it."""
        path = (await self._resource()).path(namespace, name)
        options = meta_v1.DeleteOptions(
            gracePeriodSeconds=grace_seconds,
            propagationPolicy=propagation,
            preconditions=meta_v1.Preconditions(uid=uid) if uid else None,
            dryRun=["All"] if dry_run else [],
        )
        answer = await self._client.call("DELETE", path, body=codec.encode(options))
        result: dict[str, Any] = msgspec.json.decode(answer.body)
        return result

    async def watch(
        self, namespace: str = "", *, labels: str = "", fields: str = "", resource_version: str = ""
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """Changes, for ever: first what is there, as ADDED, or all after `resource_version`.

        A watch that the server ends is taken up again where it ended. Raises Expired when that is too long ago.
        """
        async with aclosing(self._changes(namespace, _selectors(labels, fields), {}, resource_version)) as changes:
            async for kind, raw in changes:
                yield WatchEvent(kind, self._decode(raw))

    async def watch_table(
        self,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        whole: bool = False,
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent[dict[str, Any]], None]:
        """As `watch`, each change as a table of one row; only the first tells the columns."""
        query = _selectors(labels, fields) | _included(whole)
        async with aclosing(self._changes(namespace, query, _TABLE, resource_version)) as changes:
            async for kind, raw in changes:
                yield WatchEvent(kind, msgspec.json.decode(raw))

    async def _changes(
        self, namespace: str, query: dict[str, str], headers: Mapping[str, str], resource_version: str
    ) -> AsyncGenerator[tuple[str, bytes], None]:
        path = (await self._resource()).path(namespace)
        query = query | {"watch": "true", "allowWatchBookmarks": "true"}
        while True:
            if resource_version:
                query["resourceVersion"] = resource_version
            async with aclosing(self._client.stream(path, query, headers=headers)) as pieces:
                async for line in _lines(pieces):
                    event = _event.decode(line)
                    raw = bytes(event.object)
                    if event.type == "ERROR":
                        raise from_status(codec.decode(meta_v1.Status, raw))
                    resource_version = _versioned.decode(raw).metadata.resourceVersion or resource_version
                    if event.type != "BOOKMARK":
                        yield event.type, raw

    async def _resource(self) -> ApiResource:
        return await self._client.resource(self._what)

    async def _write(
        self,
        method: str,
        path: str,
        body: bytes,
        content_type: str,
        *,
        dry_run: bool,
        force: bool = False,
        validation: str = "",
    ) -> T:
        query = {"fieldManager": self._client.field_manager}
        query |= {"dryRun": "All"} if dry_run else {}
        query |= {"force": "true"} if force else {}
        query |= {"fieldValidation": validation} if validation else {}
        return self._one(await self._client.call(method, path, query=query, body=body, content_type=content_type))

    def _one(self, answer: Answer) -> T:
        obj: T = self._decode(answer.body)
        return obj


class _Page(msgspec.Struct):
    metadata: dict[str, Any] = {}
    items: list[msgspec.Raw] = []


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct):
    class Metadata(msgspec.Struct):
        resourceVersion: str = ""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


_page = msgspec.json.Decoder(_Page)
_event = msgspec.json.Decoder(_Event)
_versioned = msgspec.json.Decoder(_Versioned)


async def _lines(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Whole lines from pieces cut anywhere."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line:
                yield line


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


def _metadata(obj: Any) -> Mapping[str, Any]:
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else obj.metadata
    return metadata if isinstance(metadata, Mapping) else msgspec.to_builtins(metadata, enc_hook=str)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {name: text for name, text in (("labelSelector", labels), ("fieldSelector", fields)) if text}


def _included(whole: bool) -> dict[str, str]:
    return {"includeObject": "Object"} if whole else {}


def _remote_query(container: str, *, stdin: bool, tty: bool) -> dict[str, str | list[str]]:
    query: dict[str, str | list[str]] = {"stdout": "true", "stderr": _text(not tty)}
    query |= {"stdin": _text(stdin), "tty": _text(tty)}
    return query | ({"container": container} if container else {})


def _text(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pairs(query: Query) -> list[tuple[str, str]]:
    return [(name, text) for name, value in query.items() for text in (value if isinstance(value, list) else [value])]
