"""Watches over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest

from timonel.api import errors
from timonel.api.types import core_v1
from timonel.client import Client

MAPS = "/api/v1/namespaces/default/configmaps"
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
Make = Callable[..., core_v1.ConfigMap]


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        yield json.loads(line)


async def test_changes_come_in_order(client: Client, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    await maps.create(config_map("old"))
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(10), aclosing(maps.watch("default")) as events:
        async for event in events:
            seen.append((event.type, event.object.metadata.name or ""))
            match seen:
                case [_]:
                    await maps.create(config_map("new"))
                case [_, _]:
                    await maps.patch("default", "new", {"data": {"a": "b"}})
                case [_, _, _]:
                    await maps.delete("default", "new")
                case _:
                    break
    assert seen == [("ADDED", "old"), ("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "new")]


async def test_a_watch_goes_on_where_a_list_ended(client: Client, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    await maps.create(config_map("a"))
    listing = await maps.list("default")
    await maps.create(config_map("b"))
    async with asyncio.timeout(10), aclosing(maps.watch(resource_version=listing.resource_version)) as events:
        first = await anext(events)
    assert first.object.metadata.name == "b"


async def test_the_server_ends_a_watch_in_time_with_a_bookmark(http: aiohttp.ClientSession) -> None:
    params = {"watch": "1", "timeoutSeconds": "1", "allowWatchBookmarks": "1"}
    async with asyncio.timeout(5), http.get(MAPS, params=params) as response:
        events = [event async for event in events_of(response)]
    assert [event["type"] for event in events] == ["BOOKMARK"]
    assert events[0]["object"]["metadata"]["resourceVersion"]


async def test_initial_events_end_with_a_marked_bookmark(
    http: aiohttp.ClientSession, client: Client, config_map: Make
) -> None:
    await client.kind(core_v1.ConfigMap).create(config_map("a"))
    params = {
        "watch": "1",
        "timeoutSeconds": "1",
        "allowWatchBookmarks": "1",
        "sendInitialEvents": "1",
        "resourceVersionMatch": "NotOlderThan",
    }
    async with asyncio.timeout(5), http.get(MAPS, params=params) as response:
        events = [event async for event in events_of(response)]
    assert [event["type"] for event in events[:2]] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_tables_have_headers_once(http: aiohttp.ClientSession, client: Client, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    for name in ("a", "b"):
        await maps.create(config_map(name))
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    async with (
        asyncio.timeout(5),
        http.get(MAPS, params={"watch": "1", "timeoutSeconds": "1"}, headers=headers) as response,
    ):
        events = [event async for event in events_of(response)]
    assert [event["object"]["kind"] for event in events] == ["Table", "Table"]
    assert [bool(event["object"]["columnDefinitions"]) for event in events] == [True, False]
    assert [event["object"]["rows"][0]["cells"][0] for event in events] == ["a", "b"]


async def test_paths_of_the_old_kind_watch(http: aiohttp.ClientSession, client: Client, config_map: Make) -> None:
    maps = client.kind(core_v1.ConfigMap)
    for name in ("a", "b"):
        await maps.create(config_map(name))
    for path, names in (("configmaps", ["a", "b"]), ("configmaps/b", ["b"])):
        async with (
            asyncio.timeout(5),
            http.get(f"/api/v1/watch/namespaces/default/{path}", params={"timeoutSeconds": "1"}) as response,
        ):
            assert [event["object"]["metadata"]["name"] async for event in events_of(response)] == names
    async with http.delete("/api/v1/watch/namespaces/default/configmaps/b") as response:
        assert response.status == 405


async def test_a_watch_has_no_yaml(http: aiohttp.ClientSession) -> None:
    async with http.get(MAPS, params={"watch": "1"}, headers={"Accept": "application/yaml"}) as response:
        assert response.status == 406


async def test_what_is_too_old_is_told_inside_the_watch(
    served: Any, http: aiohttp.ClientSession, client: Client, config_map: Make
) -> None:
    maps = client.kind(core_v1.ConfigMap)
    made = await maps.create(config_map("a"))
    cache = served.registry.cache(core_v1.ConfigMap)
    for number in range(5000):  # more than the cache's ring keeps
        await served.registry.core.store.txn([], [_put(cache.prefix, number)])
    await cache.fresh()
    async with http.get(
        MAPS, params={"watch": "1", "resourceVersion": made.metadata.resourceVersion or ""}
    ) as response:
        assert response.status == 200
        event = json.loads(await response.content.readline())
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    protobuf = {"Accept": "application/vnd.kubernetes.protobuf"}
    query = {"watch": "1", "resourceVersion": made.metadata.resourceVersion or ""}
    async with http.get(MAPS, params=query, headers=protobuf) as response:
        assert response.headers["Content-Type"] == "application/vnd.kubernetes.protobuf;stream=watch"
        frame = await response.content.readexactly(int.from_bytes(await response.content.readexactly(4), "big"))
    assert b"ERROR" in frame
    assert b"Expired" in frame
    with pytest.raises(errors.Expired):
        async with aclosing(maps.watch(resource_version=made.metadata.resourceVersion or "")) as events:
            await anext(events)


def _put(prefix: str, number: int) -> Any:
    from master.store.base import Put

    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n","namespace":"x"},"data":{"n":"%d"}}' % number
    return Put(f"{prefix}x/n", body)


async def test_a_client_that_goes_leaves_nothing_behind(
    served: Any, eventually: Eventually, http: aiohttp.ClientSession, client: Client, config_map: Make
) -> None:
    before = len(asyncio.all_tasks())
    responses = [await http.get(MAPS, params={"watch": "1"}) for _ in range(20)]
    await client.kind(core_v1.ConfigMap).create(config_map("a"))
    for response in responses:
        assert json.loads(await response.content.readline())["type"] == "ADDED"
        response.close()
    await eventually(lambda: not served.api._lifetimes._open and len(asyncio.all_tasks()) <= before + 3)


async def test_closing_the_server_ends_watches_in_order(served: Any, http: aiohttp.ClientSession) -> None:
    async with http.get(MAPS, params={"watch": "1"}) as response:
        async with asyncio.timeout(5):
            await served.api.close()
        assert await response.content.read() == b"", "the stream has its proper end"


async def test_a_client_that_does_not_read_holds_nobody_up(
    served: Any, http: aiohttp.ClientSession, client: Client, config_map: Make
) -> None:
    maps = client.kind(core_v1.ConfigMap)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.api.port, ssl=served.access().tls(), limit=2**10)
    writer.write(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readline()
    for number in range(40):
        await maps.create(config_map(f"m{number}", x="y" * 500_000))
    async with asyncio.timeout(10), aclosing(maps.watch("default")) as events:
        names = [(await anext(events)).object.metadata.name for _ in range(40)]
    assert len(set(names)) == 40
    writer.transport.abort()
