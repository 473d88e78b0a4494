"""The registry keeps its promises on every store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from master.registry import authz
from master.registry.base import DeleteOptions, ListOptions, component
from master.registry.bootstrap import bootstrap
from master.registry.kinds.service import IP_CLAIM
from master.registry.verbs import Registry
from master.store.base import Store
from timonel.api.errors import Conflict
from timonel.api.types import core_v1

ADMIN = component("admin")
CM = core_v1.ConfigMap


@pytest.fixture
async def registry(store: Store) -> AsyncIterator[Registry]:
    made = Registry(store, authz.load())
    await made.start()
    await bootstrap(made, b"pem")
    yield made
    await made.close()


def body(name: str, **more: Any) -> bytes:
    return json.dumps({"metadata": {"name": name}, **more}).encode()


def names(raws: Any) -> list[str]:
    return [json.loads(raw)["metadata"]["name"] for raw in raws]


async def test_bootstrap_again_changes_nothing(registry: Registry, store: Store) -> None:
    before = await store.revision()
    await bootstrap(registry, b"pem")
    assert await store.revision() == before


async def test_racing_patches_all_count(registry: Registry) -> None:
    await registry.create(ADMIN, CM, "default", body("x"))
    merge = "application/merge-patch+json"
    await asyncio.gather(
        *(registry.patch(ADMIN, CM, "default", "x", merge, b'{"data":{"k%d":"v"}}' % n) for n in range(8))
    )
    assert len(json.loads((await registry.get(ADMIN, CM, "default", "x")).raw)["data"]) == 8


async def test_racing_updates_of_one_state(registry: Registry) -> None:
    made = json.loads((await registry.create(ADMIN, CM, "default", body("x"))).raw)
    tries = [{**made, "data": {"by": str(n)}} for n in range(8)]
    done = await asyncio.gather(
        *(registry.update(ADMIN, CM, "default", "x", json.dumps(one).encode()) for one in tries),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Conflict) for result in done) == 7


async def test_pages_show_one_state(registry: Registry) -> None:
    for number in range(5):
        await registry.create(ADMIN, CM, "default", body(f"n{number}"))
    first = await registry.list(ADMIN, CM, "default", ListOptions(limit=2))
    await registry.delete(ADMIN, CM, "default", "n3")
    rest = await registry.list(ADMIN, CM, "default", ListOptions(continue_token=first.continue_token))
    assert names(first.items) + names(rest.items) == [f"n{number}" for number in range(5)]
    assert first.remaining == 3


async def test_a_list_and_a_watch_from_it_miss_nothing(registry: Registry) -> None:
    await registry.create(ADMIN, CM, "default", body("a"))
    listed = await registry.list(ADMIN, CM, "default")
    state = dict.fromkeys(names(listed.items), True)
    for number in range(5):
        await registry.create(ADMIN, CM, "default", body(f"n{number}"))
    await registry.delete(ADMIN, CM, "default", "a", DeleteOptions())
    options = ListOptions(resource_version=str(listed.revision))
    async with asyncio.timeout(10), aclosing(registry.watch(ADMIN, CM, "default", options)) as batches:
        seen = 0
        async for frames in batches:
            for frame in frames:
                state[json.loads(frame.raw)["metadata"]["name"]] = frame.type != "DELETED"
            seen += len(frames)
            if seen >= 6:
                break
    assert {name for name, there in state.items() if there} == set(
        names((await registry.list(ADMIN, CM, "default")).items)
    )


async def test_addresses_are_claimed_and_given_back(registry: Registry, store: Store) -> None:
    before = {kv.key for kv in (await store.list(IP_CLAIM)).items}
    made = await asyncio.gather(
        *(
            registry.create(ADMIN, core_v1.Service, "default", body(f"s{n}", spec={"ports": [{"port": 1}]}))
            for n in range(8)
        )
    )
    addresses = {json.loads(result.raw)["spec"]["clusterIP"] for result in made}
    assert len(addresses) == 8
    for number in range(8):
        await registry.delete(ADMIN, core_v1.Service, "default", f"s{number}")
    assert {kv.key for kv in (await store.list(IP_CLAIM)).items} == before
