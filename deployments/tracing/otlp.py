"""Spans by OpenTelemetry, exported by its protocol OTLP over HTTP."""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from deployments.tracing.settings import TracingSettings
from deployments.tracing.spans import NO_ATTRIBUTES, Attributes, Span
from scope.errors import ConfigError, one_line

SERVICE = "scope-router"
"""``service.name`` unless ``OTEL_SERVICE_NAME`` says another; also the instrumentation scope."""

EXPORT_LOG = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
"""Where OpenTelemetry reports each failed export."""

QUEUE_LOG = logging.getLogger("opentelemetry.sdk._shared_internal")
"""Where it reports, every 20 s, that spans are dropped because its queue is full."""

PROPAGATOR = TraceContextTextMapPropagator()

log = logging.getLogger("ray.serve")


class OtlpTracer:
    """Records spans and sends them from a thread of its own.

    Parameters
    ----------
    settings : TracingSettings
    replica : str
        Unique name of the replica.

    Raises
    ------
    ConfigError
        If OpenTelemetry refuses a setting of its environment variables.
    """

    def __init__(self, settings: TracingSettings, replica: str) -> None:
        self.settings = settings
        attributes = {"service.instance.id": replica}
        if OTEL_SERVICE_NAME not in os.environ:
            attributes["service.name"] = SERVICE
        sampler = None if settings.sample is None else ParentBasedTraceIdRatio(settings.sample)
        try:
            self._provider = TracerProvider(
                sampler, Resource.create(attributes), shutdown_on_exit=False
            )
            exporter = CollectorExporter(OTLPSpanExporter(settings.endpoint))
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        except ValueError as error:
            raise ConfigError(f"tracing: OpenTelemetry refuses it: {one_line(error)}") from error
        self._tracer = self._provider.get_tracer(SERVICE)

    def begin(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> Span:
        """Begin the span of a request, as `Tracing.begin`."""
        span = self._tracer.start_span(
            name,
            PROPAGATOR.extract(headers, Context()),
            SpanKind.SERVER,
            _known(attributes),
        )
        return OpenTelemetrySpan(span, self._tracer, prompts=self.settings.prompts)

    def close(self) -> None:
        """Send all spans that have ended, and stop; blocks while the collector does not answer."""
        self._provider.shutdown()


class OpenTelemetrySpan(Span):
    """A span of OpenTelemetry."""

    __slots__ = ("_prompts", "_span", "_tracer")

    def __init__(self, span: OtelSpan, tracer: Tracer, *, prompts: bool) -> None:
        self._span, self._tracer, self._prompts = span, tracer, prompts

    @property
    def records(self) -> bool:
        """Whether the trace is among those that are sampled."""
        return self._span.is_recording()

    @property
    def records_content(self) -> bool:
        """Whether texts are asked for, and the trace is sampled."""
        return self._prompts and self.records

    def child(
        self, name: str, attributes: Attributes = NO_ATTRIBUTES, *, calls_out: bool = False
    ) -> Span:
        """Begin a part of this span."""
        kind = SpanKind.CLIENT if calls_out else SpanKind.INTERNAL
        span = self._tracer.start_span(name, self._context(), kind, _known(attributes))
        return OpenTelemetrySpan(span, self._tracer, prompts=self._prompts)

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(_known(attributes))

    def fail(self, error_type: str) -> None:
        """Mark the span as failed."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End the span now."""
        self._span.end()

    def headers(self) -> dict[str, str]:
        """Return ``traceparent`` and, if the client sent one, ``tracestate``."""
        carrier: dict[str, str] = {}
        PROPAGATOR.inject(carrier, self._context())
        return carrier

    def _context(self) -> Context:
        return set_span_in_context(self._span, Context())


class CollectorExporter(SpanExporter):
    """Sends spans to a collector; one that is down is logged once, until it is back.

    Parameters
    ----------
    exporter : OTLPSpanExporter
    """

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self._is_down, self._reason, self._thread = False, "", 0
        EXPORT_LOG.addFilter(self._keep_reason)
        QUEUE_LOG.addFilter(self._is_news)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; what the collector does not take in time is lost."""
        self._reason, self._thread = "", threading.get_ident()
        result = self._exporter.export(spans)
        is_down = result is not SpanExportResult.SUCCESS
        if is_down and not self._is_down:
            log.warning(
                "traces do not reach the collector: %s; requests go on, and later failures are "
                "not logged",
                self._reason,
            )
        elif self._is_down and not is_down:
            log.info("traces reach the collector again")
        self._is_down = is_down
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
        EXPORT_LOG.removeFilter(self._keep_reason)
        QUEUE_LOG.removeFilter(self._is_news)

    def _keep_reason(self, record: logging.LogRecord) -> bool:
        """Keep the first message about an export for our line, in place of a line for each."""
        if record.thread != self._thread:
            return True  # of the exporter of earlier settings, which is still busy
        self._reason = self._reason or record.getMessage()
        return False

    def _is_news(self, record: logging.LogRecord) -> bool:
        """Let a full queue be logged unless the collector is known to be down."""
        return not self._is_down


def _known(attributes: Attributes) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
