"""What an upstream that speaks Anthropic's Messages API sends: answers, events and errors."""

import json

NORMAL = {
    "blocks": None,  # of the answer; None: its text
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "message_usage": {"input_tokens": 20, "output_tokens": 10},
    "error_type": "api_error",
}
PIECE = 5
"""Characters of a text in one event."""


def message(behaviour):
    """A whole answer."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-as-it-says",
        "content": blocks_of(behaviour),
        "stop_reason": behaviour["stop_reason"],
        "stop_sequence": behaviour["stop_sequence"],
        "usage": behaviour["message_usage"],
    }


def blocks_of(behaviour):
    """The content of the answer."""
    blocks = behaviour["blocks"]
    return [{"type": "text", "text": behaviour["answer"]}] if blocks is None else blocks


def events(behaviour):
    """The events of a streamed answer."""
    usage = behaviour["message_usage"]
    begun = {"content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": {**message(behaviour), **begun}}
    yield {"type": "ping"}
    for index, block in enumerate(blocks_of(behaviour)):
        start, deltas = started(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stopped = {name: behaviour[name] for name in ("stop_reason", "stop_sequence")}
    counts = {"output_tokens": usage["output_tokens"]}
    yield {"type": "message_delta", "delta": stopped, "usage": counts}
    yield {"type": "message_stop"}


def started(block):
    """How a block begins, and the deltas that complete it."""
    kind = block["type"]
    if kind == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        return {**block, "text": ""}, deltas
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signed]
    if kind in ("tool_use", "server_tool_use"):
        text = json.dumps(block["input"]) if block["input"] else ""
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in ["", *pieces(text)]]
        return {**block, "input": {}}, deltas
    return block, []


def pieces(text):
    """A text in pieces."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def event(data):
    """A server-sent event."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"


def error(behaviour, text):
    """The body of an error."""
    details = {"type": behaviour["error_type"], "message": text}
    return {"type": "error", "error": details, "request_id": "req_1"}
