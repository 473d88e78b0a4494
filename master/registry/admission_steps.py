"""The steps of admission, timed and traced; the figures have Kubernetes' names."""

from __future__ import annotations

import time
from typing import Any

from master.metrics import Histogram, Series
from master.registry.base import Verb
from master.tracing import is_on, span

_SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 2.5)
_LABELS = ("type", "operation", "rejected")
_PREFIX = "apiserver_admission"
_steps = Histogram(f"{_PREFIX}_step_admission_duration_seconds", "How long steps took.", _LABELS, _SECONDS)
_plugins = Histogram(
    f"{_PREFIX}_controller_admission_duration_seconds", "How long plugins took.", ("name", *_LABELS), _SECONDS
)


_series: dict[tuple[str, str, type | None, bool], Series] = {}


class Step:
    """A step while it is under way. A write goes through many plugins: they share its clock."""

    __slots__ = ("_began", "_operation", "_plugin", "_plugin_began", "_span", "_type")

    def __init__(self, step: str, operation: Verb) -> None:
        self._type = step
        self._operation = operation
        self._plugin: type | None = None
        self._span = span(f"admission/{step}") if is_on() else None

    def __enter__(self) -> Step:
        if self._span is not None:
            self._span.__enter__()
        self._began = self._plugin_began = time.monotonic()
        return self

    def comes_to(self, plugin: object) -> None:
        """From here on the time is this plugin's; the one before is through."""
        now = time.monotonic()
        if self._plugin is not None:
            self._observe(self._plugin, now - self._plugin_began, rejected=False)
        self._plugin, self._plugin_began = type(plugin), now

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        now, rejected = time.monotonic(), kind is not None
        if self._plugin is not None:
            self._observe(self._plugin, now - self._plugin_began, rejected=rejected)
        self._observe(None, now - self._began, rejected=rejected)
        if self._span is not None:
            self._span.__exit__(kind, *rest)

    def _observe(self, plugin: type | None, seconds: float, *, rejected: bool) -> None:
        key = (self._type, self._operation, plugin, rejected)
        series = _series.get(key)
        if series is None:
            series = _series[key] = self._shown(plugin, rejected=rejected)
        series.observe(seconds)

    def _shown(self, plugin: type | None, *, rejected: bool) -> Series:
        labels = (self._type, self._operation.upper(), "true" if rejected else "false")
        return _plugins.series(plugin.__name__, *labels) if plugin else _steps.series(*labels)
