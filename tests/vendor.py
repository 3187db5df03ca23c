"""A server on this host: as much of Databento's Historical HTTP API as downloads need."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "db-0123456789abcdef0123456789abc"
JOB = "GLBX-20240105-AB12CD34EF"


class Vendor:
    """What it has, how it misbehaves, and what it was asked.

    Attributes
    ----------
    files : name → content of the job
    states : what the job is, one after the other; the last stays
    refusals : (status, detail) to answer the next requests with, whatever they are
    cuts : for the next files, after how many bytes the line is cut
    ranges, shift : whether parts of files are given, and how many bytes too late they begin
    """

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.stream = b""
        self.states = ["queued", "processing", "done"]
        self.refusals: list[tuple[int, Any]] = []
        self.cuts: list[int] = []
        self.ranges = True
        self.shift = 0
        self.hashes: dict[str, str] = {}
        self.listed: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.sent = 0

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    def file_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "filename": name,
                "size": len(content),
                "hash": f"sha256:{self.hashes.get(name) or hashlib.sha256(content).hexdigest()}",
                "urls": {"https": f"{self.url}/v0/batch/download/{JOB}/{name}"},
                **self.listed,
            }
            for name, content in self.files.items()
        ]


class _Handler(BaseHTTPRequestHandler):
    vendor: Vendor

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer(self.path, {k: v[0] for k, v in parse_qs(body).items()})

    def _answer(self, path: str, given: dict[str, str]) -> None:
        vendor = self.vendor
        name = path.removeprefix("/v0/")
        vendor.asked.append((name, {**given, "range": self.headers.get("Range", "")}))
        if vendor.refusals:
            status, detail = vendor.refusals.pop(0)
            return self._json({"detail": detail}, status)
        if (
            self.headers["Authorization"]
            != f"Basic {base64.b64encode(f'{KEY}:'.encode()).decode()}"
        ):
            return self._json(
                {"detail": {"case": "auth", "message": "Authentication failed."}}, 401
            )
        if name.startswith("batch/download/"):
            return self._file(vendor.files[name.rsplit("/", 1)[1]])
        if name == "timeseries.get_range":
            return self._file(vendor.stream)
        return self._json({
            "metadata.get_cost": lambda: 1.25,
            "metadata.get_billable_size": lambda: 3_500_000,
            "metadata.get_record_count": lambda: 62_500,
            "batch.submit_job": lambda: {"id": JOB, "state": "queued", "cost_usd": 1.25},
            "batch.list_jobs": lambda: [{"id": "OTHER", "state": "done"}, {
                "id": JOB,
                "state": vendor.states.pop(0) if len(vendor.states) > 1 else vendor.states[0],
            }],
            "batch.list_files": vendor.file_rows,
        }[name]())  # fmt: skip

    def _json(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, content: bytes) -> None:
        wanted = self.headers.get("Range")
        if wanted and self.vendor.ranges:
            begin = int(wanted.removeprefix("bytes=").split("-")[0]) + self.vendor.shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            content = content[begin:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = self.vendor.cuts.pop(0) if self.vendor.cuts else len(content)
        self.wfile.write(content[:cut])
        self.vendor.sent += min(cut, len(content))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Vendor]:
    """A vendor that listens on a free port of this host."""
    vendor = Vendor()
    handler = type("Handler", (_Handler,), {"vendor": vendor})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
