"""JSON-RPC over HTTP for a node of one's own, on this machine alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .node import LocalNode

HOST = "127.0.0.1"
_MOST_BYTES = 4 << 20
_INVALID_REQUEST = -32600


def make_server(node: LocalNode, port: int) -> ThreadingHTTPServer:
    """Return a server that is bound to a port (0: any); raises OSError where it is taken."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self._content()
            if content is None:
                return
            try:
                asked = json.loads(content)
            except ValueError:
                asked = None
            is_many = isinstance(asked, list)
            answers = [_answer(node, each) for each in (asked if is_many else [asked])]
            self._say(200, answers if is_many else answers[0])

        def _content(self) -> bytes | None:
            try:
                size = int(self.headers.get("Content-Length", ""))
            except ValueError:
                size = -1
            if not 0 <= size <= _MOST_BYTES:
                self.close_connection = True
                self._say(413, {"error": f"a request has at most {_MOST_BYTES} bytes"})
                return None
            return self.rfile.read(size)

        def _say(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of each request."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    return Server((HOST, port), Handler)


@contextmanager
def serving(node: LocalNode, port: int = 0) -> Iterator[str]:
    """Serve a node from a thread and give its URL."""
    server = make_server(node, port)
    thread = threading.Thread(target=server.serve_forever, name="node", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _answer(node: LocalNode, asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
        found: dict[str, Any] = {"error": {"code": _INVALID_REQUEST, "message": "no method"}}
        return {"jsonrpc": "2.0", "id": None, **found}
    parameters = asked.get("params") or []
    found = node.answer(asked["method"], list(parameters))
    return {"jsonrpc": "2.0", "id": asked.get("id"), **found}
