"""Somebody to whom alerts of a session are posted."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Taker(http.server.ThreadingHTTPServer):
    """Takes alerts, or answers with what it is told to, one answer each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.holds = threading.Event()
        self.holds.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?token=secret"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Taker

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.holds.wait(20)
        code = self.server.answers.pop(0) if self.server.answers else 204
        if code == 204:
            self.server.taken.append(content)
        self.send_response(code)
        if code == 302:
            self.send_header("Location", self.server.url)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def taking() -> Iterator[Taker]:
    """A taker on this host; it is gone behind this."""
    with Taker() as one:
        threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield one
        finally:
            one.holds.set()
            one.shutdown()
