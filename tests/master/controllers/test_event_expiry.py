"""Events go an hour after they were last seen."""

from __future__ import annotations

from typing import Any

import pytest

from master.controllers.event_expiry import event_expiry
from timonel.api import codec
from timonel.api.types import core_v1


@pytest.mark.parametrize(
    "fields",
    [
        {"lastTimestamp": "2026-01-01T00:30:00Z", "firstTimestamp": "2025-12-31T00:00:00Z"},
        {"eventTime": "2026-01-01T00:30:00.000000Z"},
        {
            "series": {"count": 2, "lastObservedTime": "2026-01-01T00:30:00.000000Z"},
            "eventTime": "2025-12-31T00:00:00.000000Z",
        },
        {"metadata": {"name": "e", "namespace": "d", "creationTimestamp": "2026-01-01T00:30:00Z"}},
    ],
)
def test_an_event_stays_for_an_hour_after_it_was_last_seen(world: Any, fields: dict[str, Any]) -> None:
    event = codec.convert(core_v1.Event, {"metadata": {"name": "e", "namespace": "d"}, **fields})
    world.add(event)
    world.wait(80 * 60)
    world.settle(event_expiry, kinds=[core_v1.Event])
    assert len(world.list(core_v1.Event)) == 1
    assert world.requeue == pytest.approx(600)
    world.wait(601)
    world.settle(event_expiry, kinds=[core_v1.Event])
    assert world.list(core_v1.Event) == []
