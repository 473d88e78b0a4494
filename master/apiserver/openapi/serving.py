"""Makes OpenAPI documents when they are first asked for, and keeps them compressed."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from master.apiserver.openapi import documents, gnostic
from master.apiserver.served import Groups, GroupVersion, Served

_PREFIX = "/openapi/v3/"


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as gzip-compressed bytes, and the tag of its content."""

    compressed: bytes
    etag: str

    @property
    def plain(self) -> bytes:
        """The document."""
        return gzip.decompress(self.compressed)


class OpenApi:
    """The documents of what is served. Making one takes a moment and runs in a thread; what has not changed is kept."""

    def __init__(self, served: Served, server_version: str) -> None:
        self._served = served
        self._version = server_version
        self._kept: dict[str, Stored] = {}
        self._lock = asyncio.Lock()

    def index(self) -> dict[str, Any]:
        """`/openapi/v3`: where the document of each group-version is; the URL changes with its content."""
        urls = {path: f"{_PREFIX}{path}?hash={self.hash(path)}" for path in sorted(self._served.by_path)}
        return {"paths": {path: {"serverRelativeURL": url} for path, url in urls.items()}}

    def hash(self, path: str) -> str:
        """The content's hash of a group-version's document, without making it: what the document is made of decides."""
        return self._digest(self._served.by_path[path])

    async def v3(self, path: str) -> Stored | None:
        """The document of the group-version at `path` (`apis/apps/v1`); None when there is none."""
        gv = self._served.by_path.get(path)
        if gv is None:
            return None
        return await self._get(path, self._digest(gv), lambda: msgspec.json.encode(documents.v3(gv, self._version)))

    async def v2(self) -> Stored:
        """The document of everything, as JSON."""
        return await self._get("v2", self._digest(self._served.groups), lambda: msgspec.json.encode(self._make_v2()))

    async def v2_protobuf(self) -> Stored:
        """The document of everything, in the form that Go clients want."""
        etag = f"PB-{self._digest(self._served.groups)}"
        return await self._get("v2 protobuf", etag, lambda: gnostic.encode(self._make_v2()))

    def _make_v2(self) -> dict[str, Any]:
        return documents.v2(self._served.groups, self._version)

    async def _get(self, key: str, etag: str, make: Callable[[], bytes]) -> Stored:
        async with self._lock:
            if key not in self._kept or self._kept[key].etag != etag:
                compressed = await asyncio.to_thread(lambda: gzip.compress(make(), 6, mtime=0))
                self._kept[key] = Stored(compressed, etag)
            return self._kept[key]

    def _digest(self, part: Groups | GroupVersion) -> str:
        return hashlib.sha256(f"{self._version} {part!r}".encode()).hexdigest().upper()[:64]
