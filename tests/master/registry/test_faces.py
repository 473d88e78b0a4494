"""One stored object, seen as several kinds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.registry.base import ListOptions, WriteOptions
from master.registry.kinds.event_v1 import NewEvents
from timonel.api import codec
from timonel.api.errors import ApplyConflict, Invalid
from timonel.api.types import core_v1, events_v1, meta_v1

NEW = {
    "metadata": {"name": "e"},
    "eventTime": "2026-01-02T03:04:05.000006Z",
    "reportingController": "example.com/c",
    "reportingInstance": "c-1",
    "action": "Sailing",
    "reason": "Sighted",
    "type": "Normal",
    "note": "land",
    "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    "series": {"count": 3, "lastObservedTime": "2026-01-02T03:04:06.000006Z"},
}
WHOLE = {
    "eventTime": NEW["eventTime"],
    "reportingComponent": "example.com/c",
    "reportingInstance": "c-1",
    "action": "Sailing",
}


async def test_an_event_has_two_faces(api: Any) -> None:
    made = await api.create(events_v1.Event, NEW)
    assert (made["apiVersion"], made["note"], made["series"]["count"]) == ("events.k8s.io/v1", "land", 3)
    old = await api.get(core_v1.Event, "e")
    assert (old["apiVersion"], old["message"], old["involvedObject"]["name"]) == ("v1", "land", "p")
    assert old["reportingComponent"] == "example.com/c"
    assert (await api.get(events_v1.Event, "e")) == made
    assert made["metadata"] == old["metadata"]


async def test_field_selectors_have_the_faces_names(api: Any) -> None:
    await api.create(events_v1.Event, NEW)
    assert await api.names(events_v1.Event, field_selector="regarding.name=p,reason=Sighted") == ["e"]
    assert await api.names(events_v1.Event, field_selector="regarding.name=q") == []
    assert await api.names(core_v1.Event, field_selector="involvedObject.name=p") == ["e"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eventTime": None}, "eventTime: Required value"),
        ({"type": "Odd"}, 'type: Invalid value: "": has invalid value: Odd'),
        ({"deprecatedCount": 2}, 'count: Invalid value: "": needs to be unset'),
        ({"reportingInstance": "x" * 129}, "can have at most 128 characters"),
        ({"note": "x" * 1025}, 'message: Invalid value: "": can have at most 1024 characters'),
        ({"action": ""}, "action: Required value"),
        ({"reportingController": ""}, "[reportingController: Required value, reportingController: Invalid value"),
        ({"metadata": {"name": "Odd"}}, 'Event "Odd" is invalid: metadata.name: Invalid value: "Odd"'),
        ({"series": {"count": 1, "lastObservedTime": "2026-01-02T03:04:06.000006Z"}}, "should be at least 2"),
    ],
)
async def test_new_events_are_whole(api: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        await api.create(events_v1.Event, {**NEW, **change})
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("change", "place", "refused"),
    [
        ({}, "default", ""),
        ({}, "kube-system", 'involvedObject.namespace: Invalid value: "default": does not match event.namespace'),
        ({"involvedObject": {"namespace": ""}}, "default", ""),
        ({"involvedObject": {"namespace": ""}}, "kube-system", 'involvedObject.namespace: Invalid value: ""'),
        (WHOLE, "kube-system", ""),
        (WHOLE | {"involvedObject": {"namespace": ""}}, "kube-system", ""),
        (WHOLE | {"reportingComponent": ""}, "default", "[reportingComponent: Required value"),
        (WHOLE | {"reason": ""}, "default", "reason: Required value"),
        ({"metadata": {"name": "Odd"}}, "default", ""),
    ],
)
async def test_old_events_live_beside_their_subjects(
    api: Any, examples: Any, change: dict[str, Any], place: str, refused: str
) -> None:
    event = examples.body("event", change)
    if not refused:
        await api.create(core_v1.Event, event, place)
        return
    with pytest.raises(Invalid) as fault:
        await api.create(core_v1.Event, event, place)
    assert refused in fault.value.message


async def test_only_a_series_goes_on(api: Any) -> None:
    made = await api.create(events_v1.Event, NEW)
    made["series"]["count"] = 4
    assert (await api.update(events_v1.Event, made))["series"]["count"] == 4
    patched = await api.merge(events_v1.Event, "e", {"series": {"count": 5}})
    assert patched["series"]["count"] == 5
    for change, field in ({"note": "sea"}, "message"), ({"eventTime": None}, "eventTime"), ({"type": ""}, "type"):
        with pytest.raises(Invalid, match=f'Event "e" is invalid: {field}: Invalid value'):
            await api.merge(events_v1.Event, "e", change)
    await api.delete(events_v1.Event, "e")
    assert await api.names(core_v1.Event) == []


async def test_a_watch_shows_the_face(api: Any) -> None:
    watch = api.registry.watch(
        api.who, events_v1.Event, "default", ListOptions(field_selector="regarding.kind=Pod", timeout_seconds=20)
    )
    await api.create(events_v1.Event, NEW)
    [frame] = await anext(watch)
    event = json.loads(frame.line)
    assert (event["type"], event["object"]["apiVersion"], event["object"]["note"]) == (
        "ADDED",
        "events.k8s.io/v1",
        "land",
    )
    await watch.aclose()


async def test_apply_through_a_face_owns_stored_fields(api: Any) -> None:
    async def apply(manager: str, **fields: Any) -> Any:
        body = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"}, **fields}
        options = WriteOptions(field_manager=manager)
        return await api.registry.apply(api.who, events_v1.Event, "default", "a", json.dumps(body).encode(), options)

    rest = {key: value for key, value in NEW.items() if key != "metadata"}
    made = json.loads((await apply("one", **rest)).raw)
    [entry] = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["apiVersion"]) == ("one", "v1")
    assert "f:message" in entry["fieldsV1"]
    assert "f:count" not in entry["fieldsV1"]
    with pytest.raises(ApplyConflict):
        await apply("two", note="sea")


words = st.none() | st.from_regex(r"[a-z]{1,8}", fullmatch=True)
times = st.none() | st.just("2026-01-02T03:04:05.000006Z")
references = st.builds(core_v1.ObjectReference, kind=words, name=words, namespace=words, fieldPath=words)
events = st.builds(
    core_v1.Event,
    metadata=st.builds(
        meta_v1.ObjectMeta, name=words, labels=st.dictionaries(words.map(str), words.map(str), max_size=2)
    ),
    action=words,
    count=st.none() | st.integers(1, 9),
    eventTime=times,
    firstTimestamp=times,
    lastTimestamp=times,
    involvedObject=references,
    related=st.none() | references,
    message=words,
    reason=words,
    reportingComponent=words,
    reportingInstance=words,
    source=st.none() | st.builds(core_v1.EventSource, component=words, host=words),
    series=st.none() | st.builds(core_v1.EventSeries, count=st.integers(2, 9), lastObservedTime=times),
    type=words,
)


@given(events)
def test_no_event_loses_anything_by_its_other_face(event: core_v1.Event) -> None:
    face = NewEvents()
    assert codec.to_dict(face.put(face.show(event))) == codec.to_dict(event)
