"""Laws of watching through a selection, for any history."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from master.registry import resources, watching
from master.registry.base import ListOptions
from master.registry.selection import Selection
from master.store.cache import CacheEvent, EventType, labels_of
from master.store.items import Decoding, Item
from timonel.api import codec
from timonel.api.types import core_v1

CM = core_v1.ConfigMap
PREFIX = "/registry/core/configmaps/"

STEP = st.tuples(
    st.sampled_from(["default", "other"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, "yes", "no"]),
)
"""Where, who, and the label that it then has; None deletes it."""


def history(steps: list[tuple[str, str, str | None]]) -> tuple[list[CacheEvent[Any]], dict[str, str]]:
    """The events of the steps, and the labels of what is there in the end."""
    decoding = Decoding(lambda raw: codec.decode(CM, raw), labels_of)
    present: dict[str, Item[Any]] = {}
    events = []
    for revision, (namespace, name, label) in enumerate(steps, start=1):
        key = f"{PREFIX}{namespace}/{name}"
        previous = present.get(key)
        if label is None:
            if previous is not None:
                events.append(CacheEvent(EventType.DELETED, previous.deleted_at(revision), previous))
                del present[key]
            continue
        meta = {"resourceVersion": str(revision), "name": name, "namespace": namespace, "labels": {"in": label}}
        raw = json.dumps({"metadata": meta}, separators=(",", ":")).encode()
        item = present[key] = Item(decoding, key, raw, revision, revision)
        events.append(CacheEvent(EventType.MODIFIED if previous else EventType.ADDED, item, previous))
    return events, {key: item.labels["in"] for key, item in present.items()}


@given(st.lists(STEP, max_size=30), st.sampled_from(["", "default"]), st.sampled_from(["", "in=yes", "in!=yes"]))
def test_frames_lead_to_what_a_list_shows(
    steps: list[tuple[str, str, str | None]], namespace: str, labels: str
) -> None:
    events, final = history(steps)
    selection = Selection(resources.load()[CM], namespace, ListOptions(label_selector=labels))
    known: dict[str, int] = {}
    for frame in watching._select(events, selection):
        assert frame.item is not None
        key = frame.item.key
        if frame.type == "DELETED":
            known.pop(key)
        else:
            assert (frame.type == "ADDED") == (key not in known)
            known[key] = frame.item.revision
        version = json.loads(frame.line)["object"]["metadata"]["resourceVersion"]
        assert version == str(frame.item.revision)
    wanted = {"": lambda label: True, "in=yes": lambda label: label == "yes", "in!=yes": lambda label: label != "yes"}
    assert known.keys() == {
        key for key, label in final.items() if wanted[labels](label) and key.startswith(f"{PREFIX}{namespace}")
    }
