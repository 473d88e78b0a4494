"""What the daemon tells of this node's containers, as a stream that survives the daemon's restarts."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from node_agent.http1 import Reply
from node_agent.runtimes.base import RuntimeEvent, RuntimeFailure
from node_agent.runtimes.docker import names
from node_agent.runtimes.docker.client import Daemon
from node_agent.runtimes.docker.observe import Observer

log = logging.getLogger(__name__)

_ACTIONS = ("start", "die", "oom", "destroy", "pause", "unpause", "update")
_RETRY_SECONDS = 0.25
_MAX_RETRY_SECONDS = 5.0


async def follow(daemon: Daemon, scope: names.Scope, observer: Observer) -> AsyncGenerator[RuntimeEvent, None]:
    """Events until closed. Each new connection begins with one for all pods: anything may have been missed.

    A connection replays what the daemon remembers (its last 256 events), of which only "oom" is news: nothing else
    keeps it.
    """
    filters = {"type": ["container"], "event": list(_ACTIONS), "label": scope.filters()}
    delay = _RETRY_SECONDS
    while True:
        try:
            now = time.time_ns()
            query = {"since": "0", "filters": json.dumps(filters)}
            async with daemon.open("GET", "/events", query) as reply:
                observer.forget_all()
                observer.trusted = True
                delay = _RETRY_SECONDS
                yield RuntimeEvent(None, "connected")
                async for event in _told(reply, observer, now):
                    yield event
        except RuntimeFailure as failure:
            log.warning("the stream of Docker's events ended: %s", failure.message)
        finally:
            observer.trusted = False
        await asyncio.sleep(delay)
        delay = min(delay * 2, _MAX_RETRY_SECONDS)


async def _told(reply: Reply, observer: Observer, since: int) -> AsyncIterator[RuntimeEvent]:
    async for line in reply.lines():
        told: dict[str, Any] = json.loads(line)
        action, container = told["Action"], told["Actor"]["ID"]
        if action == "oom":
            observer.ran_out_of_memory(container)
        if told["timeNano"] < since:
            continue
        observer.forget(container)
        if pod := names.pod_of(told["Actor"]["Attributes"]):
            yield RuntimeEvent(pod, action)
