"""Traces of what the master does, for an OpenTelemetry collector; nothing, and no library, unless it is configured.

`span` is called everywhere, at the cost of a comparison while nothing is configured. The file is Kubernetes' own, a
TracingConfiguration of apiserver.config.k8s.io. As there, a request is traced whose ``traceparent`` says so, and of
those without one ``samplingRatePerMillion``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from master.configuration import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

GROUP = "apiserver.config.k8s.io"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
DEFAULT_ENDPOINT = "localhost:4317"
MILLION = 1_000_000
FLUSH_SECONDS = 5
_FIELDS = frozenset({"apiVersion", "kind", "endpoint", "samplingRatePerMillion"})

_NOTHING: AbstractContextManager[None] = nullcontext()
_tracer: Tracer | None = None


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Where traces are sent: gRPC without TLS, to a collector on this machine. And how many."""

    endpoint: str = DEFAULT_ENDPOINT
    rate_per_million: int = 0


def span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """A part of the work under way; it belongs to the part that it is in."""
    if _tracer is None:
        return _NOTHING
    return _tracer.start_as_current_span(name, attributes=attributes)


def is_on() -> bool:
    """Whether anything is traced: for those whose names take time to make."""
    return _tracer is not None


def request(name: str, headers: Mapping[str, str], **attributes: str | int) -> AbstractContextManager[Any]:
    """The work for a request, part of the client's trace where its headers tell of one."""
    if _tracer is None:
        return _NOTHING
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    lower = {key: headers[key] for key in ("traceparent", "tracestate") if key in headers}
    context = TraceContextTextMapPropagator().extract(lower)
    return _tracer.start_as_current_span(name, context=context, kind=SpanKind.SERVER, attributes=attributes)


def note(**attributes: str | int) -> None:
    """Add attributes to the part that is under way."""
    if _tracer is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attributes(attributes)


def load(path: Path) -> TracingSettings:
    """Read a TracingConfiguration.

    Raises:
        ConfigurationError: it cannot be read, or is none.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"--tracing-config {path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "TracingConfiguration":
        raise ConfigurationError(f"--tracing-config {path}: kind must be TracingConfiguration")
    if document.get("apiVersion") not in [f"{GROUP}/{version}" for version in VERSIONS]:
        raise ConfigurationError(f"--tracing-config {path}: apiVersion must be {GROUP}/{VERSIONS[0]}")
    if unknown := sorted(map(str, document.keys() - _FIELDS)):
        raise ConfigurationError(f"--tracing-config {path}: unknown field {unknown[0]!r}")
    rate, endpoint = document.get("samplingRatePerMillion") or 0, document.get("endpoint") or DEFAULT_ENDPOINT
    if not isinstance(rate, int) or not 0 <= rate <= MILLION:
        raise ConfigurationError(
            f"--tracing-config {path}: samplingRatePerMillion must be 0 to {MILLION}, not {rate!r}"
        )
    if not isinstance(endpoint, str):
        raise ConfigurationError(f"--tracing-config {path}: endpoint must be host:port, not {endpoint!r}")
    return TracingSettings(endpoint, rate)


class Tracing:
    """Traces that are on from its making until `close`."""

    def __init__(self, settings: TracingSettings) -> None:
        """Begin.

        Raises:
            ConfigurationError: the libraries are not installed.
        """
        global _tracer
        self._provider = _provider(settings)
        _tracer = self._provider.get_tracer("timonel")

    def close(self) -> None:
        """Send what is left, for a few seconds at most, and stop. Idempotent."""
        global _tracer
        _tracer = None
        self._provider.force_flush(FLUSH_SECONDS * 1000)
        self._provider.shutdown()


def _provider(settings: TracingSettings) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise ConfigurationError("--tracing-config needs more libraries: pip install 'timonel[tracing]'") from error
    sampler = ParentBased(TraceIdRatioBased(settings.rate_per_million / MILLION))
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": "apiserver"}))
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, insecure=True, timeout=FLUSH_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
