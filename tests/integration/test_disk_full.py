"""A master whose store is full: writes are refused with advice, reads go on, and no acknowledged write is lost."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from timonel.api.errors import ServiceUnavailable, StatusError, Timeout
from timonel.client import Client

pytestmark = pytest.mark.kubectl

SILENT_SECONDS = 9.0
"""Longer than a node may be silent before it counts as gone."""


def config_map(name: str, size: int) -> dict[str, Any]:
    data = {"random": os.urandom(size // 2).hex()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def fill(client: Client, acknowledged: set[str]) -> StatusError:
    """Create until there is no room, not even for little; the refusal."""
    refusal: StatusError | None = None
    for size in (100_000, 10_000, 1_000):
        for number in range(1000):
            name = f"m-{size}-{number}"
            try:
                await client.kind("configmaps").create(config_map(name, size), namespace="default")
            except (ServiceUnavailable, Timeout) as error:
                refusal = error
                break
            acknowledged.add(name)
    assert refusal is not None
    return refusal


async def stored(client: Client) -> set[str]:
    names = {m["metadata"]["name"] for m in (await client.kind("configmaps").list("default")).items}
    return names - {"kube-root-ca.crt"}


async def follow(client: Client, seen: set[str]) -> None:
    async for event in client.kind("configmaps").watch("default"):
        seen.add(f"{event.type} {event.object['metadata']['name']}")


async def identities(cluster: Any) -> set[tuple[str, str, int]]:
    """Which pods there are, with their nodes and restarts; nothing while one is not ready."""
    pods = (await cluster.get("pods"))["items"]
    ready = all(c["status"] == "True" for p in pods for c in p["status"].get("conditions", [{"status": "False"}]))
    found = {(p["metadata"]["uid"], p["spec"]["nodeName"], p["status"]["containerStatuses"][0]["restartCount"])
             for p in pods if ready}  # fmt: skip
    return found if len(found) == 2 else set()


async def is_well(cluster: Any) -> bool:
    nodes = (await cluster.get("nodes"))["items"]
    return all(c["status"] == "True" for n in nodes for c in n["status"]["conditions"] if c["type"] == "Ready")


async def can_write(client: Client) -> bool:
    try:
        await client.kind("configmaps").create(config_map("after", 1000), namespace="default")
    except (ServiceUnavailable, Timeout):
        return False
    return True


async def test_a_full_store_refuses_writes_until_there_is_room(crowded: Any, eventually: Any) -> None:
    await crowded.kubectl("create", "deployment", "web", "--image=app:1", "--replicas=2")
    before = await eventually(lambda: identities(crowded), "two pods run")
    acknowledged: set[str] = set()
    seen: set[str] = set()
    async with crowded.client() as client:
        watching = asyncio.create_task(follow(client, seen))
        refusal = await fill(client, acknowledged)
        assert (refusal.code, refusal.reason) == (503, "ServiceUnavailable")
        assert "nothing was written: " in refusal.message
        assert "free some disk space" in refusal.message or "raise its quota" in refusal.message
        assert "then try again" in refusal.message
        said = await crowded.kubectl("create", "configmap", "x", f"--from-literal=a={'x' * 5000}", fails=True)
        assert "failed to create configmap: nothing was written: " in said

        until = asyncio.get_running_loop().time() + SILENT_SECONDS

        async def is_over() -> bool:
            assert await stored(client) >= acknowledged, "reads go on"
            return asyncio.get_running_loop().time() > until

        await eventually(is_over, "nodes could not tell that they live")
        assert (await client.kind("configmaps").get("default", min(acknowledged)))["data"]
        assert {name.removeprefix("ADDED ") for name in seen} >= acknowledged, "watches go on"

        if crowded.etcd:
            for name in [name for name in acknowledged if name.startswith("m-100000")][:40]:
                await client.kind("configmaps").delete("default", name)
                acknowledged.discard(name)
        else:
            (crowded.directory / "master" / "ballast").unlink()
        await eventually(lambda: can_write(client), "there is room again", 40)
        assert await stored(client) >= {*acknowledged, "after"}

        async def is_seen() -> bool:
            return "ADDED after" in seen

        await eventually(is_seen, "the watch goes on")
        await eventually(lambda: is_well(crowded), "the nodes are ready")
        assert await eventually(lambda: identities(crowded), "the pods are ready") == before, "no pod was moved"
        watching.cancel()


async def test_an_etcd_that_dies_of_its_full_disk_is_waited_for(etcd_on_a_small_disk: Any, eventually: Any) -> None:
    """etcd ends when it cannot write. What the API has in memory it still gives."""
    cluster, etcd = etcd_on_a_small_disk
    await cluster.kubectl("create", "deployment", "web", "--image=app:1", "--replicas=2")
    before = await eventually(lambda: identities(cluster), "two pods run")
    acknowledged: set[str] = set()
    async with cluster.client() as client:
        refusal = await fill(client, acknowledged)
        assert refusal.code in (503, 504)
        assert etcd.process.wait(10) == 1
        refusal = await fill(client, acknowledged)
        assert refusal.code == 503
        assert "the store cannot be reached: etcd at" in refusal.message
        cached = json.loads(await cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/pods?resourceVersion=0"))
        assert {pod["metadata"]["uid"] for pod in cached["items"]} == {uid for uid, _, _ in before}

        (etcd.directory / "ballast").unlink()
        await asyncio.to_thread(etcd.start)
        await eventually(lambda: can_write(client), "there is room again")
        assert await stored(client) >= {*acknowledged, "after"}
        await eventually(lambda: is_well(cluster), "the nodes are ready")
        assert await eventually(lambda: identities(cluster), "the pods are ready") == before, "no pod was moved"
