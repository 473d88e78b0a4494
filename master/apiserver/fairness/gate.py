"""Lets requests in: finds the flow of each, has it wait for its turn, and takes its seat back when it is through."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from types import TracebackType

from aiohttp import web

from master.apiserver import options
from master.apiserver.asked import LONG, verb_of
from master.apiserver.fairness.classify import Request, distinguisher, first_match, in_order
from master.apiserver.fairness.configure import levels_of
from master.apiserver.fairness.metrics import RUNNING, WAITING, FlowMetrics, configured
from master.apiserver.fairness.seats import Level, Seats, Ticket, Verdict, deal
from master.apiserver.paths import Target
from master.registry.base import User
from master.registry.flow_bootstrap import MANDATORY, levels, schemas
from master.registry.verbs import Registry
from timonel.api.errors import BadRequest, TooManyRequests
from timonel.api.types import flowcontrol_v1 as v1

CONCURRENCY = 30
"""Seats of all levels together. Kubernetes has 600, but those share many cores: see docs/decisions/fairness.md."""
REQUEST_SECONDS = 60.0
"""How long a request may take; a quarter of that is the longest wait in a queue. Source: Kubernetes' documentation."""
OBJECTS_PER_SEAT = 100
WIDEST = 10
"""A list takes a seat for each hundred objects that it goes through, up to ten. Source: Kubernetes' work estimator."""
MOST_FLOWS = 10_000
"""How many kinds of requests are remembered with their flows; then all are forgotten, and found anew."""

SCHEMA_UID = "X-Kubernetes-PF-FlowSchema-UID"
LEVEL_UID = "X-Kubernetes-PF-PriorityLevel-UID"
REFUSAL = "Too many requests, please try again later."


@dataclass(slots=True)
class Flow:
    """Where the requests of a flow queue."""

    level: Level
    hand: tuple[int, ...]
    metrics: FlowMetrics
    headers: tuple[str, str]
    """The uids of the schema and of the level."""


class Turn:
    """One request's time in the server: waits on entering, gives the seat back on leaving or at `begun`."""

    __slots__ = ("_changes", "_http", "_seats", "_started", "_ticket", "flow")

    def __init__(self, seats: Seats, http: web.BaseRequest, flow: Flow, ticket: Ticket) -> None:
        self._seats = seats
        self._http = http
        self._changes = http.method not in ("GET", "HEAD")
        self._ticket = ticket
        self._started = 0.0
        self.flow = flow

    async def __aenter__(self) -> Turn:
        """Wait for the seat.

        Raises:
            TooManyRequests: the queue is full, or the wait was too long.
        """
        self._http[_KEY] = self
        came = self._started = time.monotonic()
        verdict = self._seats.arrive(self._ticket)
        if verdict is not Verdict.RUN:
            if verdict is not Verdict.WAIT:
                self._refuse(verdict.value, came)
            await self._wait(came)
            self._started = time.monotonic()
        RUNNING[self._changes].value += 1
        self.flow.metrics.started(self._ticket.width, self._started - came)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Give the seat back. Idempotent."""
        if self._ticket.running:
            seconds = time.monotonic() - self._started
            self._seats.finish(self._ticket, seconds)
            RUNNING[self._changes].value -= 1
            self.flow.metrics.ended(self._ticket.width, seconds)

    async def _wait(self, came: float) -> None:
        ready = asyncio.get_running_loop().create_future()
        self._ticket.start = lambda: None if ready.done() else ready.set_result(None)
        self.flow.metrics.queued.value += 1
        WAITING[self._changes].value += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS / 4):
                await ready
        except TimeoutError:
            if not self._ticket.running:
                self._refuse("time-out", came)
        except asyncio.CancelledError:
            self._seats.finish(self._ticket, 0.0)
            self.flow.metrics.refused("cancelled", time.monotonic() - came)
            raise
        finally:
            self.flow.metrics.queued.value -= 1
            WAITING[self._changes].value -= 1
            self._seats.abandon(self._ticket)

    def _refuse(self, why: str, came: float) -> None:
        self.flow.metrics.refused(why, time.monotonic() - came)
        raise TooManyRequests(REFUSAL)


_FREE: AbstractAsyncContextManager[object] = nullcontext()
_KEY = web.RequestKey("fairness", Turn)


class Gate:
    """Priority and fairness for a server.

    Args:
        registry: where FlowSchemas and PriorityLevelConfigurations are.
        concurrency: the seats of all levels together.
    """

    def __init__(self, registry: Registry, concurrency: int = CONCURRENCY) -> None:
        self._seats = Seats()
        self._registry = registry
        self._concurrency = concurrency
        self._schemas: list[v1.FlowSchema] = []
        self.levels: dict[str, Level] = {}
        self._uids: dict[str, str] = {}
        self._flows: dict[Request, Flow] = {}
        self._soon: asyncio.Handle | None = None

    def start(self) -> None:
        """Follow the objects; the registry must have started."""
        self._configure()
        for kind in (v1.FlowSchema, v1.PriorityLevelConfiguration):
            self._registry.reader.on_change(kind, self._changed)

    def turn(self, http: web.BaseRequest, who: User, target: Target | None) -> AbstractAsyncContextManager[object]:
        """The time of a request in the server, to be entered. Streams are let through: they end when they like."""
        verb = verb_of(http, target)
        if target is not None and target.subresource in LONG:
            return _FREE
        request = request_of(http, who, verb, target)
        flow = self._flows.get(request) or self._remember(request)
        width = self._width(http, target, flow.level) if target and verb == "list" else 1
        return Turn(self._seats, http, flow, Ticket(flow.level, flow.hand, width))

    def _width(self, http: web.BaseRequest, target: Target, level: Level) -> int:
        """The seats that a list takes."""
        resource = self._registry.resources.find(target.group, target.version, target.resource)
        if resource is None or resource.struct is None or not self._registry.strategy(resource).is_stored:
            return 1
        items = self._registry.cache(resource).count
        if items <= OBJECTS_PER_SEAT:
            return 1
        with suppress(BadRequest):
            items = min(items, options.integer(http.query, "limit") or items)
        return max(1, min(WIDEST, math.ceil(items / OBJECTS_PER_SEAT), level.nominal or WIDEST))

    def _changed(self, old: object, new: object) -> None:
        """Look at the objects again, once for many that change together."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._configure)

    def _configure(self) -> None:
        self._soon = None
        reader = self._registry.reader
        found = {each.metadata.name or "": each for each in reader.all_cached(v1.PriorityLevelConfiguration)}
        chosen = {each.metadata.name or "": each for each in levels() if each.metadata.name in MANDATORY} | found
        self.levels = levels_of(chosen, self._concurrency, self.levels)
        self._uids = {name: level.metadata.uid or "" for name, level in chosen.items()}
        by_name = {each.metadata.name or "": each for each in schemas() if each.metadata.name in MANDATORY}
        by_name |= {each.metadata.name or "": each for each in reader.all_cached(v1.FlowSchema)}
        all_schemas = in_order(by_name.values())
        self._schemas = [each for each in all_schemas if each.spec.priorityLevelConfiguration.name in self.levels]
        self._flows.clear()
        self._seats.configure(self.levels.values())
        configured(self.levels.values())

    def _remember(self, request: Request) -> Flow:
        if len(self._flows) >= MOST_FLOWS:
            self._flows.clear()
        schema = first_match(self._schemas, request) or self._catch_all()
        level = self.levels[schema.spec.priorityLevelConfiguration.name]
        name = schema.metadata.name or ""
        hand = deal(f"{name}/{distinguisher(schema, request)}", len(level.queues), level.hand_size)
        uids = (schema.metadata.uid or "", self._uids[level.name])
        flow = self._flows[request] = Flow(level, hand, FlowMetrics(level.name, name), uids)
        return flow

    def _catch_all(self) -> v1.FlowSchema:
        """For who is in none of the groups that everybody should be in."""
        return next(schema for schema in self._schemas if schema.metadata.name == "catch-all")


def request_of(http: web.BaseRequest, who: User, verb: str, target: Target | None) -> Request:
    """What decides a request's flow."""
    if target is None:
        return Request(who.name, who.groups, verb, False, path=http.path)
    resource = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
    namespace = target.namespace or (target.name if target.resource == "namespaces" and not target.group else "")
    return Request(who.name, who.groups, verb, True, target.group, resource, namespace)


def mark(http: web.BaseRequest, response: web.StreamResponse) -> None:
    """Say in an answer how its request was classified."""
    turn = http.get(_KEY)
    if turn is not None and not response.prepared:
        response.headers[SCHEMA_UID], response.headers[LEVEL_UID] = turn.flow.headers


def begun(http: web.BaseRequest, response: web.StreamResponse) -> None:
    """A watch is set up: from here on it takes no seat."""
    turn = http.get(_KEY)
    if turn is not None:
        mark(http, response)
        turn.end()
