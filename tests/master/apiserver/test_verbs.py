"""The verbs over HTTP, and what becomes of bad input."""

import asyncio
import gzip
import json
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import yaml

from timonel.api import errors
from timonel.api.types import core_v1
from timonel.client import Client

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

Make = Callable[..., core_v1.ConfigMap]


async def status_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The Status of a refusal, which every refusal must be."""
    body = json.loads(await response.read())
    assert (body["kind"], body["status"], body["code"]) == ("Status", "Failure", response.status)
    assert "Traceback" not in json.dumps(body)
    return dict(body)


async def test_an_object_lives_and_dies(client: Client, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    created = await maps.create(config_map("a", x="1"))
    assert created.metadata.uid
    created.data["x"] = "2"
    replaced = await maps.replace(created)
    assert replaced.metadata.resourceVersion != created.metadata.resourceVersion
    with pytest.raises(errors.Conflict):
        await maps.replace(created)
    patched = await maps.patch("default", "a", {"data": {"y": "3"}})
    assert patched.data == {"x": "2", "y": "3"}
    assert (await maps.get("default", "a")) == patched
    gone = await maps.delete("default", "a")
    assert gone["status"] == "Success"
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": created.metadata.uid}
    with pytest.raises(errors.NotFound, match='configmaps "a" not found'):
        await maps.get("default", "a")


async def test_pages_of_a_list_join_to_the_whole(client: Client, http: aiohttp.ClientSession, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    for number in range(7):
        await maps.create(config_map(f"m{number}"))
    names: list[str] = []
    token = ""
    while True:
        async with http.get(MAPS, params={"limit": "3", "continue": token}) as response:
            page = await response.json()
        assert len(page["items"]) <= 3
        names += [item["metadata"]["name"] for item in page["items"]]
        if not (token := page["metadata"].get("continue", "")):
            break
        assert page["metadata"]["remainingItemCount"] == 7 - len(names)
    assert names == [f"m{number}" for number in range(7)]


async def test_apply_owns_fields(client: Client) -> None:
    maps = client.kind("cm")
    wanted = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "default"},
        "data": {"x": "1"},
    }
    await maps.apply(wanted)
    async with Client(client.access, field_manager="other") as other:
        with pytest.raises(errors.StatusError, match="conflict") as caught:
            await other.kind("cm").apply({**wanted, "data": {"x": "2"}})
        assert caught.value.code == 409
        taken = await other.kind("cm").apply({**wanted, "data": {"x": "2"}}, force=True)
    assert taken["data"] == {"x": "2"}


async def test_yaml_in_and_out(http: aiohttp.ClientSession) -> None:
    data = "{when: '2001-01-01', number: '1e3', answer: 'yes'}"
    body = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {data}\n"
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    async with http.post(MAPS, data=body, headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (201, "application/yaml")
        text = await response.text()
    assert yaml.safe_load(text)["data"] == {"when": "2001-01-01", "number": "1e3", "answer": "yes"}
    assert "'1e3'" in text, "what YAML 1.2 reads as a number must be quoted"


async def test_tables(http: aiohttp.ClientSession, client: Client, config_map: Make) -> None:
    await client.kind(core_v1.ConfigMap).create(config_map("a", x="1", y="2"))
    for path, include in ((MAPS, "Metadata"), (f"{MAPS}/a", "Object"), (MAPS, "None")):
        async with http.get(path, headers={"Accept": TABLE}, params={"includeObject": include}) as response:
            table = await response.json()
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert table["rows"][0]["cells"][:2] == ["a", 2]
        row = table["rows"][0]["object"]
        expected = {"Metadata": "PartialObjectMetadata", "Object": "ConfigMap", "None": None}[include]
        assert (row and row["kind"]) == expected
        assert table["metadata"]["resourceVersion"]


async def test_what_a_table_carries_is_one_of_three(http: aiohttp.ClientSession) -> None:
    async with http.get(MAPS, headers={"Accept": TABLE}, params={"includeObject": "All"}) as response:
        status = await response.json()
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert status["message"] == (
        'Unable to convert to Table as requested: includeObject: Invalid value: "All": '
        "must be 'Metadata', 'Object', 'None', or empty"
    )


async def test_metadata_only(http: aiohttp.ClientSession, client: Client, config_map: Make) -> None:
    await client.kind(core_v1.ConfigMap).create(config_map("a", x="1"))
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    async with http.get(MAPS, headers={"Accept": accept}) as response:
        found = await response.json()
    assert found["kind"] == "PartialObjectMetadataList"
    assert found["items"][0].keys() == {"kind", "apiVersion", "metadata"}


async def test_large_answers_are_compressed(http: aiohttp.ClientSession, client: Client, config_map: Make) -> None:
    await client.kind(core_v1.ConfigMap).create(config_map("a", x="z" * 200_000))
    async with http.get(MAPS, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert len((await response.json())["items"][0]["data"]["x"]) == 200_000
    async with http.get(MAPS, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers


async def test_delete_collection(http: aiohttp.ClientSession, client: Client, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    for name in ("a", "b", "c"):
        made = config_map(name)
        made.metadata.labels = {"app": name}
        await maps.create(made)
    async with http.delete(MAPS, params={"labelSelector": "app in (a,b)"}) as response:
        assert response.status == 200
    left = [item.metadata.name for item in (await maps.list("default")).items]
    assert left == ["c"]


async def test_dry_run_stores_nothing(client: Client, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    await maps.create(config_map("a"), dry_run=True)
    with pytest.raises(errors.NotFound):
        await maps.get("default", "a")


BAD_BODIES = [
    (b"{", "application/json", 400, "json parse error"),
    (b"", "application/json", 400, ""),
    (b"[]", "application/json", 400, ""),
    (b"\xff\xfe", "application/json", 400, ""),
    (b"[" * 100_000, "application/json", 400, "depth"),
    (b"a: [b", "application/yaml", 400, "yaml"),
    (b"a: &a [x]\nb: *c\n", "application/yaml", 400, "yaml"),
    (b"{}", "text/plain", 415, "application/json, application/yaml"),
    (b"{}", "application/merge-patch+json", 415, "application/json, application/yaml"),
    (b"no envelope", "application/vnd.kubernetes.protobuf", 400, "protobuf"),
    (b"k8s\x00\x0a\xff", "application/vnd.kubernetes.protobuf", 400, "protobuf parse error"),
    (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"A_b"}}', "application/json", 422, "Invalid value"),
    (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":7}}', "application/json", 400, "name"),
    (b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}', "application/json", 400, "Secret"),
    (
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}',
        "application/json",
        400,
        "namespace",
    ),
]


@pytest.mark.parametrize(("body", "content_type", "code", "words"), BAD_BODIES)
async def test_bad_bodies(
    http: aiohttp.ClientSession, client: Client, body: bytes, content_type: str, code: int, words: str
) -> None:
    async with http.post(MAPS, data=body, headers={"Content-Type": content_type}) as response:
        assert response.status == code
        assert words in (await status_of(response))["message"]
    assert (await client.kind("cm").list("default")).items == []


@pytest.mark.parametrize("body", [b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"dat":{}}'])
async def test_field_validation(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post(MAPS, data=body, params={"fieldValidation": "Strict"}) as response:
        assert response.status == 400
        assert 'strict decoding error: unknown field "dat"' in (await status_of(response))["message"]
    async with http.post(MAPS, data=body, params={"fieldValidation": "Warn", "dryRun": "All"}) as response:
        assert response.status == 201
        assert response.headers["Warning"] == '299 - "unknown field \\"dat\\""'
    async with http.post(MAPS, data=body, params={"fieldValidation": "Ignore"}) as response:
        assert (response.status, response.headers.get("Warning")) == (201, None)


async def test_keys_that_yaml_gives_twice(http: aiohttp.ClientSession) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: a, x: b}\n"
    headers = {"Content-Type": "application/yaml"}
    async with http.post(MAPS, data=body, headers=headers, params={"fieldValidation": "Strict"}) as response:
        assert response.status == 400
        assert 'line 4: key "x" already set in map' in (await status_of(response))["message"]


async def test_a_body_over_three_megabytes(http: aiohttp.ClientSession) -> None:
    body = b'{"data":{"x":"%b"}}' % (b"y" * (3 * 1024 * 1024))
    async with http.post(MAPS, data=body) as response:
        assert response.status == 413
        assert (await status_of(response))["reason"] == "RequestEntityTooLarge"

    async def pieces() -> Any:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    async with http.post(MAPS, data=pieces()) as response:
        assert response.status == 413, "also without a Content-Length"


async def test_half_a_body(served: Any, client: Client) -> None:
    _reader, writer = await asyncio.open_connection("127.0.0.1", served.api.port, ssl=served.access().tls())
    writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode() + b'{"apiVersion":')
    await writer.drain()
    writer.close()
    assert (await client.kind("cm").list("default")).items == [], "the server lives on, and stored nothing"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/teapots", 404),
        ("GET", "/apis/no.such/v1/pods", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/pods/a", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", f"{MAPS}/a/status", 404),
        ("GET", f"{MAPS}/absent", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("PUT", MAPS, 405),
        ("PATCH", MAPS, 405),
        ("POST", f"{MAPS}/a", 405),
        ("OPTIONS", MAPS, 405),
        ("POST", "/version", 405),
    ],
)
async def test_wrong_paths_and_methods(http: aiohttp.ClientSession, method: str, path: str, code: int) -> None:
    async with http.request(method, path) as response:
        assert response.status == code
        await status_of(response)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=x", 400),
        ("labelSelector=a%20b%20c", 400),
        ("fieldSelector=spec.x%3D1", 400),
        ("resourceVersion=x", 400),
        ("continue=x", 400),
        ("resourceVersionMatch=Exact", 422),
        ("watch=1&resourceVersionMatch=Exact&resourceVersion=1", 422),
        ("watch=1&labelSelector=a%20b%20c", 400),
        ("watch=1&timeoutSeconds=x", 400),
    ],
)
async def test_bad_list_options(http: aiohttp.ClientSession, query: str, code: int) -> None:
    async with http.get(f"{MAPS}?{query}") as response:
        assert response.status == code, await response.text()
        await status_of(response)


async def test_nothing_acceptable(http: aiohttp.ClientSession) -> None:
    async with http.get(MAPS, headers={"Accept": "text/html"}) as response:
        assert response.status == 406
        assert (await status_of(response))["reason"] == "NotAcceptable"


@pytest.mark.parametrize(
    ("kind", "patch", "code"),
    [
        ("application/json-patch+json", b'[{"op":"replace","path":"/data/absent/x","value":1}]', 422),
        ("application/json-patch+json", b"{}", 400),
        ("application/merge-patch+json", b"[", 400),
        ("application/strategic-merge-patch+json", b'{"data":7}', 422),
        ("application/json", b"{}", 415),
    ],
)
async def test_bad_patches(
    http: aiohttp.ClientSession, client: Client, config_map: Make, kind: str, patch: bytes, code: int
) -> None:
    await client.kind(core_v1.ConfigMap).create(config_map("a", x="1"))
    async with http.patch(f"{MAPS}/a", data=patch, headers={"Content-Type": kind}) as response:
        assert response.status == code, await response.text()
        await status_of(response)
    assert (await client.kind(core_v1.ConfigMap).get("default", "a")).data == {"x": "1"}


async def test_garbage_in_place_of_http(served: Any, client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.api.port, ssl=served.access().tls())
    writer.write(b"\x00\x01\x02 hello\r\n\r\n")
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.")
    assert b" 400 " in answer.split(b"\r\n")[0]
    writer.close()
    assert await client.call("GET", "/livez") == b"ok"


async def test_a_bug_is_a_500_with_an_incident_and_no_traceback(
    served: Any, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("the bug's own words")

    monkeypatch.setattr(served.registry, "get", broken)
    async with http.get(f"{MAPS}/a") as response:
        assert response.status == 500
        message = (await status_of(response))["message"]
    incident = message.rpartition(" ")[2]
    assert "own words" not in message
    assert incident in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_an_expectation_is_met(http: aiohttp.ClientSession) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
    async with asyncio.timeout(5), http.post(MAPS, data=body, expect100=True) as response:
        assert response.status == 201


async def test_old_tls_is_refused(served: Any) -> None:
    context = ssl.create_default_context(cadata=served.pki.ca_pem.decode())
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", served.api.port, ssl=context)


async def test_pretty_and_compressed_forms_say_the_same(http: aiohttp.ClientSession) -> None:
    async with http.get("/apis", params={"pretty": "true"}) as response:
        pretty = await response.text()
    async with http.get("/apis") as response:
        plain = await response.text()
    assert "\n  " in pretty
    assert "\n  " not in plain
    assert json.loads(pretty) == json.loads(plain)


@pytest.mark.parametrize(
    ("query", "accept", "agent", "indented"),
    [
        ("?pretty=1", "*/*", "x", True),
        ("?pretty=T", "*/*", "x", True),
        ("?pretty=false", "*/*", "curl/8", False),
        ("?pretty=banana", "*/*", "curl/8", False),
        ("?pretty", "*/*", "x", False),
        ("?pretty", "*/*", "curl/8", True),
        ("", "application/json;pretty=1", "x", True),
    ],
)
async def test_who_gets_indented_json(
    http: aiohttp.ClientSession, query: str, accept: str, agent: str, indented: bool
) -> None:
    async with http.get(f"/apis{query}", headers={"Accept": accept, "User-Agent": agent}) as response:
        assert ("\n  " in await response.text()) is indented


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.kubernetes.protobuf", "application/json"])
async def test_the_index_of_openapi_is_json_for_everyone(http: aiohttp.ClientSession, accept: str) -> None:
    async with http.get("/openapi/v3", headers={"Accept": accept}) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert "apis/apps/v1" in (await response.json())["paths"]


async def test_the_gzip_of_openapi_unpacks(http: aiohttp.ClientSession) -> None:
    async with http.get("/openapi/v3/api/v1", headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(await response.read()))["openapi"] == "3.0.0"


async def test_status_details_of_a_refused_object(http: aiohttp.ClientSession) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{}]}})
    async with http.post("/api/v1/namespaces/default/pods", data=body) as response:
        status = await status_of(response)
    assert (status["code"], status["reason"], status["details"]["kind"]) == (422, "Invalid", "Pod")
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert "spec.containers[0].name" in fields
