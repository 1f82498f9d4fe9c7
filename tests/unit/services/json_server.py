"""An HTTP server on this machine that answers in JSON, for tests of what asks Airflow."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """Silent; subclasses read with `body` and reply with `answer`."""

    def body(self) -> Any:
        """The request's JSON, None where it has none."""
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return json.loads(text) if text else None

    def answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


@contextmanager
def serving(handler: type[JsonHandler]) -> Iterator[int]:
    """The port of a server that runs while the block does."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
