"""A collector of traces: OTLP over HTTP, in a thread of the test."""

import contextlib
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as the collector got it; ids are in hexadecimal digits, times in seconds."""

    name: str
    kind: str
    trace_id: str
    id: str
    parent_id: str
    began_at: float
    ended_at: float
    attributes: dict
    failed: bool
    resource: dict


class Collector:
    """What a collector has received so far; `status` is that of its next answers."""

    def __init__(self, url, status):
        self.url, self.status = url, status
        self.spans: list[ReceivedSpan] = []
        self.headers: list[dict[str, str]] = []

    def named(self, name):
        """The only span of this name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def tree(self):
        """Name of each span -> the name of its parent, None for one that is not here."""
        names = {span.id: span.name for span in self.spans}
        return {span.name: names.get(span.parent_id) for span in self.spans}

    def receive(self, body, headers):
        request = ExportTraceServiceRequest.FromString(body)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [_received(span, resource.resource) for span in scope.spans]


@contextlib.contextmanager
def collecting(status=200):
    """Run a collector that answers every request with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            collector.receive(self.rfile.read(int(self.headers["content-length"])), self.headers)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}/v1/traces", status)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _received(span, resource):
    return ReceivedSpan(
        name=span.name,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        began_at=span.start_time_unix_nano / 1e9,
        ended_at=span.end_time_unix_nano / 1e9,
        attributes=_values(span.attributes),
        failed=span.status.code == 2,
        resource=_values(resource.attributes),
    )


def _values(attributes):
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)
