"""Where traces go: ``user_config: tracing``."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from scope.config import StrictModel
from scope.upstream import address_problem


class TracingSettings(StrictModel):
    """Where traces go and what they hold; what is None follows OpenTelemetry's variables.

    Headers of the collector, such as its key, are in ``OTEL_EXPORTER_OTLP_HEADERS`` only.
    """

    endpoint: str | None = None
    """Address of the collector's OTLP over HTTP, such as ``http://collector:4318/v1/traces``;
    None: ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` or ``OTEL_EXPORTER_OTLP_ENDPOINT``, else that
    of a collector on the same machine."""
    sample: float | None = Field(default=None, ge=0, le=1)
    """Share of the traces that begin here; one that the client began is recorded if the client
    records it. None: ``OTEL_TRACES_SAMPLER``, else all."""
    prompts: bool = False
    """Whether to record the texts of prompts and answers."""

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        # The value is in no message: it may hold a key.
        if any(mark in endpoint for mark in "@?#"):
            raise ValueError(
                "holds more than an address; a key goes into OTEL_EXPORTER_OTLP_HEADERS"
            )
        if problem := address_problem(endpoint):
            raise ValueError(problem)
        if urlsplit(endpoint).path in ("", "/"):
            raise ValueError("has no path; add it, usually /v1/traces")
        return endpoint
