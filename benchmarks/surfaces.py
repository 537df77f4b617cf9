"""A request to each API that the endpoint speaks, against the same as a chat completion.

``python -m benchmarks.surfaces`` calls one Router in this process, before an upstream in a process
of its own that answers at once: whole answers, and streams of 200 pieces. The APIs take turns.
Times are of this process's CPU: what waits for the upstream is the same for all.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from tests.deployments.local import Site
from tests.upstream import Upstream, running

N_ROUNDS, N_REQUESTS, N_PIECES = 15, 20, 200
TARGET_RATIO = 1.5
CHAT = "/v1/chat/completions"
ASK = {"model": "auto", "messages": [{"role": "user", "content": "What is a sum?"}]}
SURFACES: Mapping[str, Mapping[str, Any]] = {
    CHAT: ASK | {"max_tokens": 500, "stream_options": {"include_usage": True}},
    "/v1/messages": ASK | {"max_tokens": 500},
    "/v1/responses": {"model": "auto", "input": ASK["messages"], "max_output_tokens": 500},
}
"""Path -> body of a request."""

USAGE = {"prompt_tokens": 20, "completion_tokens": N_PIECES}


def whole_answer() -> dict[str, Any]:
    """Return the behaviour of an upstream that answers at once, with a text of many words."""
    message = {"role": "assistant", "content": "word " * N_PIECES}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "model": "as-it-says", "choices": [choice], "usage": USAGE}
    return {"way": "script", "script": [json.dumps(body)], "content_type": "application/json"}


def stream() -> dict[str, Any]:
    """Return the behaviour of an upstream that streams many pieces."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "theirs"}
    pieces = [
        {"index": 0, "delta": {"content": f"word{index} "}, "finish_reason": None}
        for index in range(N_PIECES)
    ]
    choices = [*pieces, {"index": 0, "delta": {}, "finish_reason": "stop"}]
    chunks = [{**head, "choices": [choice]} for choice in choices]
    chunks.append({**head, "choices": [], "usage": USAGE})
    events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return {"way": "script", "script": [*events, "data: [DONE]\n\n"]}


async def post(app: FastAPI, path: str, body: bytes) -> int:
    """Send one request to an application; returns the size of the answer."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    size, messages = 0, [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()  # the client stays to the end
        return messages.pop()

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal size
        if message.get("status", 200) != 200:
            raise RuntimeError(f"{path}: {message}")
        size += len(message.get("body", b""))

    await app({**scope, "raw_path": path.encode()}, receive, send)
    return size


async def seconds_of_requests(app: FastAPI, path: str, body: Mapping[str, Any]) -> float:
    """Return the CPU time of one request, as the mean of several in a row."""
    content = json.dumps(body).encode()
    began_at = time.process_time()
    for _ in range(N_REQUESTS):
        if await post(app, path, content) < N_PIECES:
            raise RuntimeError(f"{path}: no answer")
    return (time.process_time() - began_at) / N_REQUESTS


def measure(site: Site, upstream: Upstream, *, streamed: bool) -> dict[str, list[float]]:
    """Return the seconds of a request to each path, one for each round."""
    upstream.behave({"*": stream() if streamed else whole_answer()})
    times: dict[str, list[float]] = {path: [] for path in SURFACES}
    for turn in range(N_ROUNDS + 1):
        for path, body in SURFACES.items():
            asked = {**body, "stream": True} if streamed else without_stream_options(body)
            call = site.client.portal.call
            taken = call(seconds_of_requests, site.client.app, path, asked)
            if turn:  # the first round warms up
                times[path].append(taken)
    return times


def without_stream_options(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body without the field that only a stream may have."""
    return {name: value for name, value in body.items() if name != "stream_options"}


def rows(title: str, times: Mapping[str, list[float]]) -> list[str]:
    """Return a line for each path: milliseconds, and the ratio to a chat completion by rounds."""
    lines = [f"{title}, {N_ROUNDS} rounds of {N_REQUESTS} requests"]
    for path, taken in times.items():
        ratios = [ours / chat for ours, chat in zip(taken, times[CHAT], strict=True)]
        ratio = statistics.median(ratios)
        verdict = "met" if ratio <= TARGET_RATIO else "NOT met"
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        lines.append(
            f"  {path:<24} {1e3 * statistics.median(taken):7.2f} ms"
            f"  ratio {ratio:.2f} ({spread}; target <= {TARGET_RATIO}: {verdict})"
        )
    return lines


def main() -> None:
    """Print the times of whole answers and of streams."""
    with running() as upstream, tempfile.TemporaryDirectory() as folder:
        endpoint = {"base_url": upstream.base_url, "timeout_s": 30.0}
        site = Site(Path(folder))
        with site.open(upstreams={"small": endpoint, "large": endpoint}):
            print(*rows("whole answers", measure(site, upstream, streamed=False)), sep="\n")
            title = f"streams of {N_PIECES} pieces"
            print(*rows(title, measure(site, upstream, streamed=True)), sep="\n")


if __name__ == "__main__":
    main()
