"""A server within the test's own process, whose calls a test can slow."""

import asyncio
import base64
import contextlib
import io
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import structlog

from tapewire.services.auth import PasswordHasher
from tapewire.services.proto import accounts_pb2, accounts_pb2_grpc
from tapewire.services.server.log_lines import LogLines, write_log_to
from tapewire.services.server.serving import Server
from tapewire.services.server.settings import ServerSettings
from tapewire.store import Store

PASSWORD = "correct horse battery"
SECRET = bytes(range(32))
#: Seals keys of exchanges.
SEALING = "one:" + base64.b64encode(SECRET).decode()


class Inner:
    """A server that runs in a thread, and what it logged."""

    def __init__(self, settings: ServerSettings, log: io.StringIO, waiting: LogLines) -> None:
        self.loop = asyncio.new_event_loop()
        self._log, self._waiting, self.store = log, waiting, Store.open(settings.store)
        self.server: Server
        self._settings = settings
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self.done(self._started())
        self.address = f"127.0.0.1:{self.port}"

    async def _started(self) -> int:
        self.server = Server(self._settings, self.store)
        return await self.server.start()

    def done(self, what: Any, timeout_s: float = 60.0) -> Any:
        """Have the server's loop do something, and return what came of it."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(timeout_s)

    def close(self) -> None:
        self.done(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()

    def token(self, name: str = "ada") -> str:
        """Log in, and return an access token."""
        with grpc.insecure_channel(self.address) as channel:
            request = accounts_pb2.LoginRequest(name=name, password=PASSWORD)
            stub = accounts_pb2_grpc.AuthServiceStub(channel)
            return str(stub.Login(request, timeout=30).tokens.access_token)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def text(self) -> str:
        """All that was logged."""
        self._waiting.flush()
        return self._log.getvalue()

    def logged(self, number: str) -> dict[str, Any]:
        """The line of a call, which is written a moment after its answer."""
        until_s = time.monotonic() + 20
        while time.monotonic() < until_s:
            for line in self.lines():
                if line["fields"].get("request_id") == number:
                    return dict(line["fields"])
            time.sleep(0.02)
        raise AssertionError(f"expected a line of call {number}, found none")

    def figure(self, name: str, **labels: str) -> float:
        """A figure of the page, 0 where there is none yet."""
        return self.server.measures.registry.get_sample_value(name, labels) or 0.0


@contextlib.contextmanager
def inner_server(folder: Path, roles: dict[str, str] | None = None, **more: Any) -> Iterator[Inner]:
    """Serve a fresh store, with users of these roles."""
    url = str(folder / "served.db")
    with Store.open(url) as store:
        kept = PasswordHasher().hashed(PASSWORD)
        for name, role in (roles or {"ada": "admin"}).items():
            if store.user(name) is None:
                store.add_user(name, role, kept, by="test")
    log = io.StringIO()
    waiting = write_log_to(log)
    given = {"drain_s": 5.0, **more}
    inner = Inner(ServerSettings("127.0.0.1:0", url, SECRET, **given), log, waiting)
    try:
        yield inner
    finally:
        inner.close()
        structlog.reset_defaults()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def refused(call: Any, *given: Any, **how: Any) -> tuple[str, str]:
    """Status and reason of a call that is to fail."""
    try:
        call(*given, **{"timeout": 30, **how})
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return error.code().name, str(trailers.get("tapewire-reason", ""))
    raise AssertionError("expected a call that fails, found an answer")


def free_ports(count: int) -> int:
    """A port that is free, and those behind it, in all likelihood."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


def certified(folder: Path, kind: str) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself, and its key."""
    made = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made += ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec"]
    made += [] if kind == "rsa" else ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    key, certificate = folder / "server.key", folder / "server.pem"
    command = [*made, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
