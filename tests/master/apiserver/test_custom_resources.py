"""Custom resources over HTTP, with kubectl, and with the controllers that belong to them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from master.controllers import custom_resource_definition, garbage_collector, namespace
from master.controllers.controller import CONTROLLERS
from master.controllers.engine import Engine

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: crontabs.stable.example.com
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all, cron]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Hosts, type: string, jsonPath: '.spec.hosts[*].name', priority: 1}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    schema:
      openAPIV3Schema:
        type: object
        description: A table of times.
        required: [spec]
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: When., pattern: '^(\\S+\\s+){4}\\S+$'}
              replicas: {type: integer, default: 1, maximum: 10}
              hosts: {type: array, items: {type: object, properties: {name: {type: string}}}}
          status:
            type: object
            properties:
              replicas: {type: integer}
              conditions:
                type: array
                items: {type: object, properties: {type: {type: string}, status: {type: string}}}
  - name: v1beta1
    served: true
    storage: false
    deprecated: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
TAB = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: nightly}
spec: {cronSpec: "0 2 * * *", hosts: [{name: a}, {name: b}]}
"""
CRD = "crd/crontabs.stable.example.com"


@pytest.fixture
async def engine(served: Any) -> AsyncIterator[Engine]:
    names = {custom_resource_definition.__name__, garbage_collector.__name__, namespace.__name__}
    chosen = [each for each in CONTROLLERS.values() if each.reconcile.__module__ in names]
    made = Engine(served.registry, controllers=chosen)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def crontabs(engine: Engine, kubectl: Any) -> None:
    made = await kubectl("apply", "-f", "-", stdin=DEFINITION)
    assert made.code == 0, made.err
    ready = await kubectl("wait", "--for=condition=Established", CRD, "--timeout=10s")
    assert ready.code == 0, ready.err


async def ok(kubectl: Any, *arguments: str, stdin: str = "") -> str:
    ran = await kubectl(*arguments, stdin=stdin)
    assert ran.code == 0, ran.err
    return str(ran.out)


async def test_apply_and_get(kubectl: Any, http: Any, crontabs: None) -> None:
    assert "created" in await ok(kubectl, "apply", "-f", "-", stdin=TAB)
    assert "unchanged" in await ok(kubectl, "apply", "-f", "-", stdin=TAB)
    assert "configured" in await ok(kubectl, "apply", "-f", "-", stdin=TAB.replace("0 2", "0 3"))
    status = {"status": {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}]}}
    path = "/apis/stable.example.com/v1/namespaces/default/crontabs/nightly/status"
    async with http.patch(path, json=status, headers={"Content-Type": "application/merge-patch+json"}) as answer:
        assert answer.status == 200, await answer.text()
    table = [line.split() for line in (await ok(kubectl, "get", "ct", "-o", "wide")).splitlines()]
    assert table == [
        ["NAME", "SPEC", "REPLICAS", "HOSTS", "READY"],
        ["nightly", "0", "3", "*", "*", "*", "1", "a", "b", "True"],
    ]
    assert "crontab.stable.example.com/nightly" in await ok(kubectl, "get", "cron", "-o", "name")
    assert (await ok(kubectl, "scale", "ct/nightly", "--replicas=3")).startswith(
        "crontab.stable.example.com/nightly scaled"
    )
    shown = json.loads(await ok(kubectl, "get", "crontabs.v1.stable.example.com", "nightly", "-o", "json"))
    assert shown["spec"]["replicas"] == 3


async def test_faults_are_told(kubectl: Any, crontabs: None) -> None:
    ran = await kubectl("apply", "-f", "-", stdin=TAB.replace("0 2 * * *", "never"))
    assert ran.err.strip() == (
        'The CronTab "nightly" is invalid: spec.cronSpec: Invalid value: "never": '
        r"spec.cronSpec in body should match '^(\S+\s+){4}\S+$'"
    )


@pytest.mark.kubectl(min="1.25")  # those before do not ask the server
async def test_the_server_names_unknown_fields(kubectl: Any, crontabs: None) -> None:
    ran = await kubectl("create", "-f", "-", stdin=TAB.replace("cronSpec", "cornSpec"))
    assert 'strict decoding error: unknown field "spec.cornSpec"' in ran.err


async def test_discovery_and_explain(kubectl: Any, crontabs: None) -> None:
    assert "crontabs   ct           stable.example.com/v1   true         CronTab" in await ok(
        kubectl, "api-resources", "--api-group=stable.example.com"
    )
    text = await ok(kubectl, "explain", "ct.spec")
    assert "cronSpec\t<string> -required-" in text
    assert "When." in text


async def test_both_openapi_documents_have_it(http: aiohttp.ClientSession, crontabs: None) -> None:
    async with http.get("/openapi/v3/apis/stable.example.com/v1") as response:
        document = await response.json()
    schema = document["components"]["schemas"]["com.example.stable.v1.CronTab"]
    assert schema["properties"]["spec"]["required"] == ["cronSpec"]
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "stable.example.com", "kind": "CronTab", "version": "v1"}
    ]
    patch = document["paths"]["/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    async with http.get("/openapi/v2") as response:
        definitions = (await response.json(content_type=None))["definitions"]
    assert definitions["com.example.stable.v1.CronTabList"]["properties"]["items"]["items"]


async def test_a_deprecated_version_warns(http: aiohttp.ClientSession, kubectl: Any, crontabs: None) -> None:
    await ok(kubectl, "apply", "-f", "-", stdin=TAB)
    async with http.get("/apis/stable.example.com/v1beta1/crontabs") as response:
        assert (
            response.headers["Warning"]
            == '299 - "stable.example.com/v1beta1 CronTab is deprecated; use stable.example.com/v1 CronTab"'
        )
        items = (await response.json())["items"]
    assert [item["apiVersion"] for item in items] == ["stable.example.com/v1beta1"]


async def test_the_objects_go_before_their_definition(
    http: aiohttp.ClientSession, kubectl: Any, crontabs: None
) -> None:
    await ok(kubectl, "apply", "-f", "-", stdin=TAB)
    async with http.get("/apis/stable.example.com/v1/crontabs?watch=true&timeoutSeconds=20") as watch:
        assert json.loads(await watch.content.readline())["type"] == "ADDED"
        await ok(kubectl, "delete", CRD, "--timeout=15s")
        lines = [json.loads(line) async for line in watch.content]
    assert [line["type"] for line in lines] == ["DELETED"]
    async with http.get("/apis/stable.example.com/v1/crontabs") as response:
        assert response.status == 404
    async with http.get("/apis/stable.example.com") as response:
        assert response.status == 404


@pytest.mark.kubectl(min="1.25")  # those before take it for a failure that what is to be gone is gone already
async def test_they_go_with_their_namespace_and_with_their_owners(kubectl: Any, crontabs: None, served: Any) -> None:
    await ok(kubectl, "create", "namespace", "other")
    await ok(kubectl, "apply", "-n", "other", "-f", "-", stdin=TAB)
    owner = json.loads(await ok(kubectl, "get", "ct", "-n", "other", "nightly", "-o", "json"))
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {
        key: owner["metadata"][key] for key in ("name", "uid")
    }
    meta = {"name": "owned", "namespace": "other", "ownerReferences": [reference]}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
    await ok(kubectl, "create", "-f", "-", stdin=json.dumps(body))
    await ok(kubectl, "delete", "ct", "-n", "other", "nightly")
    await ok(kubectl, "wait", "--for=delete", "-n", "other", "configmap/owned", "--timeout=10s")
    await ok(kubectl, "apply", "-n", "other", "-f", "-", stdin=TAB)
    await ok(kubectl, "delete", "namespace", "other", "--timeout=15s")
    assert "No resources found" in (await kubectl("get", "ct", "-A")).err


async def test_a_client_may_begin_before_the_kind_is_there(
    http: aiohttp.ClientSession, kubectl: Any, engine: Engine
) -> None:
    async with http.get("/apis/stable.example.com/v1/crontabs") as response:
        assert response.status == 404
    await ok(kubectl, "apply", "-f", "-", stdin=DEFINITION)
    async with asyncio.timeout(10):
        while True:
            async with http.get("/apis/stable.example.com/v1/crontabs?resourceVersion=0") as response:
                if response.status == 200:
                    break
            await asyncio.sleep(0.01)
    body = {
        "apiVersion": "stable.example.com/v1",
        "kind": "CronTab",
        "metadata": {"name": "x"},
        "spec": {"cronSpec": "* * * * *"},
    }
    async with http.post("/apis/stable.example.com/v1/namespaces/default/crontabs", json=body) as response:
        assert response.status == 201, await response.text()


async def test_protobuf_is_for_metadata_alone(http: aiohttp.ClientSession, kubectl: Any, crontabs: None) -> None:
    await ok(kubectl, "apply", "-f", "-", stdin=TAB)
    tab = "/apis/stable.example.com/v1/namespaces/default/crontabs/nightly"
    protobuf = "application/vnd.kubernetes.protobuf"
    metadata = f"{protobuf};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    given = {}
    for accept in (protobuf, f"{protobuf},application/json", f"{protobuf}, */*", metadata):
        async with http.get(tab, headers={"Accept": accept}) as response:
            given[accept] = response.status, response.headers["Content-Type"]
            body = await response.read()
    assert list(given.values()) == [
        (406, protobuf),
        (200, "application/json"),
        (200, "application/json"),
        (200, protobuf),
    ]
    assert body.startswith(b"k8s\0")
    assert b"PartialObjectMetadata" in body
    assert b"nightly" in body
