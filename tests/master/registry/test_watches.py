"""Watch: no change is missed or told twice, and selections have edges."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from master.registry import watching
from master.registry.authz.masters import Masters
from master.registry.base import ListOptions
from master.registry.verbs import Registry
from timonel.api.errors import Expired, Invalid
from timonel.api.types import core_v1

CM = core_v1.ConfigMap


async def collect(api: Any, count: int, namespace: str = "default", **options: Any) -> list[watching.Frame]:
    """The first frames of a watch."""
    frames: list[watching.Frame] = []
    async with (
        asyncio.timeout(10),
        aclosing(api.registry.watch(api.who, CM, namespace, ListOptions(**options))) as batches,
    ):
        async for batch in batches:
            frames += batch
            if len(frames) >= count:
                break
    return frames


async def test_from_a_revision_on(api: Any, frames_seen: Any) -> None:
    made = await api.create(CM, {"metadata": {"name": "a"}})
    await api.merge(CM, "a", {"data": {"k": "v"}})
    await api.delete(CM, "a")
    frames = await collect(api, 2, resource_version=made["metadata"]["resourceVersion"])
    assert frames_seen(frames) == [("MODIFIED", "a"), ("DELETED", "a")]
    gone = json.loads(frames[1].raw)["metadata"]["resourceVersion"]
    assert int(gone) > int(json.loads(frames[0].raw)["metadata"]["resourceVersion"])
    assert watching.joined(frames).count(b"\n") == 2
    assert json.loads(frames[0].line)["object"]["data"] == {"k": "v"}


async def test_of_the_present_state(api: Any, frames_seen: Any) -> None:
    await api.create(CM, {"metadata": {"name": "a"}})
    watch = asyncio.create_task(collect(api, 2))
    await api.create(CM, {"metadata": {"name": "b"}})
    assert frames_seen(await watch) == [("ADDED", "a"), ("ADDED", "b")]


async def test_only_of_its_namespace(api: Any, frames_seen: Any) -> None:
    start = str(await api.registry.core.store.revision())
    await api.create(CM, {"metadata": {"name": "elsewhere"}}, "kube-public")
    await api.create(CM, {"metadata": {"name": "here"}})
    assert frames_seen(await collect(api, 1, resource_version=start)) == [("ADDED", "here")]
    assert frames_seen(await collect(api, 2, namespace="", resource_version=start)) == [
        ("ADDED", "elsewhere"),
        ("ADDED", "here"),
    ]


async def test_entering_and_leaving_a_selection(api: Any, frames_seen: Any) -> None:
    made = await api.create(CM, {"metadata": {"name": "a"}, "data": {"turn": "0"}})
    for turn, label in enumerate(["yes", "yes", "no", "yes"], start=1):
        await api.merge(CM, "a", {"metadata": {"labels": {"in": label}}, "data": {"turn": str(turn)}})
    await api.delete(CM, "a")
    frames = await collect(api, 5, resource_version=made["metadata"]["resourceVersion"], label_selector="in=yes")
    assert [frame.type for frame in frames] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
    left = json.loads(frames[2].raw)
    assert left["data"] == {"turn": "2"}, "what left is told of as it was last seen"
    versions = [int(json.loads(frame.raw)["metadata"]["resourceVersion"]) for frame in frames]
    assert versions == sorted(set(versions))
    assert frames_seen(frames)[0] == ("ADDED", "a")


async def test_the_initial_state_ends_with_a_mark(api: Any, frames_seen: Any) -> None:
    await api.create(CM, {"metadata": {"name": "a"}})
    frames = await collect(
        api, 2, send_initial_events=True, resource_version_match="NotOlderThan", allow_bookmarks=True
    )
    assert frames_seen(frames) == [("ADDED", "a"), ("BOOKMARK", "")]
    mark = json.loads(frames[1].raw)
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert (mark["kind"], mark["apiVersion"]) == ("ConfigMap", "v1")


async def test_bookmarks_tell_how_far_it_has_come(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.05)
    start = str(await api.registry.core.store.revision())
    await api.create(CM, {"metadata": {"name": "elsewhere"}}, "kube-public")
    now = await api.registry.core.store.revision()
    frames = await collect(api, 1, resource_version=start, allow_bookmarks=True)
    assert frames[-1].type == "BOOKMARK"
    assert int(json.loads(frames[-1].raw)["metadata"]["resourceVersion"]) >= now


async def test_it_ends_in_time_with_a_bookmark(api: Any) -> None:
    start = str(await api.registry.core.store.revision())
    async with asyncio.timeout(5):
        options = ListOptions(resource_version=start, timeout_seconds=0.05, allow_bookmarks=True)
        batches = [batch async for batch in api.registry.watch(api.who, CM, "default", options)]
    assert [frame.type for batch in batches for frame in batch] == ["BOOKMARK"]


async def test_a_revision_that_is_forgotten(api: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await api.create(CM, {"metadata": {"name": "a"}})
    later = Registry(store, Masters())
    await later.start()
    try:
        monkeypatch.setattr(api, "registry", later)
        with pytest.raises(Expired, match="too old resource version"):
            await collect(api, 1, resource_version=str(int(made["metadata"]["resourceVersion"]) - 1))
    finally:
        await later.close()


async def test_options_that_mean_nothing(api: Any) -> None:
    with pytest.raises(Invalid, match="sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"):
        await collect(api, 1, send_initial_events=True)
    with pytest.raises(Invalid, match="resourceVersionMatch is forbidden for watch unless sendInitialEvents"):
        await collect(api, 1, resource_version_match="NotOlderThan")
