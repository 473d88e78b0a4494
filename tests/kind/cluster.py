"""A Kubernetes API server as the scenarios see it: raw requests, and where its resources are."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict

from timonel import kubeconfig
from timonel.discovery import ACCEPT, ApiResource, Discovery, UnknownResource

REQUEST_SECONDS = 40.0
Headers = CIMultiDict[str]

DISCOVERY_SECONDS = 10.0
"""How long a new kind may take to be found."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of whatever code; the body is what its JSON says, or its text where it is not JSON."""

    code: int
    body: Any
    headers: Mapping[str, str]
    warnings: tuple[str, ...]


class Cluster:
    """An API server; its caller closes it."""

    def __init__(self, config: Path | None) -> None:
        self.config = config
        self.access = kubeconfig.load(config)
        self._session: aiohttp.ClientSession | None = None
        self._found: Discovery | None = None
        self._version: str | None = None

    async def __aenter__(self) -> Self:
        """Open the connections: with the kubeconfig's credentials, and with none, for tokens."""
        self._session = self._connect(self.access)
        self._bare = self._connect(kubeconfig.Access(self.access.server, ca=self.access.ca, verify=self.access.verify))
        return self

    def _connect(self, access: kubeconfig.Access) -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
        connector = aiohttp.TCPConnector(limit=0, ssl=access.tls() if access.server.startswith("https") else True)
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        return aiohttp.ClientSession(access.server, headers=headers, connector=connector, timeout=timeout)

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        assert self._session is not None
        await self._session.close()
        await self._bare.close()

    @asynccontextmanager
    async def open(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, unread. One with a token of its own goes without the kubeconfig's credentials."""
        session = self._bare if "Authorization" in headers else self._session
        assert session is not None
        server_name = self.access.server_name or None
        async with session.request(
            method, path, params=query, data=body, headers=headers, server_hostname=server_name
        ) as response:
            yield response

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request. A body that is not text is sent as JSON."""
        text = body if isinstance(body, str) or body is None else json.dumps(body, separators=(",", ":"))
        data = text.encode() if text is not None else None
        sent = Headers(headers or {})
        if data:
            sent.setdefault("Content-Type", "application/json")
        async with self.open(method, path, query or {}, data, sent) as response:
            raw = await response.text()
            is_json = raw[:1] in ("{", "[")
            warnings = tuple(_warning(line) for line in response.headers.getall("Warning", ()))
            return Answer(response.status, json.loads(raw) if is_json and raw else raw, response.headers, warnings)

    async def resource(self, word: str) -> ApiResource:
        """The resource that a word or an `apiVersion/Kind` means; one that is unknown is looked for for a while."""
        deadline = asyncio.get_running_loop().time() + DISCOVERY_SECONDS
        while True:
            if self._found is None:
                answers = [await self.send("GET", path, headers={"Accept": ACCEPT}) for path in ("/api", "/apis")]
                self._found = Discovery(answer.body for answer in answers)
            try:
                return _of(self._found, word)
            except UnknownResource:
                self._found = None
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.2)

    async def is_timonel(self) -> bool:
        """Whether this is Timonel; asked once."""
        if self._version is None:
            self._version = str((await self.send("GET", "/version")).body["gitVersion"])
        return "timonel" in self._version

    async def has_nodes(self) -> bool:
        """Whether pods run here: a node is ready."""
        nodes = (await self.send("GET", "/api/v1/nodes")).body["items"]
        conditions = [condition for node in nodes for condition in node.get("status", {}).get("conditions", ())]
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    async def streams_lists(self) -> bool:
        """Whether a watch may begin with all objects: one over an old etcd refuses that in the stream."""
        query = {"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": "1"}
        async with self.open("GET", "/api/v1/namespaces/default/configmaps", query, None, {}) as response:
            return bool(json.loads(await response.content.readline())["type"] != "ERROR")


def _warning(header: str) -> str:
    """The text of `299 - "text"`, in which quotes and backslashes are escaped."""
    return re.sub(r"\\(.)", r"\1", header.split('"', 1)[1][:-1])


def _of(found: Discovery, word: str) -> ApiResource:
    version, _, kind = word.rpartition("/")
    if not version:
        return found.named(word)
    for resource in found.resources:
        if (resource.gvk.api_version, resource.gvk.kind) == (version, kind):
            return resource
    raise UnknownResource(f"the server has no {word}")
