"""An upstream in a process of its own, with configurable failures: OpenAI's or Anthropic's API.

``with running({"small": {"way": "status", "status": 503, "times": 2}}) as upstream:`` serves
``upstream.base_url`` until the block ends; ``upstream.log()`` lists every request.
"""

import asyncio
import contextlib
import json
import random
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests import messages_api

ROOT = Path(__file__).parents[1]
NORMAL = {
    "answer": "The answer is (A).",
    "answers": (),  # of successive attempts at a prompt, again and again; (): always `answer`
    "delay_s": 0.0,
    "way": "ok",  # or status, cut, silent, garbage, no_usage, error, script; see also `stream`
    "times": -1,  # number of first attempts at a prompt that go that way; -1: all
    "share": 1.0,  # of the attempts, drawn by a hash of prompt and attempt
    "status": 500,
    "message": "configured failure",
    "shaped": True,  # as OpenAI shapes errors
    "error_fields": {},  # of an error, beside its message
    "refuses": (),  # fields of a request that are a 400, as OpenAI words it
    "retry_after": None,
    "finish_reason": "stop",
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "usage": {},  # further fields of the usage
    "events": 2,  # of a stream, before the failure
    "script": (),  # a whole body as it is: texts, and seconds to wait between them
    "content_type": "text/event-stream",  # of a script
    "script_status": 200,
    "script_headers": {},
    "forbids": (),  # fields that it answers with 422, in FastAPI's shape
    "forbidden": None,  # another body of that answer
}
FAULTS = ("status", "cut", "garbage", "silent")


class Upstream:
    """A running upstream as a test sees it."""

    def __init__(self, port):
        self.root = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.root}/v1"

    def log(self):
        """Every request so far, oldest first: model, prompt, attempt, way, in_flight, at."""
        with urllib.request.urlopen(f"{self.root}/log", timeout=10) as answer:
            return json.load(answer)

    def behave(self, behaviours):
        """Set the behaviour of each model."""
        data = json.dumps(behaviours).encode()
        request = urllib.request.Request(f"{self.root}/behave", data=data, method="POST")
        urllib.request.urlopen(request, timeout=10).close()


@contextlib.contextmanager
def running(behaviours=None):
    """Serve until the block ends; ``"*"`` is the behaviour of all other models."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        fd = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.upstream", str(fd), json.dumps(behaviours or {})],
            cwd=ROOT,
            pass_fds=[fd],
        )
        port = listening.getsockname()[1]
    try:
        yield Upstream(port)  # connections wait in the socket's queue
    finally:
        process.kill()
        process.wait()


class App:
    """The ASGI application: no framework, so that it is fast enough to measure a client."""

    def __init__(self, behaviours):
        self.behaviours = behaviours
        self.calls = []
        self.attempts = {}
        self.in_flight = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/log":
            await answer(send, 200, self.calls)
        elif scope["path"] == "/behave":
            self.behaviours = json.loads(body)
            await answer(send, 200, {})
        else:
            headers = dict(scope["headers"])
            self.in_flight += 1
            try:
                await self.complete(json.loads(body), headers, scope, receive, send)
            finally:
                self.in_flight -= 1

    async def complete(self, request, headers, scope, receive, send):
        """Answer one chat completion or message, with the behaviour of its model."""
        speaks_messages = scope["path"].endswith("/messages")
        model, prompt = request["model"], request["messages"][-1].get("content")
        if speaks_messages:
            prompt = "".join(block.get("text", "") for block in prompt)
        prompt = prompt if isinstance(prompt, str) else json.dumps(prompt)
        behaviour = {**NORMAL, **self.behaviours.get("*", {}), **self.behaviours.get(model, {})}
        if speaks_messages:
            behaviour = {**messages_api.NORMAL, **behaviour}
        attempt = self.attempts[model, prompt] = self.attempts.get((model, prompt), 0) + 1
        if answers := behaviour["answers"]:
            behaviour["answer"] = answers[(attempt - 1) % len(answers)]
        way = self.way(behaviour, f"{model} {prompt} {attempt}", attempt)
        if refused := [name for name in behaviour["refuses"] if name in request]:
            way, behaviour["status"] = "status", 400
            behaviour["message"] = f"Unsupported parameter: '{refused[0]}' is not supported"
        call = {
            "model": model,
            "prompt": prompt,
            "attempt": attempt,
            "way": way,
            "in_flight": self.in_flight,
            "at": asyncio.get_running_loop().time(),
            "max_tokens": request.get("max_tokens"),
            "temperature": request.get("temperature"),
            "body": request,
            "headers": {name.decode(): value.decode() for name, value in headers.items()},
            "client": list(scope["client"]),
            "path": scope["path"],
            "hung_up": False,
        }
        self.calls.append(call)
        authorization = headers.get(b"authorization", headers.get(b"x-api-key", b"")).decode()
        if behaviour["delay_s"]:
            await asyncio.sleep(behaviour["delay_s"])
        forbidden = [name for name in behaviour["forbids"] if name in request]
        if way == "silent":
            await receive()  # until the client disconnects
            call["hung_up"] = True
        elif forbidden:
            extra = {"type": "extra_forbidden", "loc": ["body", *forbidden], "msg": "not permitted"}
            await answer(send, 422, behaviour["forbidden"] or {"detail": [extra]})
        elif way == "script":
            await play(behaviour, send)
        elif request.get("stream") and way not in ("status", "garbage"):
            call["hung_up"] = await stream(way, behaviour, authorization, receive, send)
        else:
            await self.reply(way, behaviour, authorization, send)

    def way(self, behaviour, key, attempt):
        """Return how this attempt goes."""
        draw = random.Random(key)  # by its own hash of the text: the same in every process
        if 0 <= behaviour["times"] < attempt or draw.random() >= behaviour["share"]:
            return "ok"
        return draw.choice(FAULTS) if behaviour["way"] == "any" else behaviour["way"]

    async def reply(self, way, behaviour, authorization, send):
        if way == "status":
            extra = (
                {}
                if behaviour["retry_after"] is None
                else {"retry-after": behaviour["retry_after"]}
            )
            text = behaviour["message"].replace("{authorization}", authorization)
            error = {"message": text, **behaviour["error_fields"]}
            error = {"error": error} if behaviour["shaped"] else error
            if "blocks" in behaviour:
                error = messages_api.error(behaviour, text)
            await answer(send, behaviour["status"], error, **extra)
        elif way == "cut":
            start = {"type": "http.response.start", "status": 200}
            await send({**start, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b'{"choices": [{"mess'})
        elif way == "error":
            error = {"message": behaviour["message"], "code": behaviour["status"]}
            await answer(send, 200, {"error": error})
        elif way == "garbage":
            await answer(send, 200, ["what", "is", "this"])
        elif "blocks" in behaviour:
            await answer(send, 200, messages_api.message(behaviour))
        else:
            await answer(send, 200, completion(behaviour, authorization, usage=way != "no_usage"))


def completion(behaviour, authorization, *, usage):
    text = behaviour["answer"].replace("{authorization}", authorization)
    counts = {
        "prompt_tokens": behaviour["prompt_tokens"],
        "completion_tokens": behaviour["completion_tokens"],
        **behaviour["usage"],
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "finish_reason": behaviour["finish_reason"],
                "message": {"role": "assistant", "content": text},
            }
        ],
        **({"usage": counts} if usage else {}),
    }


async def stream(way, behaviour, authorization, receive, send):
    """Send a stream; returns whether the client disconnected.

    After `events` events, ``cut`` breaks the connection, ``short`` ends without an error,
    ``held`` is silent until the client disconnects and ``error`` ends with an error.
    """
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    text = behaviour["answer"].replace("{authorization}", authorization)
    if "blocks" in behaviour:
        events = [messages_api.event(event) for event in messages_api.events(behaviour)]
    else:
        pieces = chunks(behaviour, text, usage=way != "no_usage")
        events = [f"data: {piece}\n\n" for piece in pieces]
    for event in events if way in ("ok", "no_usage") else events[: behaviour["events"]]:
        await send_text(send, event)
    if way == "held":
        await receive()
        return True
    if way == "error" and "blocks" in behaviour:
        await send_text(send, messages_api.event(messages_api.error(behaviour, "configured")))
    elif way == "error":
        error = {"message": behaviour["message"], "code": behaviour["status"]}
        await send_text(send, f"data: {json.dumps({'error': error})}\n\n")
    if way != "cut":
        await send({"type": "http.response.body"})
    return False


async def play(behaviour, send):
    """Send a script, and end without an error."""
    headers = [(b"content-type", behaviour["content_type"].encode())]
    if behaviour["retry_after"] is not None:
        headers.append((b"retry-after", behaviour["retry_after"].encode()))
    more = behaviour["script_headers"].items()
    headers += [(name.encode(), value.encode()) for name, value in more]
    start = {"type": "http.response.start", "status": behaviour["script_status"]}
    await send({**start, "headers": headers})
    for piece in behaviour["script"]:
        if isinstance(piece, str):
            await send_text(send, piece)
        else:
            await asyncio.sleep(piece)
    await send({"type": "http.response.body"})


def chunks(behaviour, text, *, usage):
    """The events of a stream: a chunk per word, the finish reason, the usage and the end."""
    counts = {name: behaviour[name] for name in ("prompt_tokens", "completion_tokens")}
    counts |= behaviour["usage"]
    for word in text.split():
        yield chunk([{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}])
    yield chunk([{"index": 0, "delta": {}, "finish_reason": behaviour["finish_reason"]}])
    if usage:
        yield chunk([], usage=counts)
    yield "[DONE]"


def chunk(choices, **more):
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "as-it-says"}
    return json.dumps({**head, "choices": choices, **more})


async def send_text(send, text):
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def answer(send, status, value, **headers):
    body = json.dumps(value).encode()
    lines = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    pairs = [(name.encode(), text.encode()) for name, text in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def serve(fd, behaviours):
    import uvicorn

    config = uvicorn.Config(App(behaviours), log_level="critical", timeout_graceful_shutdown=0)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    serve(int(sys.argv[1]), json.loads(sys.argv[2]))
