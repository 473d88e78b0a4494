"""The client's own parts, against a scripted server; tests/master/apiserver has it against the real one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from timonel import discovery
from timonel.api import errors
from timonel.api.gvk import GVK
from timonel.api.types import core_v1
from timonel.client import Client, Unreachable
from timonel.kubeconfig import Access, KubeconfigError, load

POD = {
    "resource": "pods",
    "responseKind": {"group": "", "version": "v1", "kind": "Pod"},
    "scope": "Namespaced",
    "singularResource": "pod",
    "verbs": ["get", "list"],
    "shortNames": ["po"],
    "categories": ["all"],
}
CORE = {"items": [{"metadata": {}, "versions": [{"version": "v1", "resources": [POD]}]}]}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Script:
    """Answers by path; counts what was asked."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.asked: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if request.path in self.handlers:
            return await self.handlers[request.path](request)
        document = {"/api": CORE, "/apis": {"items": []}}.get(request.path)
        return web.json_response(document) if document else web.Response(status=404, text="404 page not found")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def client(script: Script) -> AsyncIterator[Client]:
    runner = web.ServerRunner(web.Server(script.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with Client(Access(f"http://127.0.0.1:{runner.addresses[0][1]}", token="t")) as opened:
        yield opened
    await runner.cleanup()


async def test_discovery_is_asked_once(client: Client, script: Script) -> None:
    pods, same = await asyncio.gather(client.resource("po"), client.resource(core_v1.Pod))
    assert pods == same == await client.resource(GVK("", "v1", "Pod"))
    await client.resource("pods")
    assert script.asked.count("/api") <= 2
    assert pods.path("ns", "p", "log") == "/api/v1/namespaces/ns/pods/p/log"


async def test_a_refusal_without_a_status_is_judged_by_its_code(client: Client) -> None:
    with pytest.raises(errors.NotFound, match="404 page not found"):
        await client.call("GET", "/nothing")


async def test_warnings_are_handed_on(client: Client, script: Script) -> None:
    async def warn(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({}, headers={"Warning": '299 - "unknown field \\"spec.x\\""'})

    script.handlers["/warn"] = warn
    heard: list[str] = []
    async with Client(client.access, on_warning=heard.append) as other:
        await other.call("GET", "/warn")
    assert heard == ['unknown field "spec.x"']


async def test_a_watch_that_ends_is_taken_up_again(client: Client, script: Script) -> None:
    turns = 0

    async def watch(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal turns
        turns += 1
        pod = {"kind": "Pod", "metadata": {"name": f"p{turns}", "resourceVersion": str(turns * 10)}}
        line = json.dumps({"type": "ADDED", "object": pod}).encode() + b"\n"
        response = web.StreamResponse()
        await response.prepare(request)
        for half in (line[:7], line[7:]):  # a line comes in pieces cut anywhere
            await response.write(half)
        return response

    script.handlers["/api/v1/pods"] = watch
    async with asyncio.timeout(5), aclosing(client.kind(core_v1.Pod).watch()) as events:
        names = [(await anext(events)).object.metadata.name for _ in range(3)]
    assert names == ["p1", "p2", "p3"]
    versions = [path.partition("resourceVersion=")[2] for path in script.asked if "watch=true" in path]
    assert versions[:3] == ["", "10", "20"]


async def test_nobody_there() -> None:
    async with Client(Access("http://127.0.0.1:1")) as client:
        with pytest.raises(Unreachable, match=r"cannot reach http://127\.0\.0\.1:1"):
            await client.call("GET", "/version")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not YAML"),
        ("[]", "a mapping is expected"),
        ("{}", "no current-context"),
        ("current-context: a", 'has no context "a"; it has: none'),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: b}}]", 'has no cluster "b"'),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\nclusters: [{name: b, cluster: {}}]",
            'the cluster "b" has no server',
        ),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n"
            "clusters: [{name: b, cluster: {server: s, certificate-authority-data: '*'}}]",
            "certificate-authority-data is not base64",
        ),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n"
            "clusters: [{name: b, cluster: {server: s, certificate-authority: gone.crt}}]",
            "gone.crt, which cannot be read",
        ),
    ],
)
def test_bad_kubeconfigs(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_kubeconfig_with_files_and_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "token").write_text("secret\n")
    path = tmp_path / "config"
    path.write_text(
        """
current-context: a
contexts: [{name: a, context: {cluster: b, user: u, namespace: n}}]
clusters: [{name: b, cluster: {server: "https://x/", certificate-authority: ca.crt}}]
users: [{name: u, user: {tokenFile: token}}]
"""
    )
    monkeypatch.setenv("KUBECONFIG", f"/nowhere:{path}")
    assert load() == Access("https://x", ca=b"CA", token="secret", namespace="n")


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="No such file"):
        load(tmp_path / "absent")


def test_categories_and_hints() -> None:
    found = discovery.Discovery([CORE])
    assert [resource.plural for resource in found.category("all")] == ["pods"]
    with pytest.raises(discovery.UnknownResource, match='did you mean "pods"'):
        found.named("pds")
