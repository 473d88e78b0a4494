"""A real webhook server over HTTPS, scripted by the test."""

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from master.pki import Pki
from timonel.api.types import admissionregistration_v1 as v1

Says = Callable[[dict[str, Any]], Any]
"""From the request of a review to the response: its fields, or a whole HTTP response."""


def allow(_: dict[str, Any]) -> dict[str, Any]:
    return {"allowed": True}


@dataclass
class Hooks:
    """The server: what it says, by path, and what it was asked."""

    port: int = 0
    authority: str = ""
    says: dict[str, Says] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    hangs: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        review = json.loads(await request.read())
        self.peers.add(request.transport)
        self.asked.append((request.path, review["request"]))
        self.queries.append(request.query_string)
        says: Says = self.says.get(request.path, allow)
        said = says(review["request"])
        if said is None:
            await self.hangs.wait()
            said = {"allowed": True}
        if isinstance(said, web.StreamResponse):
            return said
        response = {"uid": review["request"]["uid"], **said}
        return web.json_response({**{k: review[k] for k in ("apiVersion", "kind")}, "response": response})

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def webhook(self, path: str = "/", **fields: Any) -> dict[str, Any]:
        """A webhook that is asked about ConfigMaps at this path."""
        name = (path.strip("/").replace("/", "-") or "hook") + ".example.com"
        rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
        client = {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.authority}
        return {
            "name": name,
            "clientConfig": client,
            "rules": [rule],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            **fields,
        }


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Hooks]:
    pki = Pki.open(directory)
    pair = pki.issue_server(["127.0.0.1", "hook.n.svc"])
    (directory / "server.pem").write_bytes(pair.certificate + pair.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(directory / "server.pem")
    hooks = Hooks(authority=base64.b64encode(pki.ca_pem).decode())
    app = web.Application()
    app.router.add_post("/{path:.*}", hooks.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    hooks.port = listening.getsockname()[1]
    await web.SockSite(runner, listening, ssl_context=tls).start()
    yield hooks
    hooks.hangs.set()
    await runner.cleanup()


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[Hooks]:
    directory = tmp_path / "hooks"
    directory.mkdir()
    async with serving(directory) as served:
        yield served


@pytest.fixture
def patch() -> Callable[..., Says]:
    """Makes an answer that allows with a JSON patch."""

    def make(*operations: dict[str, Any], **fields: Any) -> Says:
        encoded = base64.b64encode(json.dumps(operations).encode()).decode()
        return lambda _: {"allowed": True, "patchType": "JSONPatch", "patch": encoded, **fields}

    return make


@pytest.fixture
async def install(api: Any) -> Callable[..., Any]:
    """Makes webhooks known and waits until the registry knows them."""

    async def make(kind: type[Any], *webhooks: dict[str, Any], name: str = "hooks") -> None:
        await api.create(kind, {"metadata": {"name": name}, "webhooks": list(webhooks)}, "")
        await api.registry.cache(kind).fresh()

    return make


@pytest.fixture
def mutating(install: Callable[..., Any]) -> Callable[..., Any]:
    async def make(*webhooks: dict[str, Any], name: str = "hooks") -> None:
        await install(v1.MutatingWebhookConfiguration, *webhooks, name=name)

    return make


@pytest.fixture
def validating(install: Callable[..., Any]) -> Callable[..., Any]:
    async def make(*webhooks: dict[str, Any], name: str = "hooks") -> None:
        await install(v1.ValidatingWebhookConfiguration, *webhooks, name=name)

    return make


@pytest.fixture
def config_map() -> dict[str, Any]:
    return {"metadata": {"name": "m", "labels": {"app": "web"}}, "data": {"a": "b"}}
