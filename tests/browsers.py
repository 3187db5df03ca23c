"""What a browser does, as far as it is HTTP: a jar of cookies, and calls of the page."""

import http.client
import json
import ssl
from http.cookies import SimpleCookie
from typing import Any

#: What the page says with each call.
OURS = {"x-tapewire": "1", "content-type": "application/json"}


class Browser:
    """One who keeps cookies as a browser does: by path, until they are dropped."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port, self._tls = port, tls
        self.cookies: dict[str, tuple[str, str]] = {}  # name → value, path
        self.set: list[str] = []  # every Set-Cookie, as it came

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; headers by name with ``_`` for ``-``."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = [f"{n}={v}" for n, (v, under) in self.cookies.items() if path.startswith(under)]
        if sent:
            given["cookie"] = "; ".join(sent)
        if self._tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        else:
            connection = http.client.HTTPSConnection(
                "localhost", self._port, timeout=60, context=self._tls
            )
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            for text in answer.headers.get_all("set-cookie") or ():
                self._keep(text)
            return answer.status, dict(answer.headers.items()), answer.read()
        finally:
            connection.close()

    def _keep(self, text: str) -> None:
        self.set.append(text)
        for name, morsel in SimpleCookie(text).items():
            if morsel["max-age"] == "0" or not morsel.value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = (morsel.value, morsel["path"])

    def post(self, path: str, asked: Any, **headers: str) -> tuple[int, Any]:
        """Status and JSON of what the page's own call is answered."""
        given = {**{n.replace("-", "_"): v for n, v in OURS.items()}, **headers}
        status, _, body = self.ask("POST", path, json.dumps(asked), **given)
        return status, json.loads(body)

    def call(self, name: str, **asked: Any) -> tuple[int, Any]:
        return self.post(f"/api/call/{name}", asked)

    def login(self, name: str, password: str) -> tuple[int, Any]:
        return self.post("/api/session", {"name": name, "password": password})
