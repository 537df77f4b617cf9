"""An upstream with tools, images, schemas and reasoning, in two APIs: OpenAI's and Anthropic's.

What it does depends on the conversation alone; ``with running() as url:`` serves it.
"""

import contextlib
import json
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
THOUGHT, SIGNATURE = "They ask about cities.", "signed-by-the-agent"
PARSED = {"city": "Paris", "celsius": 21}
USAGE = {"prompt": 100, "cached": 40, "completion": 7}


@dataclass
class Seen:
    """What the agent sees of a request, whatever its API."""

    system: str = ""
    text: str = ""
    """Of the latest user turn."""
    images: int = 0
    tools: list = field(default_factory=list)
    """Names."""
    results: list = field(default_factory=list)
    """Texts of the tool results at the end of the conversation."""
    signatures: list = field(default_factory=list)
    """Of earlier thoughts that were sent back."""
    schema: bool = False


@dataclass
class Act:
    """What the agent answers."""

    text: str = ""
    calls: tuple = ()
    """Name, and arguments, of each."""
    thought: str = ""
    status: int = 200
    breaks: bool = False
    """Whether a stream ends with an error after its first words."""


def act(seen):
    """Return the answer to what is seen."""
    if "refuse" in seen.text:
        return Act(status=400)
    if "overload" in seen.text:
        return Act(status=429)
    if "break off" in seen.text:
        return Act("These are the last words.", breaks=True)
    thought = THOUGHT if "think" in seen.text else ""
    if seen.results:
        return Act(f"It is {' and '.join(seen.results)}.", thought=thought)
    if seen.tools:
        name = seen.tools[0]
        if name != "get_weather":  # a client's own way to ask for a schema
            return Act(calls=((name, PARSED),))
        cities = [city for city in ("Paris", "Rome") if city in seen.text]
        return Act(calls=tuple((name, {"city": city}) for city in cities), thought=thought)
    if seen.schema:
        return Act(json.dumps(PARSED))
    if seen.images:
        return Act(f"I see {seen.images} image.")
    return Act(f"{seen.system} I heard: {seen.text}".strip(), thought=thought)


def of_chat(body):
    """See a chat completion."""
    seen = Seen(schema=(body.get("response_format") or {}).get("type") == "json_schema")
    seen.tools = [tool["function"]["name"] for tool in body.get("tools") or ()]
    for message in body["messages"]:
        parts = message.get("content") or ()
        parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        text = " ".join(part["text"] for part in parts if part["type"] == "text")
        if message["role"] in ("system", "developer"):
            seen.system += text
        elif message["role"] == "tool":
            seen.results.append(text)
        elif message["role"] == "user":
            seen.text, seen.results = text, []
            seen.images = sum(part["type"] == "image_url" for part in parts)
        else:
            seen.results = []
    return seen


def of_messages(body):
    """See a request of Anthropic's API; refuses what that API refuses."""
    allowed = {"model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream"}
    allowed |= {"thinking", "output_config", "temperature", "stop_sequences", "metadata", "top_p"}
    assert set(body) <= allowed, set(body) - allowed
    seen = Seen(schema="format" in (body.get("output_config") or {}))
    seen.tools = [tool["name"] for tool in body.get("tools") or ()]
    system = body.get("system") or ()
    seen.system = system if isinstance(system, str) else " ".join(b["text"] for b in system)
    for message in body["messages"]:
        blocks = message["content"]
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        kinds = [block["type"] for block in blocks]
        seen.signatures += [b["signature"] for b in blocks if b["type"] == "thinking"]
        if "tool_result" in kinds:
            results = [b["content"] for b in blocks if b["type"] == "tool_result"]
            texts = [r if isinstance(r, str) else r[0]["text"] for r in results]
            seen.results = texts
        elif message["role"] == "user":
            seen.results = []
            seen.text = " ".join(b["text"] for b in blocks if b["type"] == "text")
            seen.images = kinds.count("image")
    return seen


def error(status):
    """The body of a failure, which both APIs' clients read."""
    kinds = {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error"}
    inner = {"type": kinds[status], "message": f"the agent says {status}", "code": None}
    return {"type": "error", "error": inner}


def pieces(text, size=5):
    """A text in pieces."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def chat_usage():
    prompt, completion = USAGE["prompt"], USAGE["completion"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": USAGE["cached"]},
    }


def messages_usage():
    return {
        "input_tokens": USAGE["prompt"] - USAGE["cached"],
        "cache_read_input_tokens": USAGE["cached"],
        "cache_creation_input_tokens": 0,
        "output_tokens": USAGE["completion"],
    }


def chat_answer(done):
    message = {"role": "assistant", "content": done.text or None}
    if done.thought:
        message["reasoning_content"] = done.thought
    if done.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for index, (name, arguments) in enumerate(done.calls)
        ]
    reason = "tool_calls" if done.calls else "stop"
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 1,
        "model": "agent-of-the-upstream",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": chat_usage(),
    }


def chat_events(done):
    def chunk(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**head, "choices": [choice]}

    head = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1, "model": "agent"}
    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(done.thought):
        yield chunk({"reasoning_content": piece})
    for piece in pieces(done.text):
        yield chunk({"content": piece})
        if done.breaks:
            yield error(500)
            return
    for index, (name, arguments) in enumerate(done.calls):
        function = {"name": name, "arguments": ""}
        call = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        yield chunk({"tool_calls": [call]})
        for piece in pieces(json.dumps(arguments)):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, "tool_calls" if done.calls else "stop")
    yield {**head, "choices": [], "usage": chat_usage()}


def message_blocks(done):
    if done.thought:
        yield {"type": "thinking", "thinking": done.thought, "signature": SIGNATURE}
    if done.text:
        yield {"type": "text", "text": done.text}
    for index, (name, arguments) in enumerate(done.calls):
        yield {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": arguments}


def message_answer(done):
    return {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "agent-of-the-upstream",
        "content": list(message_blocks(done)),
        "stop_reason": "tool_use" if done.calls else "end_turn",
        "stop_sequence": None,
        "usage": messages_usage(),
    }


def message_events(done):
    started = {**messages_usage(), "output_tokens": 1}
    message = {**message_answer(done), "content": [], "stop_reason": None, "usage": started}
    yield {"type": "message_start", "message": message}
    yield {"type": "ping"}
    for index, block in enumerate(message_blocks(done)):
        kind = block["type"]
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}
        start = {**block, **empty.get(kind, {"input": {}})}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        whole, name, delta = {
            "text": lambda b: (b["text"], "text", "text_delta"),
            "thinking": lambda b: (b["thinking"], "thinking", "thinking_delta"),
            "tool_use": lambda b: (json.dumps(b["input"]), "partial_json", "input_json_delta"),
        }[kind](block)
        for piece in pieces(whole):
            change = {"type": delta, name: piece}
            yield {"type": "content_block_delta", "index": index, "delta": change}
            if done.breaks:
                yield error(500)
                return
        if kind == "thinking":
            change = {"type": "signature_delta", "signature": block["signature"]}
            yield {"type": "content_block_delta", "index": index, "delta": change}
        yield {"type": "content_block_stop", "index": index}
    reason = "tool_use" if done.calls else "end_turn"
    change = {"stop_reason": reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": change, "usage": messages_usage()}
    yield {"type": "message_stop"}


def app():
    """Return the ASGI application."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    log = []

    async def chat(request):
        body = await request.json()
        log.append({"api": "chat", "body": body, "seen": vars(of_chat(body))})
        done = act(of_chat(body))
        if done.status != 200:
            return JSONResponse(error(done.status), done.status)
        if not body.get("stream"):
            return JSONResponse(chat_answer(done))
        lines = [f"data: {json.dumps(event)}\n\n" for event in chat_events(done)]
        return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")

    async def messages(request):
        body = await request.json()
        headers = dict(request.headers)
        log.append(
            {"api": "messages", "body": body, "seen": vars(of_messages(body)), "headers": headers}
        )
        done = act(of_messages(body))
        if done.status != 200:
            return JSONResponse(error(done.status), done.status)
        if not body.get("stream"):
            return JSONResponse(message_answer(done))
        lines = [
            f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            for event in message_events(done)
        ]
        return StreamingResponse(iter(lines), media_type="text/event-stream")

    async def calls(request):
        return JSONResponse(log)

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/messages", messages, methods=["POST"]),
        Route("/log", calls),
    ]
    return Starlette(routes=routes)


@contextlib.contextmanager
def running():
    """Serve until the block ends; yields the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        fd, port = listening.fileno(), listening.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.deployments.clients.agent", str(fd)],
            cwd=ROOT,
            pass_fds=[fd],
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    import uvicorn

    config = uvicorn.Config(app(), log_level="critical", timeout_graceful_shutdown=0)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
