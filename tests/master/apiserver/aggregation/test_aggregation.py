"""An extension API server behind this one."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from master.apiserver.openapi import gnostic
from master.registry.base import component
from timonel.api import codec
from timonel.api.types import apiextensions_v1, apiregistration_v1, core_v1, discovery_v1

NAME = "v1alpha1.wardle.example.com"
PATH = "/apis/wardle.example.com/v1alpha1"
FLUNDERS = f"{PATH}/namespaces/default/flunders"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

Register = Callable[..., Awaitable[None]]
Available = Callable[..., Awaitable[apiregistration_v1.APIServiceCondition]]


async def _get(http: aiohttp.ClientSession, path: str, accept: str = "application/json") -> Any:
    async with http.get(path, headers={"Accept": accept}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


@pytest.fixture
async def registered(extension: Any, register: Register, available: Available) -> None:
    """The extension server is there, and was found well."""
    await register(extension.port)
    condition = await available("Passed")
    assert (condition.status, condition.message) == ("True", "all checks passed")


async def test_requests_are_passed_on_with_their_user(
    http: aiohttp.ClientSession, served: Any, extension: Any, registered: None
) -> None:
    extra = "acme.com%2Fproject"
    headers = {
        "Impersonate-User": "jané",
        "Impersonate-Uid": "7",
        "Impersonate-Group": "system:masters",
        f"Impersonate-Extra-{extra}": "p",
        "X-Remote-User": "root",
    }
    async with http.post(FLUNDERS, json={"metadata": {"name": "one"}}, headers=headers) as answer:
        assert answer.status == 201
    asked = extension.asked_by
    assert asked["x-remote-user"] == ["jané"]
    assert asked["x-remote-uid"] == ["7"]
    assert asked["x-remote-group"] == ["system:masters", "system:authenticated"]
    assert asked[f"x-remote-extra-{extra.lower()}"] == ["p"]
    async with http.get(f"{FLUNDERS}/none") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (404, "NotFound")


async def test_this_server_says_who_may(http: aiohttp.ClientSession, extension: Any, registered: None) -> None:
    extension.asked_by = {}
    async with http.get(FLUNDERS, headers={"Impersonate-User": "nobody"}) as answer:
        assert answer.status == 403
        message = (await answer.json())["message"]
    assert message.startswith(
        'flunders.wardle.example.com is forbidden: User "nobody" cannot list resource "flunders" in API group '
        '"wardle.example.com" in the namespace "default"'
    )
    assert not extension.asked_by


async def test_kubectl_works_with_its_resources(kubectl: Any, extension: Any, registered: None) -> None:
    manifest = {"apiVersion": "wardle.example.com/v1alpha1", "kind": "Flunder", "metadata": {"name": "one"}}
    created = await kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(manifest))
    assert created.out == "flunder.wardle.example.com/one created\n", created.err
    assert (await kubectl("get", "fl", "-o", "name")).out == "flunder.wardle.example.com/one\n"
    found = (await kubectl("api-resources", "--api-group=wardle.example.com", "-o", "name")).out
    assert found == "flunders.wardle.example.com\n"
    shown = (await kubectl("get", "apiservice", NAME, "--no-headers")).out.split()
    assert shown[:3] == [NAME, "default/extension", "True"]


async def test_discovery(http: aiohttp.ClientSession, registered: None) -> None:
    groups = (await _get(http, "/apis"))["groups"]
    names = [group["name"] for group in groups]
    assert names[:2] == ["apiregistration.k8s.io", "apps"]
    assert names.index("flowcontrol.apiserver.k8s.io") < names.index("wardle.example.com")
    assert names[-1] == "metrics.k8s.io"
    group = await _get(http, "/apis/wardle.example.com")
    assert group["preferredVersion"]["version"] == "v1alpha1"
    everything = (await _get(http, "/apis", AGGREGATED))["items"]
    found = next(item for item in everything if item["metadata"]["name"] == "wardle.example.com")
    version = found["versions"][0]
    assert (version["version"], version["freshness"]) == ("v1alpha1", "Current")
    resource = version["resources"][0]
    assert (resource["resource"], resource["scope"], resource["shortNames"]) == ("flunders", "Namespaced", ["fl"])
    assert [sub["subresource"] for sub in resource["subresources"]] == ["status"]


async def test_openapi(http: aiohttp.ClientSession, registered: None) -> None:
    index = (await _get(http, "/openapi/v3"))["paths"]
    document = await _get(http, index[PATH.strip("/")]["serverRelativeURL"])
    assert f"{PATH}/flunders" in document["paths"]
    everything = await _get(http, "/openapi/v2")
    assert f"{PATH}/flunders" in everything["paths"]
    assert everything["paths"]["/apis/apps/v1/deployments"]["get"]["operationId"] != "notYours"
    assert "com.example.wardle.v1alpha1.Flunder" in everything["definitions"]
    [limit] = everything["paths"][f"{PATH}/flunders"]["get"]["parameters"]
    assert limit["name"] == "limit", "what the document has in one place for all is in each"
    async with http.get("/openapi/v2", headers={"Accept": gnostic.MEDIA_TYPE}) as answer:
        assert (answer.status, b"flunders" in await answer.read()) == (200, True)


@pytest.mark.parametrize("document", [[], {"paths": []}, {"definitions": {"a": {"type": ["b"]}}}, {"paths": {"/": 1}}])
async def test_a_document_that_is_none_harms_nobody(
    http: aiohttp.ClientSession, extension: Any, register: Register, available: Available, document: Any
) -> None:
    extension.openapi_v2 = document
    await register(extension.port)
    await available("Passed")
    for accept in ("application/json", gnostic.MEDIA_TYPE):
        async with http.get("/openapi/v2", headers={"Accept": accept}) as answer:
            assert answer.status == 200


async def test_what_others_write_of_it_is_put_right(served: Any, registered: None, eventually: Any) -> None:
    who, kind = component("test"), apiregistration_v1.APIService
    api = codec.copy(served.registry.reader.cached(kind, "", NAME))
    api.status.conditions = []
    await served.registry.update(who, kind, "", NAME, api, subresource="status")
    written = int(api.metadata.resourceVersion) + 1

    def put_right() -> bool:
        now = served.registry.reader.cached(kind, "", NAME)
        return int(now.metadata.resourceVersion) > written and [each.reason for each in now.status.conditions] == [
            "Passed"
        ]

    await eventually(put_right)


async def test_watches_and_websockets_pass_through(http: aiohttp.ClientSession, registered: None) -> None:
    async with http.get(f"{FLUNDERS}?watch=1") as answer:
        assert json.loads(await answer.content.readline())["type"] == "ADDED"
    async with http.ws_connect(f"{FLUNDERS}/one/socket") as socket:
        await socket.send_str("hello")
        assert (await socket.receive(timeout=10)).data == "hello"


async def test_a_server_that_is_down(
    http: aiohttp.ClientSession, extension: Any, registered: None, served: Any, available: Available
) -> None:
    who = component("test")
    await served.registry.delete(who, discovery_v1.EndpointSlice, "default", "extension")
    condition = await available("EndpointsNotFound")
    assert condition.message == 'cannot find endpointslices for service/extension in "default"'
    async with http.get(FLUNDERS) as answer:
        assert (answer.status, await answer.text()) == (503, "service unavailable\n")
    everything = (await _get(http, "/apis", AGGREGATED))["items"]
    found = next(item for item in everything if item["metadata"]["name"] == "wardle.example.com")
    assert found["versions"][0]["freshness"] == "Stale"
    await _get(http, "/apis/apps/v1")


async def test_why_a_server_is_not_available(extension: Any, register: Register, available: Available) -> None:
    await register(extension.port, "api")
    assert (await available("ServiceNotFound")).message == 'service/extension in "default" is not present'
    await register(extension.port, "service")
    await available("EndpointsNotFound")
    extension.is_well = False
    await register(extension.port, "endpoints")
    condition = await available("FailedDiscoveryCheck")
    where = "https://extension.default.svc:443/apis/wardle.example.com/v1alpha1"
    assert (condition.status, condition.message) == ("False", f"bad status from {where}: 500")
    extension.is_well = True
    await available("Passed")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"caBundle": None}, "tls: CERTIFICATE_VERIFY_FAILED"),
        ({"caBundle": "bm9uZQ=="}, "its caBundle is no certificate in PEM"),
    ],
)
async def test_a_server_that_is_not_who_it_should_be(
    extension: Any, register: Register, available: Available, spec: dict[str, Any], why: str
) -> None:
    await register(extension.port, **spec)
    assert why in (await available("FailedDiscoveryCheck")).message


async def test_any_certificate_where_that_is_wanted(extension: Any, register: Register, available: Available) -> None:
    await register(extension.port, caBundle=None, insecureSkipTLSVerify=True)
    await available("Passed")


async def test_a_server_outside_of_the_cluster(
    extension: Any, register: Register, available: Available, served: Any
) -> None:
    meta = {"name": "extension", "namespace": "default"}
    body = json.dumps({"metadata": meta, "spec": {"type": "ExternalName", "externalName": "localhost"}}).encode()
    await served.registry.create(component("test"), core_v1.Service, "default", body)
    await register(0, "api", service={**meta, "port": extension.port})
    await available("Passed")


async def test_deleting_an_api_service_ends_it(http: aiohttp.ClientSession, served: Any, registered: None) -> None:
    await served.registry.delete(component("test"), apiregistration_v1.APIService, "", NAME)
    async with http.get(FLUNDERS) as answer:
        assert answer.status == 404
    assert "wardle.example.com" not in [group["name"] for group in (await _get(http, "/apis"))["groups"]]


async def test_each_version_served_here_has_an_api_service(served: Any, available: Available, kubectl: Any) -> None:
    for name in ("v1.", "v1.apps", "v2.autoscaling", "v1beta1.metrics.k8s.io"):
        assert (await available("Local", name)).status == "True"
    api = served.registry.reader.cached(apiregistration_v1.APIService, "", "v1.apps")
    assert (api.spec.groupPriorityMinimum, api.spec.versionPriority) == (17800, 15)
    assert api.metadata.labels == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert served.registry.reader.cached(apiregistration_v1.APIService, "", "v1.apiregistration.k8s.io") is None
    await served.registry.delete(component("test"), apiregistration_v1.APIService, "", "v1.apps")
    await available("Local", "v1.apps")


async def test_custom_resources_have_theirs(served: Any, available: Available, eventually: Any) -> None:
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "tides", "singular": "tide", "kind": "Tide", "listKind": "TideList"}
    spec = {"group": "sea.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    obj = {"metadata": {"name": "tides.sea.example.com"}, "spec": spec}
    who, kind = component("test"), apiextensions_v1.CustomResourceDefinition
    made = await served.registry.create(who, kind, "", json.dumps(obj).encode())
    definition = json.loads(made.raw)
    definition["status"] = {
        "acceptedNames": names,
        "storedVersions": ["v1"],
        "conditions": [{"type": "Established", "status": "True"}, {"type": "NamesAccepted", "status": "True"}],
    }
    body = json.dumps(definition).encode()
    await served.registry.update(who, kind, "", "tides.sea.example.com", body, subresource="status")
    await available("Local", "v1.sea.example.com")
    api = served.registry.reader.cached(apiregistration_v1.APIService, "", "v1.sea.example.com")
    assert (api.spec.groupPriorityMinimum, api.spec.versionPriority) == (1000, 100)
    assert api.metadata.labels == {"kube-aggregator.kubernetes.io/automanaged": "true"}
    await served.registry.delete(who, kind, "", "tides.sea.example.com")

    def is_gone() -> bool:
        return served.registry.reader.cached(apiregistration_v1.APIService, "", "v1.sea.example.com") is None

    finalizers = b'{"metadata":{"finalizers":null}}'
    await served.registry.patch(who, kind, "", "tides.sea.example.com", "application/merge-patch+json", finalizers)
    await eventually(is_gone)


async def test_another_server_may_take_over_metrics(
    http: aiohttp.ClientSession, served: Any, register: Register, available: Available
) -> None:
    await available("Local", "v1beta1.metrics.k8s.io")
    service = {"name": "extension", "namespace": "default"}
    patch = json.dumps({"spec": {"service": service, "insecureSkipTLSVerify": True}}).encode()
    who, kind = component("test"), apiregistration_v1.APIService
    await served.registry.patch(who, kind, "", "v1beta1.metrics.k8s.io", "application/merge-patch+json", patch)
    await available("ServiceNotFound", "v1beta1.metrics.k8s.io")
    async with http.get("/apis/metrics.k8s.io/v1beta1/nodes") as answer:
        assert answer.status == 503
    await served.registry.delete(who, kind, "", "v1beta1.metrics.k8s.io")
    await available("Local", "v1beta1.metrics.k8s.io")
    assert (await _get(http, "/apis/metrics.k8s.io/v1beta1/nodes"))["items"] == []


async def test_what_extension_servers_need_to_know(served: Any) -> None:
    found = served.registry.reader.cached(core_v1.ConfigMap, "kube-system", "extension-apiserver-authentication")
    assert found.data["client-ca-file"] == served.pki.ca_pem.decode()
    assert found.data["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert found.data["requestheader-client-ca-file"] not in ("", found.data["client-ca-file"])
