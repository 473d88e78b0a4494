"""The verbs for the objects of one kind, as `Client.kind` gives them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from timonel.api import codec
from timonel.api.errors import from_status
from timonel.api.types import meta_v1

if TYPE_CHECKING:
    from timonel.api.gvk import GVK
    from timonel.client import Client
    from timonel.discovery import ApiResource

JSON = "application/json"
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


class Kind(Generic[T]):
    """The verbs for one kind; made by `Client.kind`. An empty namespace is all of them, for list and watch."""

    def __init__(self, client: Client, what: type[T] | GVK | ApiResource | str) -> None:
        self._client = client
        self._what = what
        struct = what if isinstance(what, type) else None
        self._decode: Callable[[bytes], T] = (lambda raw: codec.decode(struct, raw)) if struct else msgspec.json.decode

    async def get(self, namespace: str, name: str, *, subresource: str = "") -> T:
        """One object; raises NotFound when there is none."""
        path = (await self._resource()).path(namespace, name, subresource)
        return self._decode(await self._client.call("GET", path))

    async def list(self, namespace: str = "", *, labels: str = "", fields: str = "", page: int = PAGE) -> Listing[T]:
        """All objects that the selectors choose, fetched by `page` at a time (0: all at once)."""
        path = (await self._resource()).path(namespace)
        query = _selectors(labels, fields) | ({"limit": str(page)} if page else {})
        items: list[T] = []
        while True:
            part = _page.decode(await self._client.call("GET", path, query=query))
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
            part = msgspec.json.decode(await self._client.call("GET", path, query=query, headers=_TABLE))
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
        return msgspec.json.decode(answer, type=dict[str, Any])

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
        return self._decode(await self._client.call(method, path, query=query, body=body, content_type=content_type))


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


def _metadata(obj: Any) -> Mapping[str, Any]:
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else obj.metadata
    return metadata if isinstance(metadata, Mapping) else msgspec.to_builtins(metadata, enc_hook=str)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {name: text for name, text in (("labelSelector", labels), ("fieldSelector", fields)) if text}


def _included(whole: bool) -> dict[str, str]:
    return {"includeObject": "Object"} if whole else {}
