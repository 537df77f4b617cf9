import logging

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from deployments.tracing.otlp import CollectorExporter, OtlpTracer
from deployments.tracing.settings import TracingSettings
from deployments.tracing.spans import error_type
from scope.errors import ConfigError
from tests.deployments.collector import collecting


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        pytest.param(None, "Failed to export spans", id="no collector"),
        pytest.param(401, "code: 401", id="a wrong key"),
        pytest.param(503, "Failed to export spans", id="busy"),
    ],
)
def test_a_collector_that_is_down_is_logged_once(caplog, status, reason):
    """
    With the reason; a line for each batch would be one every five seconds.
    """
    with collecting(status or 200) as collector:
        endpoint = "http://127.0.0.1:1/v1/traces" if status is None else collector.url
        exporter = CollectorExporter(OTLPSpanExporter(endpoint, timeout=0.05))
        results = [exporter.export([]) for _ in range(3)]
        exporter.shutdown()

    (line,) = [record.getMessage() for record in caplog.records]
    assert results == 3 * [SpanExportResult.FAILURE]
    assert line.startswith("traces do not reach the collector: ")
    assert reason in line


def test_a_collector_that_is_back_is_logged(caplog):
    """
    A later outage is another line.
    """
    caplog.set_level(logging.INFO, "ray.serve")
    with collecting() as collector:
        exporter = CollectorExporter(OTLPSpanExporter(collector.url))
        for status in (200, 400, 400, 200, 200, 400):
            collector.status = status
            exporter.export([])
        exporter.shutdown()

    lines = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert lines == [
        "traces do not reach the collector",
        "traces reach the collector again",
        "traces do not reach the collector",
    ]


def test_a_variable_that_opentelemetry_refuses_is_one_sentence(monkeypatch):
    """
    The settings before it stay in force.
    """
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "-1")

    with pytest.raises(ConfigError, match="schedule_delay_millis must be positive"):
        OtlpTracer(TracingSettings(), "replica")


def test_opentelemetry_can_be_switched_off_by_its_own_variable(monkeypatch):
    """
    Then nothing is recorded, whatever the settings say.
    """
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with collecting() as collector:
        tracer = OtlpTracer(TracingSettings(endpoint=collector.url, prompts=True), "replica")
        span = tracer.begin("POST /v1/route", {}, {})
        child = span.child("decide")
        child.fail(error_type(ValueError()))
        child.end()
        span.end()
        tracer.close()

    assert (child.records, child.records_content, child.headers()) == (False, False, {})
    assert collector.spans == []
