"""The span of one call of an upstream, by the conventions for generative AI."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deployments.tracing import (
    Span,
    answer_attributes,
    current_span,
    input_messages,
    output_messages,
    request_attributes,
)
from deployments.upstream.client import UpstreamRequest
from deployments.upstream.responses import UpstreamStream
from deployments.upstream.sse import SSEPassthrough
from deployments.upstream.upstreams import ArmUpstream
from scope.upstream import choices_of, event_data, join_chunks, split_events


def begin_call(arm: ArmUpstream, request: UpstreamRequest) -> Span:
    """Begin the span of a call; it is part of the current span."""
    parent, upstream = current_span(), arm.upstream
    name = f"chat {upstream.model}"
    if not parent.records:
        return parent.child(name, calls_out=True)
    attributes = request_attributes(upstream.model, upstream.settings.base_url, request.body)
    attributes["scope.arm"] = arm.name
    if parent.records_content:
        attributes["gen_ai.input.messages"] = input_messages(request.body["messages"])
    return parent.child(name, attributes, calls_out=True)


def within_trace(request: UpstreamRequest, call: Span) -> UpstreamRequest:
    """Return a request whose headers let the upstream continue the trace of its call."""
    if headers := call.headers():
        return replace(request, headers={**request.headers, **headers})
    return request


def set_answer(call: Span, completion: Mapping[str, Any], cost_usd: float | None) -> None:
    """Describe a whole answer."""
    if not call.records:
        return
    attributes = answer_attributes(
        completion.get("usage"),
        id=completion.get("id"),
        model=completion.get("model"),
        finish_reasons=[choice.get("finish_reason") for choice in choices_of(completion)],
        cost_usd=cost_usd,
    )
    if call.records_content:
        attributes["gen_ai.output.messages"] = output_messages(completion)
    call.set(attributes)


def end_stream(stream: UpstreamStream, events: SSEPassthrough) -> None:
    """Describe what a stream has brought, and end the span of its call."""
    call = stream.span
    if call.records:
        attributes = answer_attributes(
            stream.usage,
            id=events.response_id,
            model=events.response_model,
            finish_reasons=events.finish_reasons,
            cost_usd=stream.cost_usd,
        )
        if call.records_content:
            attributes["gen_ai.output.messages"] = _sent_messages(stream)
        call.set(attributes)
    call.end()


def _sent_messages(stream: UpstreamStream) -> str | None:
    """Return the messages that the client got, None if they are in no shape to be joined."""
    sent = map(event_data, split_events(b"".join(stream.kept)))
    try:
        return output_messages(join_chunks(chunk for chunk in sent if chunk is not None))
    except Exception:  # chunks of any shape may pass; no stream breaks for its trace
        return None
