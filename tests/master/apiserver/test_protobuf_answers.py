"""What clients get that ask for protobuf: objects, lists, watches, errors, discovery; JSON where there is none."""

import json
import struct
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from master.apiserver.protobuf import decode, wire
from timonel.api.types import core_v1
from timonel.client import Client

PROTOBUF = "application/vnd.kubernetes.protobuf"
METADATA = f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
NAMESPACES = "/api/v1/namespaces"
CONFIG_MAPS = f"{NAMESPACES}/default/configmaps"

ConfigMaps = Callable[..., core_v1.ConfigMap]


async def ask(http: aiohttp.ClientSession, path: str, accept: str = PROTOBUF, **more: Any) -> tuple[int, str, bytes]:
    async with http.request(more.pop("method", "GET"), path, headers={"Accept": accept}, **more) as response:
        return response.status, response.headers["Content-Type"], await response.read()


async def read(http: aiohttp.ClientSession, path: str, accept: str = PROTOBUF, **more: Any) -> Any:
    _, content_type, body = await ask(http, path, accept, **more)
    assert content_type == PROTOBUF
    return json.loads(decode.to_json(body))


async def test_objects_and_lists(http: aiohttp.ClientSession, client: Client, config_map: ConfigMaps) -> None:
    made = [await client.kind(core_v1.ConfigMap).create(config_map(name, k=name)) for name in ("a", "b")]
    one = await read(http, f"{CONFIG_MAPS}/a")
    assert (one["kind"], one["metadata"]["uid"], one["data"]) == ("ConfigMap", made[0].metadata.uid, {"k": "a"})
    many = await read(http, f"{CONFIG_MAPS}?limit=1")
    assert (many["kind"], len(many["items"]), many["metadata"]["remainingItemCount"]) == ("ConfigMapList", 1, 1)
    assert many["items"][0]["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {".": {}, "f:k": {}}}


async def test_metadata_alone(http: aiohttp.ClientSession, client: Client, config_map: ConfigMaps) -> None:
    await client.kind(core_v1.ConfigMap).create(config_map("a", k="v"))
    one = await read(http, f"{CONFIG_MAPS}/a", METADATA)
    assert (one["apiVersion"], one["kind"]) == ("meta.k8s.io/v1", "PartialObjectMetadata")
    assert one["metadata"]["name"] == "a"
    assert "data" not in one
    many = await read(http, CONFIG_MAPS, METADATA_LIST)
    assert many["kind"] == "PartialObjectMetadataList"
    assert [item["metadata"]["name"] for item in many["items"]] == ["a"]


async def test_writes_and_deletions(http: aiohttp.ClientSession) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    created = await read(http, CONFIG_MAPS, method="POST", data=body)
    assert created["metadata"]["resourceVersion"]
    gone = await read(http, f"{CONFIG_MAPS}/a", method="DELETE")
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    await read(http, CONFIG_MAPS, method="POST", data=body)
    many = await read(http, CONFIG_MAPS, METADATA_LIST, method="DELETE")
    assert [item["metadata"]["name"] for item in many["items"]] == ["a"]


async def test_errors(http: aiohttp.ClientSession) -> None:
    code, _, body = await ask(http, f"{CONFIG_MAPS}/none")
    status = json.loads(decode.to_json(body))
    assert (code, status["code"], status["reason"], status["details"]["name"]) == (404, 404, "NotFound", "none")


def events(stream: bytes) -> list[tuple[str, Any]]:
    found = []
    while stream:
        (length,) = struct.unpack(">I", stream[:4])
        frame, stream = stream[4 : 4 + length], stream[4 + length :]
        event: dict[int, Any] = dict(wire.values(frame))
        raw: dict[int, Any] = dict(wire.values(event[2]))
        found.append((event[1].decode(), json.loads(decode.to_json(raw[1]))))
    return found


@pytest.mark.parametrize(("accept", "kind"), [(PROTOBUF, "ConfigMap"), (METADATA, "PartialObjectMetadata")])
async def test_watches(
    http: aiohttp.ClientSession, client: Client, config_map: ConfigMaps, accept: str, kind: str
) -> None:
    for at in range(150):
        await client.kind(core_v1.ConfigMap).create(config_map(f"c{at:03}"))
    query = (
        "?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    )
    code, content_type, body = await ask(http, CONFIG_MAPS + query, accept)
    assert (code, content_type) == (200, f"{PROTOBUF};stream=watch")
    *added, last = events(body)
    assert [(what, obj["kind"], obj["metadata"]["name"]) for what, obj in added] == [
        ("ADDED", kind, f"c{at:03}") for at in range(150)
    ]
    assert (last[0], last[1]["kind"]) == ("BOOKMARK", kind)


async def test_what_has_no_protobuf(http: aiohttp.ClientSession) -> None:
    table = f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1"
    code, _, body = await ask(http, NAMESPACES, table)
    assert code == 406
    served = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    assert json.loads(body)["message"] == f"only the following media types are accepted: {served}"
    _, content_type, _ = await ask(http, NAMESPACES, f"{table},application/json")
    assert content_type == "application/json"
    code, _, body = await ask(http, f"{NAMESPACES}?watch=1", "application/yaml")
    assert code == 406
    assert b"application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch" in body.replace(
        b"\n ", b""
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/apis/apps/v1", "APIResourceList"),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "CustomResourceDefinitionList"),
    ],
)
async def test_discovery(http: aiohttp.ClientSession, path: str, kind: str) -> None:
    document = await read(http, path)
    assert document["kind"] == kind
    if kind == "APIResourceList":
        assert "watch" in next(each["verbs"] for each in document["resources"] if each["name"] == "deployments")


async def test_usage_has_no_protobuf(http: aiohttp.ClientSession) -> None:
    """Kubernetes' schemas do not know it."""
    code, content_type, body = await ask(http, "/apis/metrics.k8s.io/v1beta1/nodes", f"{PROTOBUF}, */*")
    assert (code, content_type, json.loads(body)["kind"]) == (200, "application/json", "NodeMetricsList")
    assert (await ask(http, "/apis/metrics.k8s.io/v1beta1/nodes"))[0] == 406
