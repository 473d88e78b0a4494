"""Pulls from a small registry that the test serves itself."""

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
import uuid
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass

import docker
import pytest
from aiohttp import web
from docker.errors import DockerException, NotFound

from node_agent.runtimes.base import Credentials, ImageFailure, PullProgress
from node_agent.runtimes.docker import DockerRuntime

pytestmark = pytest.mark.docker
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
LOGIN = Credentials("me", "secret")


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Registry:
    """Serves one image, to those who log in."""

    blobs: dict[str, bytes]
    manifest: bytes
    port: int = 0

    def image(self, repository: str) -> str:
        return f"127.0.0.1:{self.port}/{repository}:1"

    async def serve(self, request: web.Request) -> web.Response:
        if self.refuses(request):
            return self.login()
        if request.path == "/v2/":
            return web.json_response({})
        repository, kind, wanted = request.path.removeprefix("/v2/").rsplit("/", 2)
        if repository != "private":
            problem = {"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}
            return web.json_response(problem, status=404)
        if kind == "manifests":
            headers = {"Docker-Content-Digest": digest(self.manifest)}
            return web.Response(body=self.manifest, content_type=MANIFEST, headers=headers)
        return web.Response(body=self.blobs[wanted], content_type="application/octet-stream")

    def refuses(self, request: web.Request) -> bool:
        login = base64.b64encode(f"{LOGIN.username}:{LOGIN.password}".encode()).decode()
        return request.headers.get("Authorization") != f"Basic {login}"

    def login(self) -> web.Response:
        headers = {"WWW-Authenticate": 'Basic realm="lab"'}
        problem = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        return web.json_response(problem, status=401, headers=headers)


def image() -> tuple[dict[str, bytes], bytes]:
    """(blobs, manifest) of an image nobody has yet, with a user and a layer that cannot be squeezed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("noise")
        entry.size = 2 << 20
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    layer = gzip.compress(buffer.getvalue(), 1)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"User": "4242"},
            "rootfs": {"type": "layers", "diff_ids": [digest(buffer.getvalue())]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest(layer)}],
    }
    return {digest(config): config, digest(layer): layer}, json.dumps(manifest).encode()


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    made = Registry(*image())
    app = web.Application()
    app.router.add_get("/v2/{tail:.*}", made.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def runtime(registry: Registry) -> AsyncIterator[DockerRuntime]:
    try:
        client = docker.APIClient(version="auto")
    except DockerException:
        pytest.skip("no Docker daemon answers")
    made = DockerRuntime(cluster=f"pull-{uuid.uuid4().hex[:8]}", node="one")
    yield made
    with closing(client), suppress(NotFound):
        client.remove_image(registry.image("private"))
    await made.close()


async def pull(runtime: DockerRuntime, name: str, credentials: Credentials | None = None) -> list[PullProgress]:
    return [progress async for progress in runtime.pull(name, credentials)]


async def test_a_pull_brings_the_image_and_tells_its_progress(registry: Registry, runtime: DockerRuntime) -> None:
    name = registry.image("private")
    steps = await pull(runtime, name, LOGIN)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total > 2 << 20
    found = await runtime.image(name)
    assert found is not None
    assert found.user == "4242"
    assert name in found.names
    assert any("@sha256:" in other for other in found.names)
    assert await pull(runtime, name, LOGIN)


@pytest.mark.parametrize("credentials", [None, Credentials("me", "wrong")], ids=["no-login", "wrong-login"])
async def test_a_registry_that_refuses_is_quoted(
    registry: Registry, runtime: DockerRuntime, credentials: Credentials | None
) -> None:
    with pytest.raises(ImageFailure, match="auth") as raised:
        await pull(runtime, registry.image("private"), credentials)
    assert raised.value.reason == "ErrImagePull"


async def test_an_unknown_image_is_named(registry: Registry, runtime: DockerRuntime) -> None:
    with pytest.raises(ImageFailure, match="absent"):
        await pull(runtime, registry.image("absent"), LOGIN)
