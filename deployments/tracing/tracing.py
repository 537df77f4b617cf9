"""The tracing that is in force: off, or to a collector."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from deployments.tracing.settings import TracingSettings
from deployments.tracing.spans import NO_SPAN, Attributes, Span

if TYPE_CHECKING:
    from deployments.tracing.otlp import OtlpTracer

FLUSH_S = 5.0
"""How long a replica that stops waits for the collector to take the last spans."""


class Tracing:
    """Begins the spans of requests, and sends them where the settings say.

    Parameters
    ----------
    replica : str
        Unique name of the replica.
    """

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._tracer: OtlpTracer | None = None

    @property
    def is_on(self) -> bool:
        """Whether requests are traced."""
        return self._tracer is not None

    @contextmanager
    def replaced(self, settings: TracingSettings | None) -> Iterator[None]:
        """Trace by other settings, None for not at all, once the block has ended without an error.

        The spans of requests that are in progress are sent as far as they have ended.

        Raises
        ------
        ConfigError
            If OpenTelemetry refuses a setting of its environment variables.
        """
        old = self._tracer
        if old is not None and old.settings == settings:
            yield
            return
        new = None if settings is None else _make_tracer(settings, self._replica)
        try:
            yield
        except BaseException:
            _close_in_background(new)
            raise
        self._tracer = new
        _close_in_background(old)

    def begin(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> Span:
        """Begin the span of a request.

        Parameters
        ----------
        name : str
        headers : mapping of str to str
            Of the request, names in lower case: ``traceparent`` names the span of the client.
        attributes : mapping
        """
        return NO_SPAN if self._tracer is None else self._tracer.begin(name, headers, attributes)

    async def close(self) -> None:
        """Send the last spans; after `FLUSH_S` those that the collector has not taken are lost."""
        old, self._tracer = self._tracer, None
        if (flush := _close_in_background(old)) is not None:
            await asyncio.to_thread(flush.join, FLUSH_S)


def _make_tracer(settings: TracingSettings, replica: str) -> "OtlpTracer":
    # Most endpoints are not traced: they do not load the exporter either.
    from deployments.tracing.otlp import OtlpTracer

    return OtlpTracer(settings, replica)


def _close_in_background(tracer: "OtlpTracer | None") -> Thread | None:
    """Send what a tracer has, in a thread that does not keep the process alive."""
    if tracer is None:
        return None
    thread = Thread(target=tracer.close, name="flush-spans", daemon=True)
    thread.start()
    return thread
