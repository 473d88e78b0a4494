"""Events: what a component tells the user about an object, written in the background and counted when it repeats."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from master.registry.base import User, WriteOptions
from master.registry.objects import APIObject
from master.registry.verbs import Registry
from timonel.api import codec, errors
from timonel.api import time as api_time
from timonel.api.types import core_v1, meta_v1
from timonel.tasks import end

log = logging.getLogger(__name__)

QUEUED = 1000
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Told:
    """Equal ones are one Event with a count, whatever became of the object in between."""

    regarding: bytes = field(compare=False)
    about: tuple[str | None, ...]
    type: str
    reason: str
    message: str
    source: str
    host: str


@dataclass(slots=True)
class _Written:
    namespace: str
    name: str
    count: int


class EventRecorder:
    """Writes Events about objects. Telling never waits and never fails: when too much is told, the newest is dropped,
    and logged.
    """

    def __init__(self, registry: Registry, source: str, user: User) -> None:
        self._registry = registry
        self._source = source
        self._user = user
        self._queue: asyncio.Queue[_Told] = asyncio.Queue(QUEUED)
        self._written: OrderedDict[_Told, _Written] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name=f"events of {self._source}")

    async def close(self) -> None:
        """Stop; what is not written yet is lost. Idempotent."""
        if self._task is not None:
            await end([self._task])
            self._task = None

    def normal(self, regarding: APIObject | core_v1.ObjectReference, reason: str, message: str) -> None:
        """Tell of something that went as it should."""
        self.tell(regarding, "Normal", reason, message)

    def warning(self, regarding: APIObject | core_v1.ObjectReference, reason: str, message: str) -> None:
        """Tell of something that the user should look at."""
        self.tell(regarding, "Warning", reason, message)

    def tell(
        self,
        regarding: APIObject | core_v1.ObjectReference,
        kind: str,
        reason: str,
        message: str,
        *,
        source: str = "",
        host: str = "",
    ) -> None:
        """Tell something; `source` and `host` name another teller than this recorder's own, for instance a node's
        kubelet.
        """
        reference = regarding if isinstance(regarding, core_v1.ObjectReference) else reference_to(regarding)
        about = (reference.kind, reference.namespace, reference.name, reference.uid, reference.fieldPath)
        told = _Told(codec.encode(reference), about, kind, reason, message[:1024], source or self._source, host)
        try:
            self._queue.put_nowait(told)
        except asyncio.QueueFull:
            log.warning("event dropped: too many are waiting: %s %s", reason, message)

    async def _run(self) -> None:
        while True:
            told = await self._queue.get()
            try:
                await self._write(told)
            except errors.StatusError as error:
                ending = any(cause.reason == "NamespaceTerminating" for cause in error.causes)
                log.log(logging.DEBUG if ending else logging.WARNING, "event not written: %s: %s", told.reason, error)
            except Exception:
                log.exception("event not written: %s", told.reason)

    async def _write(self, told: _Told) -> None:
        now = api_time.now()
        known = self._written.get(told)
        if known is not None:
            patch = codec.encode({"count": known.count + 1, "lastTimestamp": now})
            try:
                await self._registry.patch(
                    self._user,
                    core_v1.Event,
                    known.namespace,
                    known.name,
                    "application/merge-patch+json",
                    patch,
                    WriteOptions(),
                )
            except errors.NotFound:
                del self._written[told]
            else:
                known.count += 1
                self._written.move_to_end(told)
                return
        event = _event(told, now)
        namespace, name = event.metadata.namespace or "", event.metadata.name or ""
        await self._registry.create(self._user, core_v1.Event, namespace, event, WriteOptions())
        self._written[told] = _Written(namespace, name, 1)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


def reference_to(obj: APIObject) -> core_v1.ObjectReference:
    """A reference that names the object and its uid."""
    return core_v1.ObjectReference(
        apiVersion=obj.gvk.api_version,
        kind=obj.gvk.kind,
        namespace=obj.metadata.namespace,
        name=obj.metadata.name,
        uid=obj.metadata.uid,
    )


def _event(told: _Told, now: str) -> core_v1.Event:
    regarding: Any = codec.decode(core_v1.ObjectReference, told.regarding)
    namespace = regarding.namespace or "default"
    return core_v1.Event(
        metadata=meta_v1.ObjectMeta(name=f"{regarding.name}.{uuid4().hex[:16]}", namespace=namespace),
        involvedObject=regarding,
        type=told.type,
        reason=told.reason,
        message=told.message,
        source=core_v1.EventSource(component=told.source, host=told.host),
        reportingComponent=told.source,
        reportingInstance=told.host,
        firstTimestamp=now,
        lastTimestamp=now,
        count=1,
    )
