"""A store of which every call is counted, timed and traced; the figures have Kubernetes' names for etcd's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from master.metrics import REQUEST_SECONDS, Cell, Counter, Histogram, Series
from master.store.base import Committed, Delete, Guard, KeyValue, Page, Refused, Write
from master.store.layer import Layer
from master.tracing import is_on, span

_LABELS = ("operation", "group", "resource")
_seconds = Histogram("etcd_request_duration_seconds", "How long the store took.", _LABELS, REQUEST_SECONDS)
_requests = Counter("etcd_requests_total", "Calls of the store.", _LABELS)
_errors = Counter("etcd_request_errors_total", "Calls of the store that failed.", _LABELS)
_figures: dict[tuple[str, str, str], tuple[Cell, Series]] = {}


class ObservedStore(Layer):
    """``inner``, watched."""

    async def get(self, key: str, revision: int = 0) -> KeyValue | None:
        with _Call("get", key):
            return await self._inner.get(key, revision)

    async def list(self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0) -> Page:
        with _Call("list", prefix):
            return await self._inner.list(prefix, limit=limit, after=after, revision=revision)

    async def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        with _Call(_operation(guards, writes), writes[0].key if writes else ""):
            return await self._inner.txn(guards, writes)


class _Call:
    """One call while it is under way."""

    __slots__ = ("_key", "_operation", "_span", "_started")

    def __init__(self, operation: str, key: str) -> None:
        self._operation = operation
        self._key = key
        self._started = 0.0

    def __enter__(self) -> None:
        self._span = span(f"store/{self._operation}", key=self._key) if is_on() else None
        if self._span is not None:
            self._span.__enter__()
        self._started = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        seconds = time.monotonic() - self._started
        if self._span is not None:
            self._span.__exit__(kind, *rest)
        group, resource = (*self._key.split("/", 4), "", "", "", "")[2:4]
        found = _figures.get((self._operation, group, resource)) or _shown(self._operation, group, resource)
        found[0].value += 1
        found[1].observe(seconds)
        if kind is not None:
            _errors.add(1, self._operation, *_named(group, resource))


def _named(group: str, resource: str) -> tuple[str, str]:
    return ("" if group == "core" else group, resource)


def _shown(operation: str, group: str, resource: str) -> tuple[Cell, Series]:
    labels = (operation, *_named(group, resource))
    found = _figures[operation, group, resource] = (_requests.cell(*labels), _seconds.series(*labels))
    return found


def _operation(guards: Sequence[Guard], writes: Sequence[Write]) -> str:
    if writes and isinstance(writes[0], Delete):
        return "delete"
    return "update" if guards and guards[0].revision else "create"
