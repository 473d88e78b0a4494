"""The engine: wakes controllers, carries their actions out, tries again, and reports. All effects of the controllers
are here.

A key is never looked at again before the view has seen that key's own last writes. This one rule replaces Kubernetes'
expectations: what a controller has
created is there when it counts again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Network
from itertools import groupby
from typing import Any

from master.controllers.actions import Action, Create, Delete, Patch, RequeueAfter, SetStatus, Tell, Update, Write
from master.controllers.controller import Controller, Key, Wake, key_of, load
from master.controllers.metrics import QueueMetrics
from master.controllers.view import DEFAULT_CLUSTER_CIDR, CacheView
from master.registry.base import DeleteOptions, Preconditions, Result, WriteOptions
from master.registry.objects import APIObject
from master.registry.recorder import EventRecorder
from master.registry.verbs import Registry
from master.store.base import StoreError
from master.store.cache import CacheEvent, EventType
from timonel.api import codec, errors
from timonel.tasks import end

log = logging.getLogger(__name__)

_OnEvents = Callable[[Sequence[CacheEvent[Any]]], None]

FIELD_MANAGER = "kube-controller-manager"
"""Who owns the fields that controllers set: that is how users of Kubernetes tell tools to leave them alone."""
WORKERS = 8
"""Keys of one controller that are looked at side by side."""
FIRST_BACKOFF = 0.05
LONGEST_BACKOFF = 60.0
"""Seconds; doubled with each failure in a row."""
OWN_WRITES_DEADLINE = 10.0
"""Seconds until a key is looked at again although its own writes were not seen: the view is cut off, and says so
elsewhere.
"""


@dataclass(slots=True)
class _KeyState:
    failures: int = 0
    running: bool = False
    dirty: bool = False
    since: float = 0.0
    """When it began to wait, or to be looked at."""
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Queue:
    """The keys of one controller that wait, each once; a key that is being looked at waits until that is over."""

    figures: QueueMetrics
    ready: asyncio.Queue[Key] = field(default_factory=asyncio.Queue)
    states: dict[Key, _KeyState] = field(default_factory=dict)

    def wake(self, key: Key) -> None:
        state = self.states.setdefault(key, _KeyState())
        if not state.dirty:
            state.dirty = True
            state.since = state.since if state.running else time.monotonic()
            self.figures.added()
            if not state.running:
                self.ready.put_nowait(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        state = self.states.setdefault(key, _KeyState())
        if state.timer is not None:
            state.timer.cancel()
        state.timer = asyncio.get_running_loop().call_later(seconds, self.wake, key)

    def begin(self, key: Key) -> _KeyState:
        state = self.states[key]
        state.running, state.dirty = True, False
        state.since = self.figures.began(state.since)
        if state.timer is not None:
            state.timer.cancel()
            state.timer = None
        return state

    def end(self, key: Key) -> None:
        state = self.states[key]
        state.running = False
        state.since = self.figures.ended(state.since)
        if state.dirty:
            self.ready.put_nowait(key)
        elif state.timer is None and not state.failures:
            del self.states[key]

    def close(self) -> None:
        for state in self.states.values():
            if state.timer is not None:
                state.timer.cancel()


class Engine:
    """Runs controllers over a registry."""

    def __init__(
        self,
        registry: Registry,
        *,
        controllers: Sequence[Controller] | None = None,
        cluster_cidr: IPv4Network = DEFAULT_CLUSTER_CIDR,
    ) -> None:
        self._registry = registry
        self._controllers = load() if controllers is None else list(controllers)
        self._view = CacheView(registry, cluster_cidr)
        self._queues = {controller.name: _Queue(QueueMetrics(controller.name)) for controller in self._controllers}
        self._recorders = {
            controller.name: EventRecorder(registry, _component(controller), controller.user)
            for controller in self._controllers
        }
        self._unsubscribe: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._wide: list[_OnEvents] = []
        """What listens to every kind."""
        self._kinds: dict[type[Any], list[Callable[[], None]]] = {}
        """The kinds that it listens to, with what undoes that."""

    async def start(self) -> None:
        """Look at every object once, then at what changes; the registry must be started."""
        for controller in self._controllers:
            await self._recorders[controller.name].start()
            queue = self._queues[controller.name]
            self._follow(queue, Wake(controller.kind, lambda obj, view: [key_of(obj)]))
            for wake in controller.wakes_on:
                self._follow(queue, wake)
            if controller.kind is not None:
                self._wake_all(queue, controller.kind)
            for number in range(WORKERS):
                task = asyncio.create_task(self._work(controller, queue), name=f"controller {controller.name} {number}")
                self._tasks.append(task)
        self._follow_kinds()
        self._unsubscribe.append(self._registry.on_kinds(self._follow_kinds))

    async def close(self) -> None:
        """Stop; what is under way is cancelled. Idempotent."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        for unsubscribe in (each for undo in self._kinds.values() for each in undo):
            unsubscribe()
        self._kinds.clear()
        await end(self._tasks)
        self._tasks.clear()
        for queue in self._queues.values():
            queue.close()
        for recorder in self._recorders.values():
            await recorder.close()
        self._view.close()

    def _follow(self, queue: _Queue, wake: Wake[Any]) -> None:
        def on_events(events: Sequence[CacheEvent[Any]]) -> None:
            for event in events:
                for key in wake.keys(event.item.object, self._view):
                    queue.wake(key)
                if event.previous is not None and event.type is not EventType.DELETED:
                    for key in wake.keys(event.previous.object, self._view):
                        queue.wake(key)

        if wake.kind is None:
            self._wide.append(on_events)
        else:
            self._unsubscribe.append(self._listen(wake.kind, on_events))

    def _follow_kinds(self) -> None:
        """Let the controllers of every kind see the kinds that have come: custom ones do, and go, at any time."""
        self._view.forget_gone()
        followed, self._kinds = self._kinds, {}
        for kind in self._view.kinds():
            if kind in followed:
                self._kinds[kind] = followed[kind]
                continue
            self._kinds[kind] = [self._listen(kind, on_events) for on_events in self._wide]
            for controller in self._controllers:
                if controller.kind is None:
                    self._wake_all(self._queues[controller.name], kind)

    def _listen(self, kind: type[Any], on_events: _OnEvents) -> Callable[[], None]:
        """Hear of a kind's changes; gives what undoes that. A kind that goes takes its cache with it."""
        cache = self._registry.cache(kind)
        cache.add_listener(on_events)
        return partial(cache.remove_listener, on_events)

    def _wake_all(self, queue: _Queue, kind: type[Any]) -> None:
        for obj in self._view.list(kind):
            queue.wake(key_of(obj))

    async def _work(self, controller: Controller, queue: _Queue) -> None:
        while True:
            key = await queue.ready.get()
            state = queue.begin(key)
            try:
                again = await self._reconcile(controller, key)
            except Exception as error:  # noqa: BLE001  # one key's failure is reported and tried again
                state.failures += 1
                queue.figures.retries.value += 1
                delay = _backoff(state.failures)
                _report(controller, key, error, delay)
                queue.wake_after(key, delay)
            else:
                state.failures = 0
                if again is not None:
                    queue.wake_after(key, again)
            finally:
                queue.end(key)

    async def _reconcile(self, controller: Controller, key: Key) -> float | None:
        """Look at one key; the seconds after which to look again, or None."""
        obj = self._view.get(*key)
        if obj is None:
            return None
        run = _Run(self._registry, controller, obj, self._recorders[controller.name])
        try:
            await run.carry_out(controller.reconcile(obj, self._view, datetime.now(UTC)))
        except errors.StatusError as error:
            await run.see_own_writes()
            obj = self._view.get(*key)
            if controller.on_failure and obj is not None:
                await run.carry_out(controller.on_failure(obj, error, self._view, datetime.now(UTC)))
            raise
        finally:
            await run.see_own_writes()
        return run.again


class _Run:
    """One key's actions, carried out."""

    def __init__(self, registry: Registry, controller: Controller, obj: APIObject, recorder: EventRecorder) -> None:
        self._registry = registry
        self._user = controller.user
        self._manager = controller.name
        self._obj = obj
        self._recorder = recorder
        self._written: dict[type[Any], int] = {}
        self.again: float | None = None

    async def carry_out(self, actions: Iterator[Action]) -> None:
        """In turn; a run of actions of one sort is done in parallel, in batches of 1, 2, 4 and so on, so that a failing
        one is met early.

        Source: the slow start of Kubernetes' ReplicaSet controller.
        """
        for kind, alike in groupby(list(actions), type):
            rest = list(alike)
            size = 1
            while rest:
                batch, rest = rest[:size], rest[size:]
                size *= 2
                results = await asyncio.gather(*(self._do(kind, action) for action in batch), return_exceptions=True)
                for result in results:
                    if isinstance(result, BaseException):
                        raise result

    async def see_own_writes(self) -> None:
        """Wait until the view has seen everything that this run wrote."""
        for kind, revision in self._written.items():
            try:
                await self._registry.cache(kind).wait_until(revision, OWN_WRITES_DEADLINE)
            except TimeoutError:
                log.warning("%s: the view did not reach revision %d of %s", self._manager, revision, kind.gvk.kind)

    async def _do(self, kind: type[Action], action: Action) -> None:
        match action:
            case RequeueAfter():
                self.again = action.seconds if self.again is None else min(self.again, action.seconds)
            case Tell():
                self._recorder.tell(action.about, action.type, action.reason, action.message)
            case _:
                await self._write(action)

    async def _write(self, action: Write) -> None:
        obj = action.obj
        try:
            result = await self._send(action)
        except errors.StatusError as error:
            if _already_done(action, error):
                return
            if isinstance(action, Create | Delete) and action.announce:
                verb, doing = ("Create", "creating") if isinstance(action, Create) else ("Delete", "deleting")
                self._recorder.warning(self._obj, f"Failed{verb}", f"Error {doing}: {error}")
            raise
        self._written[type(obj)] = max(self._written.get(type(obj), 0), result.revision)
        if isinstance(action, Create | Delete) and action.announce:
            verb = "Create" if isinstance(action, Create) else "Delete"
            name = (
                codec.decode(type(obj), result.raw).metadata.name if isinstance(action, Create) else obj.metadata.name
            )
            self._recorder.normal(self._obj, f"Successful{verb}", f"{verb}d {obj.kind.lower()}: {name}")

    async def _send(self, action: Write) -> Result:
        obj = action.obj
        kind, namespace, name = type(obj), obj.metadata.namespace or "", obj.metadata.name or ""
        options = WriteOptions(field_manager=FIELD_MANAGER)
        match action:
            case Create():
                return await self._registry.create(self._user, kind, namespace, obj, options)
            case Update():
                return await self._registry.update(
                    self._user, kind, namespace, name, obj, options, subresource=action.subresource
                )
            case SetStatus():
                return await self._registry.update(
                    self._user, kind, namespace, name, obj, options, subresource="status"
                )
            case Patch():
                body = codec.encode(action.patch)
                return await self._registry.patch(
                    self._user,
                    kind,
                    namespace,
                    name,
                    "application/merge-patch+json",
                    body,
                    options,
                    subresource=action.subresource,
                )
            case Delete():
                return await self._registry.delete(
                    self._user,
                    kind,
                    namespace,
                    name,
                    DeleteOptions(
                        grace_seconds=action.grace_seconds,
                        propagation=action.propagation,
                        preconditions=Preconditions(uid=obj.metadata.uid or ""),
                    ),
                )


def _already_done(action: Write, error: errors.StatusError) -> bool:
    match action:
        case Create():
            # Into a namespace that is ending nothing needs to be created any more.
            ending = any(cause.reason == "NamespaceTerminating" for cause in error.causes)
            return ending or isinstance(error, errors.AlreadyExists)
        case Delete():
            # A uid that no longer matches means that this very object is gone.
            return isinstance(error, errors.NotFound | errors.Conflict)
        case _:
            return isinstance(error, errors.NotFound)


def _backoff(failures: int) -> float:
    return min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 20), LONGEST_BACKOFF) * random.uniform(0.8, 1.2)


def _report(controller: Controller, key: Key, error: Exception, delay: float) -> None:
    where = f"{controller.name} {key.kind.gvk.kind} {key.namespace}/{key.name}"
    if isinstance(error, errors.Conflict):
        log.debug("%s: has changed meanwhile, again in %.2f s", where, delay)
    elif isinstance(error, errors.StatusError | StoreError):
        log.warning("%s: %s; again in %.2f s", where, error, delay)
    else:
        log.error("%s: failed; again in %.2f s", where, delay, exc_info=error)


def _component(controller: Controller) -> str:
    """What Events name as their source, as Kubernetes' controllers do: the account that it acts as."""
    return controller.user.name.rpartition(":")[2]
