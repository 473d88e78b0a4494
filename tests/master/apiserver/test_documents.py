"""Discovery and OpenAPI: complete, consistent, and cached by clients."""

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from master.apiserver.server import HOOKS
from timonel import discovery
from timonel.client import Client

METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


async def get(http: aiohttp.ClientSession, path: str, **headers: str) -> Any:
    async with http.get(path, headers=headers) as response:
        assert response.status == 200, path
        return await response.json(content_type=None)


def references(document: Any, prefix: str) -> set[str]:
    """What a document refers to. A schema may also have a property of the name `$ref`."""
    return {value.removeprefix(prefix) for value in values(document, "$ref") if isinstance(value, str)}


def values(document: Any, key: str) -> Iterator[Any]:
    """All values under a key, however deep."""
    if isinstance(document, list):
        for item in document:
            yield from values(item, key)
    elif isinstance(document, dict):
        for name, item in document.items():
            if name == key:
                yield item
            yield from values(item, key)


async def test_plain_and_aggregated_discovery_agree(http: aiohttp.ClientSession) -> None:
    plain = set()
    served = (await get(http, "/apis"))["groups"]
    groups = [version["groupVersion"] for group in served for version in group["versions"]]
    for path in ("/api/v1", *(f"/apis/{group}" for group in groups)):
        document = await get(http, path)
        for entry in document["resources"]:
            plain.add((document["groupVersion"], entry["name"], entry["kind"], tuple(entry["verbs"])))
    aggregated = set()
    for path in ("/api", "/apis"):
        for group in (await get(http, path, Accept=discovery.ACCEPT))["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                served = f"{name}/{version['version']}" if name else version["version"]
                for entry in version["resources"]:
                    kind = entry["responseKind"]["kind"]
                    aggregated.add((served, entry["resource"], kind, tuple(entry["verbs"])))
                    for sub in entry.get("subresources", ()):
                        full = f"{entry['resource']}/{sub['subresource']}"
                        aggregated.add((served, full, sub["responseKind"]["kind"], tuple(sub["verbs"])))
    assert plain == aggregated
    assert ("apps/v1", "deployments/scale", "Scale", ("get", "patch", "update")) in plain


async def test_aggregated_discovery_says_its_type_and_can_be_kept(http: aiohttp.ClientSession) -> None:
    accept = f"{discovery.ACCEPT.replace('v2', 'v2beta1')},{discovery.ACCEPT}"
    async with http.get("/apis", headers={"Accept": accept}) as response:
        assert response.headers["Content-Type"].endswith(";v=v2;as=APIGroupDiscoveryList")
        assert (await response.json(content_type=None))["apiVersion"] == "apidiscovery.k8s.io/v2"
        etag = response.headers["ETag"]
    async with http.get("/apis", headers={"Accept": accept, "If-None-Match": etag}) as response:
        assert response.status == 304


async def test_every_group_version_has_a_complete_openapi_document(http: aiohttp.ClientSession) -> None:
    index = (await get(http, "/openapi/v3"))["paths"]
    assert {"api/v1", "apis/apps/v1"} <= index.keys()
    for entry in index.values():
        document = await get(http, entry["serverRelativeURL"])
        components = document["components"]
        defined = {f"{part}/{name}" for part in ("schemas", "responses") for name in components[part]}
        assert references(document, "#/components/") <= defined
        names = list(values(document["paths"], "operationId"))
        assert len(names) == len(set(names))
        for path, item in document["paths"].items():
            placed = {parameter["name"] for parameter in item.get("parameters", ()) if parameter["in"] == "path"}
            assert placed == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert item.keys() <= METHODS | {"parameters"}


async def test_what_kubectl_looks_for_in_a_document(http: aiohttp.ClientSession) -> None:
    document = await get(http, "/openapi/v3/apis/apps/v1")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {"fieldValidation", "dryRun", "force"} <= {parameter["name"] for parameter in patch["parameters"]}
    pod_spec = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]
    containers = pod_spec["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert containers["description"]
    assert pod_spec["required"] == ["containers"]
    deployment = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    assert deployment["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "Deployment"}]


async def test_a_document_is_immutable_under_its_hash(http: aiohttp.ClientSession) -> None:
    url = (await get(http, "/openapi/v3"))["paths"]["api/v1"]["serverRelativeURL"]
    async with http.get(url) as response:
        assert "immutable" in response.headers["Cache-Control"]
        etag = response.headers["ETag"]
    async with http.get(url, headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    async with http.get("/openapi/v3/api/v1?hash=OLD", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (301, url)
    async with http.get("/openapi/v3/apis/none/v1") as response:
        assert response.status == 404


async def test_version_2_refers_to_what_it_defines(http: aiohttp.ClientSession) -> None:
    document = await get(http, "/openapi/v2")
    assert references(document, "#/definitions/") <= document["definitions"].keys()
    assert json.dumps(document["info"]["version"]).startswith('"v1.35')


async def test_operations_are_named_as_generators_of_clients_know_them(http: aiohttp.ClientSession) -> None:
    paths = (await get(http, "/openapi/v2"))["paths"]
    emptying = paths["/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"]["delete"]
    assert emptying["operationId"] == "deleteRbacAuthorizationV1CollectionNamespacedRole"
    assert emptying["tags"] == ["rbacAuthorization_v1"]
    connecting = paths["/api/v1/namespaces/{namespace}/pods/{name}/exec"]["get"]
    assert connecting["operationId"] == "connectCoreV1GetNamespacedPodExec"


async def test_the_keys_of_service_accounts_are_published(http: aiohttp.ClientSession) -> None:
    configuration = await get(http, "/.well-known/openid-configuration")
    assert configuration["jwks_uri"].endswith("/openid/v1/jwks")
    assert (await get(http, "/openid/v1/jwks"))["keys"][0]["kty"] == "EC"


@pytest.mark.parametrize("word", ["po", "pods", "pod", "Pod", "deploy", "deployments.apps", "deployments.v1.apps"])
async def test_words_for_resources(client: Client, word: str) -> None:
    assert (await client.resource(word)).plural in ("pods", "deployments")


async def test_a_wrong_word_gets_a_hint(client: Client) -> None:
    with pytest.raises(discovery.UnknownResource, match='did you mean "deployment"'):
        await client.resource("deploymnt")


async def test_health_is_told_by_check(
    served: Any, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(path: str) -> tuple[int, list[str]]:
        async with http.get(path) as response:
            return response.status, (await response.text()).split("\n")

    hooks = [f"[+]poststarthook/{hook} ok" for hook in HOOKS]
    assert await told("/livez?verbose") == (200, ["[+]ping ok", "[+]etcd ok", *hooks, "livez check passed", ""])
    code, ready = await told("/readyz?verbose=true&exclude=etcd&exclude=foo&exclude=bar")
    assert code == 200
    assert ready[:4] == ["[+]ping ok", "[+]etcd excluded: ok", "[+]etcd-readiness ok", "[+]informer-sync ok"]
    warning = 'warn: some health checks cannot be excluded: no matches for "bar","foo"'
    assert ready[-4:] == ["[+]shutdown ok", warning, "readyz check passed", ""]
    assert await told("/livez/poststarthook/rbac/bootstrap-roles") == (200, ["ok"])
    assert await told("/readyz/etcd?verbose") == (200, ["ok"])

    async def sick(*_: object) -> int:
        raise OSError("a secret reason")

    monkeypatch.setattr(served.registry.core.store, "revision", sick)
    code, lines = await told("/livez")
    assert (code, lines[:2], lines[-2]) == (
        500,
        ["[+]ping ok", "[-]etcd failed: reason withheld"],
        "livez check failed",
    )
    assert await told("/healthz/etcd") == (500, ["internal server error: reason withheld", ""])
    assert await told("/livez?exclude=etcd") == (200, ["ok"])
    async with http.get("/readyz/none") as response:
        assert response.status == 404
