"""What is counted of requests, under the names and labels that Kubernetes' API server has.

Source: the `/metrics` of a kube-apiserver 1.35.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType

from aiohttp import web

from master import process_metrics
from master.apiserver import version
from master.apiserver.asked import LONG, is_long, verb_of
from master.apiserver.paths import Target
from master.apiserver.pieces import PiecesPayload
from master.metrics import REQUEST_SECONDS, Cell, Computed, Counter, Gauge, Histogram, Labels, Metric
from master.registry.base import Resource
from master.registry.verbs import Registry

_WHAT = ("group", "version", "resource", "subresource", "scope")
_SLI_SECONDS = (0.05, *(bound for bound in REQUEST_SECONDS if bound > 0.05))
_BYTES = tuple(10.0**power for power in range(3, 10))
_EVENT_BYTES = tuple(1024.0 * 2**power for power in range(8))

_total = Counter("apiserver_request_total", "Requests.", (*_WHAT, "component", "verb", "dry_run", "code"))
_seconds = Histogram(
    "apiserver_request_duration_seconds",
    "How long requests took.",
    (*_WHAT, "component", "verb", "dry_run"),
    REQUEST_SECONDS,
)
_sli_seconds = Histogram(
    "apiserver_request_sli_duration_seconds",
    "How long requests took, but for those that last by nature.",
    (*_WHAT, "component", "verb"),
    _SLI_SECONDS,
)
_sizes = Histogram(
    "apiserver_response_sizes", "Bytes of the answers to reading requests.", (*_WHAT, "component", "verb"), _BYTES
)
_long_running = Gauge("apiserver_longrunning_requests", "Open watches and streams.", (*_WHAT, "component", "verb"))
_events = Counter("apiserver_watch_events_total", "Events sent to watches.", _WHAT[:3])
_event_sizes = Histogram("apiserver_watch_events_sizes", "Bytes of these events.", _WHAT[:3], _EVENT_BYTES)
_attempts = Counter("authentication_attempts", "Attempts to prove who one is.", ("result",))
_users = Counter("authenticated_user_requests", "Requests of known users.", ("username",))

_VERBS = {"create": "POST", "update": "PUT", "deletecollection": "DELETE"}
_KNOWN_USERS = frozenset({"admin", "client", "kube_proxy", "kubelet", "system", "cluster_autoscaler"})
UNKNOWN = frozenset({401, 404})
"""Codes of requests whose path may be anything, and is no label for that reason."""


class _Row:
    """The figures of alike requests."""

    __slots__ = ("_key", "codes", "long", "seconds", "sizes", "sli")

    def __init__(self, what: Labels, component: str, verb: str, dry_run: str, *, is_long: bool) -> None:
        self._key = (*what, component, verb, dry_run)
        self.codes: dict[int, Cell] = {}
        self.seconds = _seconds.series(*self._key)
        self.sli = None if is_long else _sli_seconds.series(*self._key[:-1])
        self.sizes = _sizes.series(*self._key[:-1]) if verb in ("GET", "LIST") else None

    def answered(self, code: int, seconds: float, size: int | None) -> None:
        cell = self.codes.get(code)
        if cell is None:
            cell = self.codes[code] = _total.cell(*self._key, str(code))
        cell.value += 1
        self.seconds.observe(seconds)
        if self.sli is not None:
            self.sli.observe(seconds)
        if self.sizes is not None and size is not None:
            self.sizes.observe(size)


_rows: dict[tuple[Labels, str, str], _Row] = {}


class Served:
    """One request while it is served: entered when it comes, given the `response`, counted when it is left."""

    __slots__ = ("_http", "_open", "_registry", "_started", "_target", "_verb", "response")

    def __init__(self, registry: Registry, http: web.BaseRequest, target: Target | None) -> None:
        self._registry = registry
        self._http = http
        self._target = target
        self._verb = verb_of(http, target)
        self._open: Cell | None = None
        self._started = 0.0
        self.response: web.StreamResponse | None = None

    def __enter__(self) -> Served:
        self._started = time.monotonic()
        if is_long(self._target, self._verb) and self._known() is not None:
            self._open = _long_running.cell(*self._what(), "apiserver", self._shown_verb())
            self._open.value += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.value -= 1
        response = self.response
        if response is None:
            return
        body = response.body if isinstance(response, web.Response) else None
        size = len(body) if isinstance(body, bytes) else body.size if isinstance(body, PiecesPayload) else None
        self._row(response.status).answered(response.status, time.monotonic() - self._started, size)

    def _row(self, code: int) -> _Row:
        what = self._what() if code not in UNKNOWN or self._known() else ("", "", "", "", "")
        verb = self._shown_verb()
        dry_run = "All" if "dryRun" in self._http.query_string else ""
        found = _rows.get((what, verb, dry_run))
        if found is None:
            component = "apiserver" if what[2] else ""
            long = is_long(self._target, self._verb)
            found = _rows[what, verb, dry_run] = _Row(what, component, verb, dry_run, is_long=long)
        return found

    def _known(self) -> Resource | None:
        target = self._target
        return self._registry.resources.find(target.group, target.version, target.resource) if target else None

    def _shown_verb(self) -> str:
        if self._target is not None and self._target.subresource in LONG - {"log"}:
            return "CONNECT"
        if self._verb == "patch" and "apply-patch" in self._http.headers.get("Content-Type", ""):
            return "APPLY"
        return _VERBS.get(self._verb) or (self._verb.upper() if self._http.method in _METHODS else "other")

    def _what(self) -> tuple[str, str, str, str, str]:
        target = self._target
        if target is None:
            return ("", "", "", "/" + self._http.path.strip("/").partition("/")[0], "")
        scope = "resource" if target.name or self._verb == "create" else "namespace" if target.namespace else "cluster"
        return (target.group, target.version, target.resource, target.subresource, scope)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class WatchMetrics:
    """The events of one watch."""

    __slots__ = ("_events", "_sizes")

    def __init__(self, target: Target) -> None:
        what = (target.group, target.version, target.resource)
        self._events = _events.cell(*what)
        self._sizes = _event_sizes.series(*what)

    def sent(self, sizes: Iterable[int]) -> None:
        """Events of so many bytes each have been sent."""
        for size in sizes:
            self._events.value += 1
            self._sizes.observe(size)


def authenticated(name: str) -> None:
    """Somebody has proved to be ``name``."""
    _attempts.add(1, "success")
    _users.add(1, name if name in _KNOWN_USERS else "other")


def not_authenticated() -> None:
    """Somebody showed bad credentials."""
    _attempts.add(1, "failure")


def computed(registry: Registry) -> list[Metric]:
    """What is looked up when somebody asks: objects, and the process."""

    def by_name() -> Iterator[tuple[Labels, float]]:
        return (((labels[1] + ("." + labels[0] if labels[0] else ""),), count) for labels, count in by_group())

    def by_group() -> Iterator[tuple[Labels, float]]:
        stored = {r.prefix: r for r in registry.resources if registry.strategy(r).is_stored and r.struct is not None}
        for resource in sorted(stored.values(), key=lambda r: (r.gvk.group, r.plural)):
            yield (resource.gvk.group, resource.plural), registry.cache(resource).count

    build = {_snake(key): value for key, value in version.document().items()}
    told = tuple(build.values())
    return [
        Computed("apiserver_storage_objects", "Objects that are stored.", ("resource",), by_name),
        Computed("apiserver_resource_objects", "Objects that are stored.", ("group", "resource"), by_group),
        Computed("kubernetes_build_info", "The version that is served.", tuple(build), lambda: [(told, 1)]),
        *process_metrics.metrics(),
    ]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
