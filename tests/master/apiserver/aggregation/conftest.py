"""A small extension API server: TLS, who asks by the request's headers, discovery, one resource, watches."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from master.apiserver.server import server_tls
from master.pki import Pki
from master.registry.base import component
from timonel.api.types import apiregistration_v1, core_v1, discovery_v1

GROUP, VERSION = "wardle.example.com", "v1alpha1"
PATH = f"/apis/{GROUP}/{VERSION}"
NAME = f"{VERSION}.{GROUP}"
SERVER_NAME = "extension.default.svc"
FLUNDER = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder"}

POD_IP = "10.244.1.9"

RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {
            "name": "flunders",
            "singularName": "flunder",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["create", "get", "list", "watch"],
            "shortNames": ["fl"],
        },
        {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
    ],
}
OPENAPI_V2 = {
    "swagger": "2.0",
    "paths": {
        f"{PATH}/flunders": {"get": {"operationId": "listFlunder", "parameters": [{"$ref": "#/parameters/limit-1"}]}},
        "/apis/apps/v1/deployments": {"get": {"operationId": "notYours", "responses": {}}},
    },
    "parameters": {"limit-1": {"name": "limit", "in": "query", "type": "integer"}},
    "definitions": {"com.example.wardle.v1alpha1.Flunder": {"type": "object", "additionalProperties": True}},
}


@dataclass
class Extension:
    """What the server does, and whom it was asked by."""

    port: int = 0
    asked_by: dict[str, list[str]] = field(default_factory=dict)
    is_well: bool = True
    openapi_v2: Any = field(default_factory=lambda: OPENAPI_V2)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        if not certificate or certificate["subject"] != ((("commonName", "front-proxy-client"),),):
            return web.Response(status=401)
        headers = request.headers
        self.asked_by = {name.lower(): headers.getall(name) for name in headers if name.lower().startswith("x-remote")}
        if not self.is_well:
            return web.Response(status=500, text="not well")
        if request.path == PATH:
            return web.json_response(RESOURCES)
        if request.path == "/openapi/v2":
            return web.json_response(self.openapi_v2)
        if request.path == "/openapi/v3":
            url = f"/openapi/v3/apis/{GROUP}/{VERSION}?hash=1"
            return web.json_response({"paths": {PATH.strip("/"): {"serverRelativeURL": url}}})
        if request.path == f"/openapi/v3{PATH}":
            return web.json_response({"openapi": "3.0.0", "paths": {f"{PATH}/flunders": {}}})
        if request.path.endswith("/socket"):
            return await self._socket(request)
        if "watch" in request.query:
            return await self._watch(request)
        return await self._object(request)

    async def _object(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            made = {**json.loads(await request.read()), **FLUNDER}
            made["metadata"] = {**made["metadata"], "namespace": "default", "uid": "1", "resourceVersion": "1"}
            self.items[made["metadata"]["name"]] = made
            return web.json_response(made, status=201)
        name = request.path.rpartition("/")[2]
        if name == "flunders":
            meta = {"resourceVersion": "1"}
            return web.json_response(
                {**FLUNDER, "kind": "FlunderList", "metadata": meta, "items": [*self.items.values()]}
            )
        if name not in self.items:
            why = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"}
            return web.json_response({**why, "message": f'flunders "{name}" not found'}, status=404)
        return web.json_response(self.items[name])

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(json.dumps({"type": "ADDED", "object": FLUNDER}).encode() + b"\n")
        await asyncio.Event().wait()
        return response

    async def _socket(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket


@pytest.fixture
def ca(tmp_path: Path) -> Pki:
    """The extension server's own authority."""
    return Pki.open(tmp_path / "extension")


@pytest.fixture
async def extension(served: Any, ca: Pki, tmp_path: Path) -> AsyncIterator[Extension]:
    """The server, which believes the API server's front proxy only."""
    made = Extension()
    pair = ca.issue_server([SERVER_NAME])
    front_proxy_ca = (tmp_path / "pki" / "front-proxy-ca.crt").read_bytes()
    tls = server_tls(pair.certificate, pair.key, front_proxy_ca)
    assert tls.verify_mode is ssl.CERT_OPTIONAL
    runner = web.ServerRunner(web.Server(made.serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    made.port = int(runner.addresses[0][1])
    yield made
    await runner.cleanup()


Register = Callable[..., Awaitable[None]]


@pytest.fixture
def register(served: Any, ca: Pki) -> Register:
    """Stores the service, its endpoint, which is a pod whose ports are this machine's, and the APIService."""
    served.nodes.script = served.nodes.to_own_ports
    who, meta = component("test"), {"name": "extension", "namespace": "default"}

    async def create(kind: type[Any], obj: dict[str, Any]) -> None:
        await served.registry.create(who, kind, obj["metadata"].get("namespace", ""), json.dumps(obj).encode())

    async def store(port: int, *parts: str, **spec: Any) -> None:
        if not parts or "service" in parts:
            await create(core_v1.Service, {"metadata": meta, "spec": {"ports": [{"name": "api", "port": 443}]}})
        if not parts or "endpoints" in parts:
            containers = [{"name": "c", "image": "i"}]
            await create(core_v1.Pod, {"metadata": meta, "spec": {"nodeName": "n1", "containers": containers}})
            labels = {"kubernetes.io/service-name": "extension"}
            pod = {"kind": "Pod", **meta}
            endpoints = [{"addresses": [POD_IP], "conditions": {"ready": True}, "targetRef": pod}]
            ports = [{"name": "api", "port": port}]
            obj = {
                "metadata": {**meta, "labels": labels},
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            }
            await create(discovery_v1.EndpointSlice, obj)
        if not parts or "api" in parts:
            wanted = {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 2000,
                "versionPriority": 10,
                "service": {**meta, "port": 443},
                "caBundle": base64.b64encode(ca.ca_pem).decode(),
                **spec,
            }
            await create(apiregistration_v1.APIService, {"metadata": {"name": NAME}, "spec": wanted})

    return store


@pytest.fixture
def available(served: Any, eventually: Any) -> Callable[..., Awaitable[apiregistration_v1.APIServiceCondition]]:
    """Waits until an APIService is available for a reason, and gives that condition."""

    async def wait(reason: str, name: str = NAME) -> apiregistration_v1.APIServiceCondition:
        def condition() -> apiregistration_v1.APIServiceCondition | None:
            api = served.registry.reader.cached(apiregistration_v1.APIService, "", name)
            return next((each for each in api.status.conditions if each.type == "Available"), None) if api else None

        await eventually(lambda: (found := condition()) is not None and found.reason == reason)
        found = condition()
        assert found is not None
        return found

    return wait
