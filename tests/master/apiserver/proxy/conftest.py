"""A web server that stands for what runs in pods, reached as nodes reach it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from master.registry.base import component
from timonel.api.types import core_v1, meta_v1

POD_IP = "10.244.1.7"
PAGE = '<a href="/abs">a</a><a href=\'rel\'>b</a><img alt="/x" src="/i.png?a=1&amp;b=2"><a href="http://other/z">c</a>'


async def _echo(request: web.Request) -> web.StreamResponse:
    """Says what it was asked."""
    match request.path.rsplit("/", 1)[-1]:
        case "redirect":
            return web.Response(status=302, headers={"Location": request.query["to"]})
        case "page":
            return web.Response(text=PAGE, content_type="text/html", headers={"Access-Control-Allow-Origin": "*"})
        case "chunked":  # it does not say how long it is
            response = web.StreamResponse(headers={"Content-Type": "text/html"})
            await response.prepare(request)
            await response.write(PAGE.encode())
            return response
        case "socket":
            return await _socket(request)
        case "stream":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"first\n")
            await asyncio.Event().wait()
        case "broken":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"half")
            assert request.transport is not None
            request.transport.close()
            return response
        case "refused":
            return web.Response(status=418, text="no")
    told = {
        "method": request.method,
        "target": request.raw_path,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": (await request.read()).decode(),
    }
    return web.json_response(told, headers={"X-Method": request.method})


async def _socket(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse(protocols=("echo",))
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(f"heard {message.data}")
    return socket


@dataclass
class Web:
    """The web server, and the pod that it runs in."""

    port: int
    pod: core_v1.Pod


@pytest.fixture
async def echo(served: Any) -> AsyncIterator[Web]:
    """The pod `web` on node n1, its port named `main`."""
    runner = web.ServerRunner(web.Server(_echo), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = int(runner.addresses[0][1])
    pod = core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="web", namespace="default"),
        spec=core_v1.PodSpec(
            nodeName="n1",
            containers=[
                core_v1.Container(name="c", image="i", ports=[core_v1.ContainerPort(name="main", containerPort=port)])
            ],
        ),
    )
    await served.registry.create(component("test"), core_v1.Pod, "default", pod)
    status = core_v1.PodStatus(phase="Running", podIP=POD_IP, podIPs=[core_v1.PodIP(ip=POD_IP)])
    pod.status = status
    await served.registry.update(component("test"), core_v1.Pod, "default", "web", pod, subresource="status")
    served.nodes.script = served.nodes.to_own_ports
    yield Web(port, pod)
    await runner.cleanup()


@pytest.fixture
def make(served: Any) -> Callable[..., Awaitable[None]]:
    """Stores an object that is given as JSON."""

    async def store(kind: type[Any], obj: dict[str, Any]) -> None:
        namespace = obj["metadata"].get("namespace", "")
        await served.registry.create(component("test"), kind, namespace, json.dumps(obj).encode())

    return store
