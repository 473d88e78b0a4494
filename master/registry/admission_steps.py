"""The steps of admission, timed and traced; the figures have Kubernetes' names."""

import time

from master.metrics import Histogram, Series
from master.registry.base import Verb
from master.tracing import span

_SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 2.5)
_LABELS = ("type", "operation", "rejected")
_PREFIX = "apiserver_admission"
_steps = Histogram(f"{_PREFIX}_step_admission_duration_seconds", "How long steps took.", _LABELS, _SECONDS)
_plugins = Histogram(
    f"{_PREFIX}_controller_admission_duration_seconds", "How long plugins took.", ("name", *_LABELS), _SECONDS
)
_OPERATIONS = {Verb.CREATE: "CREATE", Verb.UPDATE: "UPDATE", Verb.DELETE: "DELETE"}


class Step:
    """A step while it is under way: of all plugins, or of one."""

    __slots__ = ("_operation", "_plugin", "_span", "_started", "_type")

    def __init__(self, step: str, operation: Verb, plugin: object | None = None) -> None:
        self._type = step
        self._operation = operation
        self._plugin = "" if plugin is None else type(plugin).__name__
        self._span = span(f"admission/{step}/{self._plugin}".rstrip("/"))
        self._started = 0.0

    def __enter__(self) -> None:
        self._span.__enter__()
        self._started = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._span.__exit__(*error)  # type: ignore[arg-type]
        self._series(rejected=error[0] is not None).observe(time.monotonic() - self._started)

    def _series(self, *, rejected: bool) -> Series:
        labels = (self._type, _OPERATIONS.get(self._operation, ""), "true" if rejected else "false")
        return _plugins.series(self._plugin, *labels) if self._plugin else _steps.series(*labels)
