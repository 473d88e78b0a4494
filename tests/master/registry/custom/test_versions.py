"""Several versions of one definition: renamed, or converted by a webhook."""

import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from master.pki import Pki
from master.registry import webhookcalls
from master.registry.base import ListOptions, Resource, component
from master.registry.verbs import Registry
from master.store.embedded import EmbeddedStore
from timonel.api.errors import InternalError
from timonel.api.types import apiextensions_v1 as v1
from timonel.api.types import core_v1, discovery_v1, meta_v1

Serve = Callable[..., Awaitable[Resource]]
WHO = component("test")
GROUP = "stable.example.com"


def version(name: str, *, storage: bool = False, **properties: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": properties}
    schema = {"type": "object", "properties": {"spec": spec}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}}


def body(api_version: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{api_version}", "kind": "Widget", "metadata": {"name": "one"}, "spec": spec}


@pytest.fixture
def two_versions(definition: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    definition["spec"]["versions"] = [
        version("v1", storage=True, size=text, both=text),
        version("v1beta1", both=text, old={"type": "string", "default": "o"}),
    ]
    return definition


async def test_versions_that_differ_in_name(
    registry: Registry, store: EmbeddedStore, api: Any, serve: Serve, two_versions: dict[str, Any]
) -> None:
    new = await serve(two_versions)
    old = registry.resources.find(GROUP, "v1beta1", "widgets")
    assert old is not None
    made = await api.create(old, body("v1beta1", both="b", old="x"))
    assert (made["apiVersion"], made["spec"]) == (f"{GROUP}/v1beta1", {"both": "b", "old": "x"})
    kept = await store.get(f"/registry/{GROUP}/widgets/default/one")
    assert kept is not None
    assert json.loads(kept.value)["apiVersion"] == f"{GROUP}/v1"
    shown = await api.get(new, "one")
    assert (shown["apiVersion"], shown["spec"]) == (f"{GROUP}/v1", {"both": "b"})
    assert (await api.get(old, "one"))["spec"] == {"both": "b", "old": "x"}
    await api.merge(new, "one", {"spec": {"size": "s"}})  # what v1 does not know, a write through v1 drops
    assert (await api.get(old, "one"))["spec"] == {"both": "b", "old": "o"}
    listed = await registry.list(WHO, old, "default", ListOptions())
    assert [json.loads(raw)["apiVersion"] for raw in listed.items] == [f"{GROUP}/v1beta1"]


async def test_the_stored_version_may_change(api: Any, serve: Serve, two_versions: dict[str, Any]) -> None:
    first = await serve(two_versions)
    await api.create(first, body("v1", both="b"))
    for each in two_versions["spec"]["versions"]:
        each["storage"] = not each["storage"]
    second = await serve(two_versions)
    assert (await api.get(second, "one"))["apiVersion"] == f"{GROUP}/v1"
    stored = (await api.get(v1.CustomResourceDefinition, two_versions["metadata"]["name"], ""))["status"]
    assert stored["storedVersions"] == ["v1", "v1beta1"]


# The webhook: v1 has spec.size as text, v1beta1 as spec.old


class Converter:
    """Plays the definition's author; `answer` may be replaced."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.port = 0
        self.authority = ""
        self.answer: Callable[[dict[str, Any]], Any] = self.convert

    async def handle(self, request: web.Request) -> web.Response:
        review = await request.json()
        self.calls.append(review["request"])
        return web.json_response(self.answer(review["request"]))

    def convert(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = request["desiredAPIVersion"]
        names = ("old", "size") if wanted.endswith("/v1") else ("size", "old")
        converted = []
        for each in request["objects"]:
            spec = dict(each["spec"])
            if names[0] in spec:
                spec[names[1]] = spec.pop(names[0])
            converted.append({**each, "apiVersion": wanted, "spec": spec})
        return self.success(request, converted)

    def success(self, request: dict[str, Any], converted: list[Any]) -> dict[str, Any]:
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}
        return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response}


@pytest.fixture
async def converter(tmp_path: Path) -> AsyncIterator[Converter]:
    pki = Pki.open(tmp_path / "pki")
    pair = pki.issue_server(["127.0.0.1", "converter.default.svc"])
    pem = tmp_path / "server.pem"
    pem.write_bytes(pair.certificate + b"\n" + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    made = Converter()
    made.authority = base64.b64encode(pki.ca_pem).decode()
    app = web.Application()
    app.router.add_post("/convert", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


def by_webhook(definition: dict[str, Any], client: dict[str, Any]) -> dict[str, Any]:
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": client}
    definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    return definition


@pytest.fixture
def converted(two_versions: dict[str, Any], converter: Converter) -> dict[str, Any]:
    url = f"https://127.0.0.1:{converter.port}/convert"
    return by_webhook(two_versions, {"url": url, "caBundle": converter.authority})


async def test_a_webhook_converts_both_ways(
    registry: Registry, api: Any, serve: Serve, converted: dict[str, Any], converter: Converter
) -> None:
    new = await serve(converted)
    old = registry.resources.find(GROUP, "v1beta1", "widgets")
    await api.create(old, body("v1beta1", old="big"))
    assert (await api.get(new, "one"))["spec"] == {"size": "big"}
    assert (await api.get(old, "one"))["spec"] == {"old": "big"}
    assert {call["desiredAPIVersion"] for call in converter.calls} == {f"{GROUP}/v1", f"{GROUP}/v1beta1"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda c, r: {"response": {"uid": "other"}}, "the answer is for another request"),
        (lambda c, r: {"response": {"uid": r["uid"], "result": {"status": "Failed", "message": "no way"}}}, "no way"),
        (lambda c, r: c.success(r, []), "expected 1 converted objects, got 0"),
        (lambda c, r: c.success(r, [{"kind": "Other"}]), "a converted object is no Widget of"),
        (lambda c, r: [], "the answer is no object"),
    ],
)
async def test_bad_answers_fail_the_write(
    registry: Registry,
    api: Any,
    serve: Serve,
    converted: dict[str, Any],
    converter: Converter,
    answer: Any,
    message: str,
) -> None:
    await serve(converted)
    old = registry.resources.find(GROUP, "v1beta1", "widgets")
    converter.answer = lambda request: answer(converter, request)
    with pytest.raises(InternalError, match=message) as caught:
        await api.create(old, body("v1beta1", old="big"))
    assert "conversion webhook for stable.example.com/v1beta1, Kind=Widget failed" in str(caught.value)


async def test_conversion_changes_no_identity(
    registry: Registry, api: Any, serve: Serve, converted: dict[str, Any], converter: Converter
) -> None:
    new = await serve(converted)
    old = registry.resources.find(GROUP, "v1beta1", "widgets")

    def relabel(request: dict[str, Any]) -> Any:
        answer = converter.convert(request)
        for each in answer["response"]["convertedObjects"]:
            each["metadata"] = {**each["metadata"], "labels": {"a": "b"}, "generation": 99}
        return answer

    converter.answer = relabel
    await api.create(old, body("v1beta1", old="big"))
    metadata = (await api.get(new, "one"))["metadata"]
    assert (metadata["labels"], metadata["generation"]) == ({"a": "b"}, 1)


class Objects:
    """A Service and its slice, as a reader has them; an API would refuse an address of this machine's own."""

    def __init__(self, port: int, *, ready: bool = True) -> None:
        ports = [core_v1.ServicePort(name="other", port=80), core_v1.ServicePort(name="https", port=443)]
        self.service = core_v1.Service(spec=core_v1.ServiceSpec(ports=ports))
        labels = {"kubernetes.io/service-name": "converter"}
        conditions = discovery_v1.EndpointConditions(ready=ready)
        self.slice = discovery_v1.EndpointSlice(
            metadata=meta_v1.ObjectMeta(labels=labels),
            endpoints=[discovery_v1.Endpoint(addresses=["127.0.0.1"], conditions=conditions)],
            ports=[discovery_v1.EndpointPort(name="other", port=1), discovery_v1.EndpointPort(name="https", port=port)],
        )

    def cached(self, kind: type[Any], namespace: str, name: str) -> Any:
        return self.service if (namespace, name) == ("default", "converter") else None

    def all_cached(self, kind: type[Any], namespace: str = "") -> Any:
        return iter([self.slice])


async def posted(target: webhookcalls.Target, body: dict[str, Any]) -> Any:
    client = webhookcalls.Client()
    try:
        return json.loads(await client.post(target, json.dumps(body).encode(), 5))
    finally:
        await client.close()


async def test_a_service_is_found_by_its_endpoints(converter: Converter) -> None:
    reference = v1.ServiceReference(name="converter", namespace="default", path="/convert")
    target = webhookcalls.service_target(reference, converter.authority, cast(Any, Objects(converter.port)))
    assert target.url == "https://converter.default.svc:443/convert"
    request = {"uid": "u", "desiredAPIVersion": f"{GROUP}/v1", "objects": []}
    answer = await posted(target, {"request": request})
    assert answer["response"]["uid"] == "u"
    target = webhookcalls.service_target(reference, None, cast(Any, Objects(converter.port, ready=False)))
    with pytest.raises(webhookcalls.WebhookFailed, match='no endpoints available for service "converter"'):
        await posted(target, {})


async def test_a_webhook_must_be_who_it_says(converter: Converter) -> None:
    target = webhookcalls.url_target(f"https://127.0.0.1:{converter.port}/convert", None)
    with pytest.raises(webhookcalls.WebhookFailed, match="tls: failed to verify certificate"):
        await posted(target, {})


async def test_a_webhook_that_is_not_there(converter: Converter) -> None:
    target = webhookcalls.url_target("https://127.0.0.1:1/convert", converter.authority)
    with pytest.raises(webhookcalls.WebhookFailed, match=r'Post "https://127\.0\.0\.1:1/convert'):
        await posted(target, {})


async def test_a_webhook_that_is_down_is_the_servers_failure(
    registry: Registry, api: Any, serve: Serve, two_versions: dict[str, Any]
) -> None:
    """Also for a version whose objects could never be loaded."""
    stored = await serve(two_versions)
    await api.create(stored, body("v1", size="big"))
    broken = by_webhook({"spec": {}}, {"url": "https://127.0.0.1:1/convert"})
    await api.merge(v1.CustomResourceDefinition, "widgets.stable.example.com", broken, "")
    await api.registry.cache(v1.CustomResourceDefinition).fresh()
    old = registry.resources.find(GROUP, "v1beta1", "widgets")
    with pytest.raises(InternalError, match=r"conversion webhook for stable\.example\.com/v1, Kind=Widget failed"):
        await api.names(old)
