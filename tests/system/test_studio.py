"""The studio over HTTP: who gets in, what it gives away, what another site's page can't do."""

import base64
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browsers import OURS, Browser
from served import PASSWORD, SEALING, Inner, certified, inner_server
from tapewire.services.server.rules import RULES
from tapewire.services.web import app, heads

ROLES = {"ada": "admin", "vera": "viewer", "ruth": "researcher", "theo": "trader"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    with inner_server(
        tmp_path_factory.mktemp("studio"), ROLES, web="127.0.0.1:0", secret_keys=SEALING
    ) as inner:
        yield inner


@pytest.fixture(scope="module")
def ada(served: Inner) -> Browser:
    browser = Browser(served.server.web_port)
    assert browser.login("ada", PASSWORD)[0] == 200
    return browser


def told(browser: Browser, *, ask: str = "POST", path: str, body: Any = "{}", **headers: str):
    status, _, answer = browser.ask(ask, path, body, **headers)
    return status, json.loads(answer)["reason"]


def test_a_login_is_two_cookies_that_no_script_reads_and_no_other_site_sends(ada: Browser):
    access, refresh = ada.set[:2]
    for cookie, path in ((access, "Path=/"), (refresh, "Path=/api/session")):
        assert {"HttpOnly", "SameSite=strict", path} <= set(cookie.split("; "))
    status, found = ada.call("AuthService/WhoAmI")
    assert (status, found["user"]["name"]) == (200, "ada")


def test_no_answer_has_a_token(served: Inner):
    browser = Browser(served.server.web_port)
    status, found = browser.login("vera", PASSWORD)
    assert status == 200
    assert set(found) == {"user"}
    for call in ("Login", "Refresh", "Logout"):
        assert browser.call(f"AuthService/{call}")[0] == 404


def test_who_is_not_logged_in_is_told_so_and_gets_nothing(served: Inner):
    browser = Browser(served.server.web_port)
    assert browser.post("/api/session/known", {}) == (200, {"user": None})
    assert browser.call("StrategyService/List")[0] == 401
    assert browser.post("/api/session/refresh", {})[0] == 401
    status, found = browser.login("ada", "wrong")
    assert (status, found["reason"]) == (401, "BAD_LOGIN")
    assert not browser.cookies


def test_a_login_that_ends_is_renewed_once_for_each_token(served: Inner):
    browser = Browser(served.server.web_port)
    browser.login("ruth", PASSWORD)
    del browser.cookies["tapewire"]
    assert browser.call("StrategyService/List")[0] == 401
    spent = dict(browser.cookies)
    status, found = browser.post("/api/session/known", {})
    assert (status, found["user"]["name"]) == (200, "ruth")
    assert browser.call("StrategyService/List")[0] == 200
    # One that was used before ends all that goes back to the same login.
    browser.cookies = spent
    assert browser.post("/api/session/known", {}) == (200, {"user": None})


def test_a_logout_ends_the_login_at_the_server(served: Inner):
    browser = Browser(served.server.web_port)
    browser.login("vera", PASSWORD)
    kept = dict(browser.cookies)
    assert browser.ask("DELETE", "/api/session", x_tapewire="1")[0] == 200
    assert not browser.cookies
    browser.cookies = kept
    assert browser.call("StrategyService/List")[0] == 401


def test_a_logout_ends_a_login_whose_short_token_has_ended(served: Inner):
    browser = Browser(served.server.web_port)
    browser.login("vera", PASSWORD)
    del browser.cookies["tapewire"]
    kept = dict(browser.cookies)
    assert browser.ask("DELETE", "/api/session", x_tapewire="1")[0] == 200
    browser.cookies = kept
    assert browser.post("/api/session/known", {}) == (200, {"user": None})


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/json"},
        {"x_tapewire": "1", "content_type": "application/json", "origin": "https://evil.example"},
        {"x_tapewire": "1", "content_type": "application/json", "sec_fetch_site": "cross-site"},
        {"content_type": "text/plain"},
    ],
)
def test_what_another_sites_page_sends_is_refused(ada: Browser, headers: dict[str, str]):
    for path in ("/api/call/StrategyService/List", "/api/session", "/api/session/known"):
        assert told(ada, path=path, **headers) == (403, "CROSS_SITE")


@pytest.mark.parametrize(
    ("path", "body", "kind", "expected"),
    [
        ("StrategyService/Nothing", "{}", "application/json", (404, "NO_CALL")),
        ("Nothing/List", "{}", "application/json", (404, "NO_CALL")),
        ("JobService/Watch", "{}", "application/json", (404, "NO_CALL")),
        ("StrategyService/List", "{", "application/json", (400, "MALFORMED")),
        ("StrategyService/List", "[]", "application/json", (400, "MALFORMED")),
        ("StrategyService/List", '{"page_size": "many"}', "application/json", (400, "MALFORMED")),
        ("StrategyService/List", '{"nothing": 1}', "application/json", (400, "MALFORMED")),
        ("StrategyService/List", "[" * 5_000, "application/json", (400, "MALFORMED")),
        ("StrategyService/List", b"\xff\xfe", "application/json", (400, "MALFORMED")),
        ("StrategyService/List", "{}", "text/plain", (415, "MALFORMED")),
        ("StrategyService/List", " " * (5 << 20), "application/json", (413, "TOO_LARGE")),
    ],
)
def test_what_is_no_call_is_refused_in_words(
    ada: Browser, path: str, body: Any, kind: str, expected: tuple[int, str]
):
    headers = {"x_tapewire": "1", "content_type": kind}
    assert told(ada, path=f"/api/call/{path}", body=body, **headers) == expected


def test_a_call_that_does_not_come_whole_ends(served: Inner, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "BODY_S_MAX", 0.2)
    head = "".join(f"{name}: {value}\r\n" for name, value in OURS.items())
    with socket.create_connection(("127.0.0.1", served.server.web_port), timeout=20) as peer:
        peer.sendall(
            f"POST /api/session HTTP/1.1\r\nhost: x\r\n{head}content-length: 9\r\n\r\n{{".encode()
        )
        answer = peer.recv(1 << 16)
        while b"LATE" not in answer and (more := peer.recv(1 << 16)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"found 1 bytes" in answer


def test_a_head_that_does_not_come_whole_ends_its_connection(
    served: Inner, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(heads, "HEAD_S_MAX", 0.3)
    for before in (b"", b"GET /studio/icon.svg HTTP/1.1\r\nhost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.server.web_port), timeout=20) as peer:
            peer.sendall(before)
            answer = bytearray()
            while before and not answer.endswith(b"</svg>\n"):
                answer += peer.recv(1 << 16)
            answer.clear()
            for byte in b"GET / HTTP/1.1\r\nx: " + b"y" * 100:
                try:
                    peer.sendall(bytes([byte]))
                except OSError:  # it has ended
                    break
                time.sleep(0.02)
            while part := peer.recv(1 << 16):
                answer += part
        assert answer.startswith(b"HTTP/1.1 408"), before


def test_a_call_whose_head_is_whole_may_take_longer_than_heads_may(
    served: Inner, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(heads, "HEAD_S_MAX", 0.2)
    head = "".join(f"{name}: {value}\r\n" for name, value in OURS.items())
    with socket.create_connection(("127.0.0.1", served.server.web_port), timeout=20) as peer:
        peer.sendall(
            f"POST /api/session HTTP/1.1\r\nhost: x\r\n{head}content-length: 2\r\n\r\n{{".encode()
        )
        time.sleep(0.6)
        peer.sendall(b"}")
        assert peer.recv(1 << 16).startswith(b"HTTP/1.1 401")


def test_errors_are_the_command_lines_sentences(ada: Browser):
    status, found = ada.call("StrategyService/List", where="sharpness > 1")
    assert status == 400
    assert "sharpness" in found["error"]


def test_a_page_may_do_what_its_user_may(served: Inner, ada: Browser):
    browser = Browser(served.server.web_port)
    browser.login("vera", PASSWORD)
    ours = [path for path in RULES if path.startswith("/tapewire.v1.")]
    for path in ours:
        name = path.removeprefix("/tapewire.v1.")
        permission = RULES[path].permission
        if permission in (None, "read") or name in ("JobService/Watch", "StrategyService/Export"):
            continue
        status, found = browser.call(name)
        assert (status, found["reason"]) == (403, "ROLE"), name
        assert ada.call(name)[0] != 403, name


def test_streams_are_events_and_refusals_are_refusals(ada: Browser):
    headers = {n.replace("-", "_"): v for n, v in OURS.items()}
    path = "/api/stream/JobService/Watch"
    assert told(ada, path=path, body='{"job_id": 9}', **headers)[0] == 409
    assert told(ada, path="/api/stream/JobService/Get", **headers) == (404, "NO_CALL")


def test_streams_of_closed_pages_hold_no_places(tmp_path: Path):
    with inner_server(tmp_path, web="127.0.0.1:0", streams_max=2) as inner:
        job = inner.store.add_job("test", {}, 1)
        body = json.dumps({"job_id": job.id, "after_seq": job.seq}).encode()
        head = [
            "POST /api/stream/JobService/Watch HTTP/1.1", "host: localhost",
            *(f"{name}: {value}" for name, value in OURS.items()),
            f"cookie: tapewire={inner.token()}", f"content-length: {len(body)}",
        ]  # fmt: skip
        asked = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        going = inner.server._guard._going
        for _ in range(5):  # none has an answer: nothing becomes of the job
            with socket.create_connection(("127.0.0.1", inner.server.web_port)) as closing:
                closing.sendall(asked)
                until(lambda: going[True] == 1)
            until(lambda: going[True] == 0)
        assert inner.server._jobs._watch._watched == {}


def until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    until_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until_s, "expected it by now"
        time.sleep(0.01)


def test_nothing_beside_the_page_is_given_away(served: Inner):
    browser = Browser(served.server.web_port)
    status, headers, page = browser.ask("GET", "/strategies/9")
    assert status == 200
    assert b"<script" in page
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for path in (
        "/studio/../app.py",
        "/studio/%2e%2e/app.py",
        "/studio//etc/passwd",
        "/studio/views",
    ):
        status, _, body = browser.ask("GET", path)
        assert status == 404 or body == page, path
    for path in ("/studio/main.js", "/studio/views/job.js"):
        assert browser.ask("GET", path)[0] == 200, path


def test_calls_of_a_page_are_logged_and_counted_like_any_other(served: Inner, ada: Browser):
    method = "/tapewire.v1.StrategyService/List"
    before = len([one for one in served.lines() if one["fields"].get("method") == method])
    ada.call("StrategyService/List")
    lines = [one["fields"] for one in served.lines() if one["fields"].get("method") == method]
    assert len(lines) == before + 1
    assert (lines[-1]["user"], lines[-1]["address"]) == ("ada", "127.0.0.1")
    assert PASSWORD not in served.text()


def test_who_changes_their_password_is_out_everywhere_until_they_log_in_with_it(served: Inner):
    following = "another battery staple"
    here, there = Browser(served.server.web_port), Browser(served.server.web_port)
    for browser in (here, there):
        assert browser.login("theo", PASSWORD)[0] == 200
    wrong = {"current_password": "not it at all", "new_password": following}
    status, found = here.call("AuthService/ChangePassword", **wrong)
    assert (status, found["reason"]) == (400, "BAD_PASSWORD")
    right = {"current_password": PASSWORD, "new_password": following}
    assert here.call("AuthService/ChangePassword", **right) == (200, {})
    for browser in (here, there):
        assert browser.call("AuthService/WhoAmI")[0] == 401
        assert browser.post("/api/session/refresh", {})[0] == 401
    assert here.login("theo", PASSWORD)[0] == 401
    assert here.login("theo", following)[0] == 200
    assert not any(secret in served.text() for secret in (following, "not it at all"))


def test_a_key_that_is_kept_is_never_shown_again(served: Inner, ada: Browser):
    secret = "a very secret key of an exchange"
    sealed = base64.b64encode(secret.encode()).decode()
    asked = {"name": "main", "exchange": "CME", "secret": sealed}
    status, made = ada.post("/api/call/KeyService/AddKey", asked)
    assert (status, made["key"]["sealing_key_id"]) == (200, "one")
    status, listed = ada.call("KeyService/ListKeys")
    assert [one["name"] for one in listed["keys"]] == ["main"]
    status, audit = ada.call("AuthService/ListAudit", page_size=20)
    assert "add_key ada" in [one["what"] for one in audit["entries"]]
    for text in (json.dumps([made, listed, audit]), served.text()):
        assert secret not in text
        assert sealed not in text
    assert ada.post("/api/call/KeyService/RemoveKey", {"name": "main"})[0] == 200
    assert ada.call("KeyService/ListKeys")[1]["keys"] == []


def test_over_tls_cookies_are_secure_and_older_versions_refused(tmp_path: Path):
    certificate, key = certified(tmp_path, "ec")
    with inner_server(
        tmp_path, web="127.0.0.1:0", certificate=certificate, private_key=key
    ) as inner:
        trusted = ssl.create_default_context(cafile=str(certificate))
        browser = Browser(inner.server.web_port, trusted)
        assert browser.login("ada", PASSWORD)[0] == 200
        assert set(browser.cookies) == {"__Host-tapewire", "__Secure-tapewire-refresh"}
        assert all("Secure" in cookie.split("; ") for cookie in browser.set)
        assert browser.call("AuthService/WhoAmI")[0] == 200
        old = ssl.create_default_context(cafile=str(certificate))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            Browser(inner.server.web_port, old).ask("GET", "/")


def test_who_opens_the_page_has_what_reads_runs_started(tmp_path: Path):
    with inner_server(tmp_path, web="127.0.0.1:0") as inner:
        line = inner.server._runs._lines[False]
        browser = Browser(inner.server.web_port)
        browser.ask("GET", "/studio/main.js")
        assert not line._is_started
        for _ in range(3):
            assert browser.ask("GET", "/strategies")[0] == 200
        until_s = time.monotonic() + 60
        while line._number == 0 and time.monotonic() < until_s:
            time.sleep(0.05)
        assert line._number == 1
