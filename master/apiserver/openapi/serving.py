"""Makes OpenAPI documents when they are first asked for, and keeps them compressed."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from master.apiserver.openapi import documents, gnostic
from master.apiserver.openapi.merging import merged
from master.apiserver.served import Groups, GroupVersion, Served

_PREFIX = "/openapi/v3/"
_EDITION = 2
"""To be raised when documents are written otherwise: kubectl keeps them by their digests, whoever wrote them."""


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
        urls = {gv.path: f"{_PREFIX}{gv.path}?hash={self._digest(gv)}" for gv in self._own()}
        urls |= {path: f"{_PREFIX}{path}" for path in self._served.elsewhere.openapi_v3_paths()}
        return {"paths": {path: {"serverRelativeURL": urls[path]} for path in sorted(urls)}}

    async def v3(self, path: str) -> Stored | None:
        """The document of the group-version at `path` (`apis/apps/v1`); None when there is none."""
        gv = next((gv for gv in self._own() if gv.path == path), None)
        if gv is None:
            found = await self._served.elsewhere.openapi_v3(path)
            return None if found is None else Stored(gzip.compress(found, 6, mtime=0), _hash(found))
        return await self._get(path, self._digest(gv), lambda: msgspec.json.encode(documents.v3(gv, self._version)))

    async def v2(self) -> Stored:
        """The document of everything, as JSON."""
        return await self._get("v2", self._digest_of_all(), lambda: msgspec.json.encode(self._make_v2()))

    async def v2_protobuf(self) -> Stored:
        """The document of everything, in the form that Go clients want."""
        etag = f"PB-{self._digest_of_all()}"
        return await self._get("v2 protobuf", etag, lambda: gnostic.encode(self._make_v2()))

    def _make_v2(self) -> dict[str, Any]:
        own = documents.v2(self._served.own, self._version)
        return merged(own, self._served.elsewhere.openapi_v2())

    def _own(self) -> Iterator[GroupVersion]:
        return (gv for versions in self._served.own.values() for gv in versions)

    async def _get(self, key: str, etag: str, make: Callable[[], bytes]) -> Stored:
        async with self._lock:
            if key not in self._kept or self._kept[key].etag != etag:
                compressed = await asyncio.to_thread(lambda: gzip.compress(make(), 6, mtime=0))
                self._kept[key] = Stored(compressed, etag)
            return self._kept[key]

    def _digest(self, part: Groups | GroupVersion) -> str:
        """Of a document's content, without making it: what it is made of decides."""
        return _hash(f"{_EDITION} {self._version} {part!r}".encode())

    def _digest_of_all(self) -> str:
        return _hash(f"{self._digest(self._served.own)} {self._served.elsewhere.generation}".encode())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest().upper()
