"""Events are news: after an hour they go, as in Kubernetes (kube-apiserver's --event-ttl)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from master.controllers.actions import Action, Delete, RequeueAfter
from master.controllers.controller import API_SERVER, controller
from master.controllers.view import View
from timonel.api import time as api_time
from timonel.api.types import core_v1

LIFETIME = timedelta(hours=1)


@controller(core_v1.Event, account=API_SERVER)
def event_expiry(event: core_v1.Event, view: View, now: datetime) -> Iterator[Action]:
    """Delete an Event that has not been seen again for its lifetime."""
    series = event.series.lastObservedTime if event.series else None
    times = (series, event.lastTimestamp, event.eventTime, event.metadata.creationTimestamp)
    seen = max((api_time.parse(text) for text in times if text), default=now - LIFETIME)
    left = (seen + LIFETIME - now).total_seconds()
    if left > 0:
        yield RequeueAfter(left)
    else:
        yield Delete(event)
