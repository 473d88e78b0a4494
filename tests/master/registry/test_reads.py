"""Get and list: which state they show, selectors, and pages."""

import json
from typing import Any

import pytest

from master.registry import listing
from master.registry.base import ListOptions
from timonel.api.errors import BadRequest, Expired, Invalid, Timeout
from timonel.api.types import core_v1, networking_v1

CM = core_v1.ConfigMap


async def make(api: Any, count: int) -> list[dict[str, Any]]:
    return [
        await api.create(CM, {"metadata": {"name": f"n{n:02}", "labels": {"odd": str(n % 2)}}}) for n in range(count)
    ]


async def test_reads_see_every_acknowledged_write(api: Any) -> None:
    for turn in range(30):
        made = await api.create(CM, {"metadata": {"name": f"n{turn}"}})
        assert await api.get(CM, f"n{turn}") == made


async def test_a_revision_that_is_not_yet_there(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FRESH_SECONDS", 0.1)
    [made] = await make(api, 1)
    version = int(made["metadata"]["resourceVersion"])
    assert await api.get(CM, "n00", resource_version=str(version)) == made
    assert await api.get(CM, "n00", resource_version="0") == made
    with pytest.raises(Timeout, match="Too large resource version") as refused:
        await api.get(CM, "n00", resource_version=str(version + 1000))
    assert refused.value.causes[0].reason == "ResourceVersionTooLarge"
    with pytest.raises(BadRequest):
        await api.get(CM, "n00", resource_version="abc")


async def test_selectors(api: Any) -> None:
    await make(api, 4)
    assert await api.names(CM, label_selector="odd=1") == ["n01", "n03"]
    assert await api.names(CM, label_selector="odd notin (1)", field_selector="metadata.name!=n00") == ["n02"]
    assert await api.names(CM, field_selector="metadata.name=n03") == ["n03"]
    with pytest.raises(BadRequest, match='"data" is not a known field selector'):
        await api.names(CM, field_selector="data=x")
    with pytest.raises(BadRequest, match="expected: ',' or 'end of string'"):
        await api.names(CM, label_selector="a=b=c=d")


@pytest.mark.parametrize("selector", ["", "odd=1"])
async def test_pages_show_one_state(api: Any, selector: str) -> None:
    made = await make(api, 9)
    expected = [obj["metadata"]["name"] for obj in made if not selector or obj["metadata"]["labels"]["odd"] == "1"]
    seen: list[str] = []
    token = ""
    revisions = set()
    while True:
        options = ListOptions(limit=2, continue_token=token, label_selector=selector)
        page = await api.registry.list(api.who, CM, "default", options)
        seen += [json.loads(raw)["metadata"]["name"] for raw in page.items]
        revisions.add(page.revision)
        if not page.continue_token:
            break
        if not selector:
            assert page.remaining == len(expected) - len(seen)
        else:
            assert page.remaining is None
        token = page.continue_token
        if await api.names(CM, field_selector="metadata.name=n08"):
            await api.delete(CM, "n08")
            await api.create(CM, {"metadata": {"name": "n055", "labels": {"odd": "1"}}})
    assert seen == expected
    assert len(revisions) == 1


async def test_an_exact_state(api: Any) -> None:
    made = await make(api, 2)
    version = made[0]["metadata"]["resourceVersion"]
    assert await api.names(CM, resource_version=version, resource_version_match="Exact") == ["n00"]
    assert await api.names(CM, resource_version=version, resource_version_match="NotOlderThan") == ["n00", "n01"]


async def test_a_state_that_is_forgotten(api: Any, store: Any) -> None:
    await make(api, 4)
    page = await api.registry.list(api.who, CM, "default", ListOptions(limit=2))
    await api.delete(CM, "n03")
    await store.compact(await store.revision())
    with pytest.raises(Expired, match="The provided continue parameter is too old") as refused:
        await api.names(CM, limit=2, continue_token=page.continue_token)
    again = refused.value.status().metadata.continue_
    assert await api.names(CM, continue_token=again) == ["n02"]
    with pytest.raises(Expired, match="resourceVersion for the provided list is too old"):
        await api.names(CM, resource_version=str(page.revision), resource_version_match="Exact")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resource_version_match": "Exact"}, "forbidden unless resourceVersion is provided"),
        ({"resource_version_match": "Other", "resource_version": "1"}, "Unsupported value"),
        ({"resource_version_match": "Exact", "resource_version": "0"}, 'forbidden for resourceVersion "0"'),
        ({"send_initial_events": True}, "sendInitialEvents is forbidden for list"),
    ],
)
async def test_options_that_mean_nothing(api: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        await api.names(CM, **options)


@pytest.mark.parametrize("token", ["?", "e30", "bm90IGpzb24"])
async def test_tokens_that_are_not_ours(api: Any, token: str) -> None:
    with pytest.raises(BadRequest, match="continue key is not valid"):
        await api.names(CM, continue_token=token)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (networking_v1.IngressClass, '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        (core_v1.Pod, "field label not supported: x"),
    ],
)
async def test_unknown_fields_cannot_be_selected(api: Any, kind: type[Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        await api.names(kind, "", field_selector="x=1")
