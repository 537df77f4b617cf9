"""A server that answers as Ray's dashboard, a node and our endpoint do; only with the token."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

TOKEN = "secret-token"


class Handler(BaseHTTPRequestHandler):
    """Answers with what the test put into `answers`: path -> (status, body).

    What is put is given to ``answers["PUT"]``.
    """

    answers: ClassVar[dict] = {}

    def do_GET(self):
        status, body = self.answers.get(self.path, (404, {}))
        if "/api/" in self.path and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, body = 401, {}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode() if isinstance(body, str) else json.dumps(body).encode())

    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        self.answers["PUT"](json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def answering():
    """Serve on a free port; yields (URL, answers)."""
    handler = type("Answers", (Handler,), {"answers": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.answers
        server.shutdown()
