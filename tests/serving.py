"""Small HTTP servers on the loopback interface, for the duration of a block."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
"""An HTTP status, and JSON."""


class _Server(ThreadingHTTPServer):
    """Does not log disconnected clients, so that the output contains only the command's lines."""

    daemon_threads = True
    request_queue_size = 64  # with the default, clients with several threads wait a second

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server on a free port during the block; yields its address."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(BaseHTTPRequestHandler):
    """Does not log requests."""

    def log_message(self, *_: Any) -> None:
        """Disable logging."""

    def send(self, status: int, body: bytes, **headers: str) -> None:
        """Respond; an underscore in the name of a header is a hyphen."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class JsonHandler(QuietHandler):
    """Responds with JSON."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # avoids a delay of 40 ms

    def body(self) -> Any:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return json.loads(content) if content else None

    def answer(self, status: int, content: Any) -> None:
        self.send(status, json.dumps(content).encode(), Content_Type="application/json")


def posted(answers: Callable[[JsonHandler], Answer]) -> type[JsonHandler]:
    """A handler that responds to every POST with the result of `answers`."""

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            self.answer(*answers(self))

    return Handler
