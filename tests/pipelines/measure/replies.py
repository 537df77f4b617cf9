"""An upstream that sends given bytes: each prompt names the reply that it gets."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Reply:
    """Status, headers and body of an answer."""

    def __init__(self, body, status=200, **headers):
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class RawUpstream:
    """The requests so far, and the address."""

    def __init__(self, server):
        self.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        self.requests = []


def completion(content="The answer is (A).", **fields):
    """The body of an answer; `fields` replace its own."""
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 20, "completion_tokens": 10}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "1", "choices": [choice], "usage": usage, **fields}


@contextlib.contextmanager
def replying(reply_to):
    """Serve until the block ends; `reply_to` returns the `Reply` to the body of a request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            upstream.requests.append(request)
            reply = reply_to(request)
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # a client that hangs up
        upstream = RawUpstream(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield upstream
        finally:
            server.shutdown()
