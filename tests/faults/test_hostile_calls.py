"""Callers who mean harm: refused, counted, logged, and a good one beside them notices nothing."""

import base64
import hmac
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest

from served import SECRET, Inner, bearer, inner_server, refused
from tapewire.services.auth import TokenIssuer
from tapewire.services.auth.tokens import ACCESS_S
from tapewire.services.proto import accounts_pb2, accounts_pb2_grpc, strategies_pb2
from tapewire.services.server.rules import RULES

QUICK, LONG = 500, 20_000
ROLES = {"ada": "admin", "vic": "viewer", "tom": "trader"}


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    with inner_server(tmp_path_factory.mktemp("hostile"), ROLES) as server:
        yield server


@pytest.fixture(scope="module")
def tokens(inner: Inner) -> dict[str, str]:
    return {name: inner.token(name) for name in ROLES}


@pytest.fixture
def channel(inner: Inner) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(inner.address) as channel:
        yield channel


class Good:
    """A client that calls all the time; each answer is right, and comes in time."""

    def __init__(self, address: str, token: str) -> None:
        self.faults: list[str] = []
        self.took_s: list[float] = []
        self._address, self._token = address, token
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def _call(self) -> None:
        with grpc.insecure_channel(self._address, (("made", 1),)) as channel:
            stub = accounts_pb2_grpc.AuthServiceStub(channel)
            while not self._ends.is_set():
                began_s = time.perf_counter()
                try:
                    asked = accounts_pb2.WhoAmIRequest()
                    found = stub.WhoAmI(asked, metadata=bearer(self._token), timeout=20)
                except grpc.RpcError as error:
                    self.faults.append(f"{error.code().name}: {error.details()}")
                else:
                    if found.user.name != "tom":
                        self.faults.append(found.user.name)
                self.took_s.append(time.perf_counter() - began_s)
                time.sleep(0.02)

    def __enter__(self) -> "Good":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(30)


@contextmanager
def unnoticed(inner: Inner, tokens: dict[str, str]) -> Iterator[Good]:
    """While a good client calls: it has nothing but right answers."""
    with Good(inner.address, tokens["tom"]) as good:
        yield good
        until_s, least = time.monotonic() + 60, len(good.took_s) + 3
        while len(good.took_s) < least and time.monotonic() < until_s:
            time.sleep(0.02)
    assert good.faults == []
    assert len(good.took_s) >= 3


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    text = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def signed_by(key: bytes, head: str, payload: str) -> str:
    """As a library would not do it: with whatever key."""
    signature = hmac.digest(key, f"{head}.{payload}".encode(), "sha256")
    return f"{head}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def forged(token: str, other: str) -> dict[str, str]:
    """Tokens that somebody could make who has a viewer's, by what was done."""
    head, payload, signature = token.split(".")
    claims = claims_of(token)
    promoted = {**claims, "role": "admin"}
    wrong = bytes(range(1, 33))
    lacking = {key: value for key, value in claims.items() if key != "sid"}
    return {
        "no algorithm": f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(promoted)}.",
        "no algorithm, signed": f"{part({'alg': 'none', 'typ': 'JWT'})}.{payload}.{signature}",
        "another role": f"{head}.{part(promoted)}.{signature}",
        "another key": jwt.encode(promoted, wrong, algorithm="HS256"),
        "an empty key": signed_by(b"", part({"alg": "HS256", "kid": "/dev/null"}), part(promoted)),
        "another algorithm": jwt.encode(promoted, SECRET, algorithm="HS512"),
        "another issuer": jwt.encode({**claims, "iss": "evil"}, SECRET, algorithm="HS256"),
        "a claim less": jwt.encode(lacking, SECRET, algorithm="HS256"),
        "a number as text": jwt.encode({**claims, "ver": "0"}, SECRET, algorithm="HS256"),
        "a login of another": f"{head}.{part({**claims, 'sid': 999})}.{signature}",
        "another's signature": f"{head}.{payload}.{other.split('.')[2]}",
        "cut": token[:-6],
        "empty": "",
        "dots": "...",
        "long": "a" * 6_000,
    }


def test_tokens_that_do_not_hold_are_refused_counted_and_logged(
    inner: Inner, tokens: dict[str, str], channel: grpc.Channel
) -> None:
    now_s = time.time()
    session = claims_of(tokens["ada"])["sid"]
    old = TokenIssuer(SECRET, lambda: now_s - ACCESS_S - 60)
    early = TokenIssuer(SECRET, lambda: now_s + 3_600)
    signed = TokenIssuer(SECRET, lambda: now_s)
    bad = forged(tokens["vic"], tokens["ada"])
    bad["expired"] = old.issue("1", "ada", "", "admin", session=session)[0]
    bad["from the future"] = early.issue("1", "ada", "", "admin", session=session)[0]
    bad["of an older version"] = signed.issue("1", "ada", "", "admin", version=7, session=session)[
        0
    ]
    bad["of no number"] = signed.issue("\u0663", "ada", "", "admin", session=session)[0]
    bad["of a role that it was not"] = signed.issue("2", "vic", "", "admin", session=session + 1)[0]
    bad["of no user"] = signed.issue("99", "eve", "", "admin", session=session + 1_000)[0]
    list_users = accounts_pb2_grpc.AuthServiceStub(channel).ListUsers
    reasons = ("BAD_TOKEN", "NO_TOKEN")
    before = sum(inner.figure("tapewire_refused_total", reason=one) for one in reasons)
    with unnoticed(inner, tokens):
        for what, token in bad.items():
            came = refused(list_users, accounts_pb2.ListUsersRequest(), metadata=bearer(token))
            assert came[0] == "UNAUTHENTICATED", what
            assert came[1] in reasons, what
    counted = sum(inner.figure("tapewire_refused_total", reason=one) for one in reasons)
    assert counted - before == len(bad)
    log = inner.text()
    assert not any(token in log for token in (*bad.values(), *tokens.values()) if len(token) > 10)
    asked = list_users(accounts_pb2.ListUsersRequest(), metadata=bearer(tokens["ada"]), timeout=20)
    assert len(asked.users) == 3


def test_a_token_of_one_login_is_no_good_for_the_user_of_another(
    inner: Inner, tokens: dict[str, str], channel: grpc.Channel
) -> None:
    """Signed by the server's own key, as if that had leaked: a login is one user's."""
    session = claims_of(tokens["vic"])["sid"]
    mixed = TokenIssuer(SECRET, time.time).issue("1", "ada", "", "admin", session=session)[0]
    stub = accounts_pb2_grpc.AuthServiceStub(channel)
    came = refused(stub.ListUsers, accounts_pb2.ListUsersRequest(), metadata=bearer(mixed))
    assert came == ("UNAUTHENTICATED", "BAD_TOKEN")


def test_other_roles_get_nowhere(
    inner: Inner, tokens: dict[str, str], channel: grpc.Channel
) -> None:
    with unnoticed(inner, tokens):
        for path, rule in RULES.items():
            if rule.permission is None or rule.permission == "read":
                continue
            call = channel.unary_unary(path)
            assert refused(call, b"", metadata=bearer(tokens["vic"]))[1] == "ROLE", path


@pytest.mark.parametrize("later", [1, 3])
def test_a_refresh_token_that_is_replayed_ends_its_login_alone(
    inner: Inner, tokens: dict[str, str], channel: grpc.Channel, later: int
) -> None:
    """However often it was renewed since."""
    from served import PASSWORD

    stub = accounts_pb2_grpc.AuthServiceStub(channel)
    with unnoticed(inner, tokens):
        asked = accounts_pb2.LoginRequest(name="tom", password=PASSWORD)
        first = stub.Login(asked, timeout=30).tokens
        shown = accounts_pb2.RefreshRequest(refresh_token=first.refresh_token)
        last = shown
        for _ in range(later):
            fresh = stub.Refresh(last, timeout=30).tokens
            last = accounts_pb2.RefreshRequest(refresh_token=fresh.refresh_token)
        # Of the same login, but none that was ever given.
        random, session, _ = first.refresh_token.split(".")
        proof = fresh.refresh_token.rpartition(".")[2]
        forged = [f"{random[::-1]}.{session}.{proof}", f".{session}.", f"{random[::-1]}.{session}"]
        for text in ("", "x" * 100_000, "\0", "' OR 1=1 --", *forged):
            asked_again = accounts_pb2.RefreshRequest(refresh_token=text)
            assert refused(stub.Refresh, asked_again) == ("UNAUTHENTICATED", "BAD_TOKEN")
        fresh = stub.Refresh(last, timeout=30).tokens
        last = accounts_pb2.RefreshRequest(refresh_token=fresh.refresh_token)
        noted = len([1 for one in inner.store.audit(limit=50) if one.action == "refresh_reused"])
        assert refused(stub.Refresh, shown) == ("UNAUTHENTICATED", "BAD_TOKEN")
        assert refused(stub.Refresh, last) == ("UNAUTHENTICATED", "BAD_TOKEN")
    told = [one for one in inner.store.audit(limit=50) if one.action == "refresh_reused"]
    assert len(told) == noted + 1


# --- messages -------------------------------------------------------------------------------------


def mutated(draw: random.Random, whole: bytes) -> bytes:
    """Bytes that may have been a message."""
    kind = draw.randrange(5)
    if kind == 0:
        return draw.randbytes(draw.randrange(200))
    data = bytearray(whole)
    if kind == 1 and data:
        for _ in range(1 + draw.randrange(4)):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == 2:
        del data[draw.randrange(len(data) + 1) :]
    elif kind == 3:  # a length that promises more than there is
        data += bytes([0x0A]) + b"\xff" * draw.randrange(1, 6) + b"\x0f"
    else:
        data += draw.randbytes(draw.randrange(50))
    return bytes(data)


def send_mutations(inner: Inner, tokens: dict[str, str], count: int) -> None:
    """Send nonsense to each call; each is answered by a status, none by a bug."""
    draw = random.Random(20_261_127)
    wholes = {
        "/tapewire.v1.StrategyService/List": strategies_pb2.ListStrategiesRequest(
            sort="sharpe", where="trades > 3", page_size=3, page_token="x"
        ).SerializeToString(),
        "/tapewire.v1.StrategyService/Get": b"\x0a\x03abc",
        "/tapewire.v1.StrategyService/Delete": b"\x0a\x02\x01\x02",
        "/tapewire.v1.AuthService/CreateUser": accounts_pb2.CreateUserRequest(
            name="eve", role=accounts_pb2.ROLE_VIEWER, password="short"
        ).SerializeToString(),
        "/tapewire.v1.AuthService/ListAudit": b"\x08\x03\x12\x017",
        "/tapewire.v1.AuthService/Refresh": b"\x0a\x05hello",
        "/tapewire.v1.KeyService/AddKey": b"\x0a\x01a\x12\x01b\x1a\x01c",
        "/grpc.health.v1.Health/Check": b"\x0a\x01x",
    }
    came: Counter[str] = Counter()
    with unnoticed(inner, tokens), grpc.insecure_channel(inner.address, (("made", 3),)) as channel:
        calls = {path: channel.unary_unary(path) for path in wholes}
        sent = 0
        while sent < count:
            batch = []
            for _ in range(min(50, count - sent)):
                path = draw.choice(list(wholes))
                body = mutated(draw, wholes[path])
                given = bearer(tokens["ada"])
                batch.append(calls[path].future(body, metadata=given, timeout=60))
            sent += len(batch)
            for one in batch:
                came[one.code().name] += 1
    assert sum(came.values()) == count
    assert set(came) <= {
        "OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNAUTHENTICATED",
    }, came  # fmt: skip
    assert came["INVALID_ARGUMENT"] > count / 20
    assert all(line["message"] != "bug" for line in inner.lines())


def test_messages_that_are_almost_right(inner: Inner, tokens: dict[str, str]) -> None:
    send_mutations(inner, tokens, QUICK)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_messages_that_are_almost_right(inner: Inner, tokens: dict[str, str]) -> None:
    send_mutations(inner, tokens, LONG)


def test_messages_that_are_too_large_are_refused_and_counted(
    inner: Inner, tokens: dict[str, str], channel: grpc.Channel
) -> None:
    call = channel.unary_unary("/tapewire.v1.AuthService/Login")
    before = inner.figure("tapewire_refused_total", reason="NO_MESSAGE")
    large = accounts_pb2.LoginRequest(name="x" * (5 << 20)).SerializeToString()
    with unnoticed(inner, tokens):
        for _ in range(5):
            assert refused(call, large)[0] == "RESOURCE_EXHAUSTED"
        heavy = (("authorization", "Bearer " + "x" * 40_000),)
        assert refused(call, b"", metadata=heavy)[0] == "RESOURCE_EXHAUSTED"
    until_s = time.monotonic() + 20
    while inner.figure("tapewire_refused_total", reason="NO_MESSAGE") < before + 5:
        assert time.monotonic() < until_s
        time.sleep(0.02)


# --- connections ----------------------------------------------------------------------------------


def test_what_speaks_something_else_is_hung_up_on(inner: Inner, tokens: dict[str, str]) -> None:
    draw = random.Random(7)
    with unnoticed(inner, tokens):
        for data in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + draw.randbytes(200),
            draw.randbytes(4_096),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + draw.randbytes(2_000),
            b"\0" * 10_000,
        ):
            line = socket.create_connection(("127.0.0.1", inner.port), timeout=20)
            with line, suppress(ConnectionError):  # before all of it was sent: as well
                line.sendall(data)
                while line.recv(4_096):
                    pass


def test_slow_clients_hold_nobody_up(inner: Inner, tokens: dict[str, str]) -> None:
    """Two hundred lines that are open and say nothing, or a letter at a time."""
    lines = [socket.create_connection(("127.0.0.1", inner.port)) for _ in range(200)]
    try:
        with unnoticed(inner, tokens) as good:
            for letter in b"PRI * HTTP/2.0":
                for line in lines[::2]:
                    with suppress(ConnectionError):
                        line.send(bytes([letter]))
                time.sleep(0.02)
        assert max(good.took_s) < 15
    finally:
        for line in lines:
            line.close()


def test_a_stream_that_nobody_reads_holds_nobody_up(inner: Inner, tokens: dict[str, str]) -> None:
    with (
        unnoticed(inner, tokens),
        grpc.insecure_channel(inner.address, (("made", 4),)) as channel,
    ):
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        held = [watch(b"", metadata=bearer(tokens["vic"]), timeout=30) for _ in range(100)]
        time.sleep(0.5)
        for one in held:
            one.cancel()


def test_a_flood_of_one_user_is_slowed_and_the_other_is_not(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tapewire.services.server.serving._PER_USER", 20.0)
    with inner_server(tmp_path, ROLES) as inner:
        tokens = {name: inner.token(name) for name in ("vic", "ada")}
        with grpc.insecure_channel(inner.address) as channel:
            stub = accounts_pb2_grpc.AuthServiceStub(channel)
            asked = accounts_pb2.WhoAmIRequest()
            flood = [
                stub.WhoAmI.future(asked, metadata=bearer(tokens["vic"]), timeout=60)
                for _ in range(200)
            ]
            for _ in range(5):
                stub.WhoAmI(asked, metadata=bearer(tokens["ada"]), timeout=30)
            came = Counter(one.code().name for one in flood)
        assert came["RESOURCE_EXHAUSTED"] > 50
        assert came["OK"] >= 40
        assert inner.figure("tapewire_refused_total", reason="RATE") == came["RESOURCE_EXHAUSTED"]
        assert any(line["fields"].get("reason") == "RATE" for line in inner.lines())


def test_a_flood_of_logins_is_slowed_and_users_who_are_in_stay_so(
    inner: Inner, tokens: dict[str, str], channel: grpc.Channel
) -> None:
    stub = accounts_pb2_grpc.AuthServiceStub(channel)
    with unnoticed(inner, tokens):
        calls = [
            stub.Login.future(
                accounts_pb2.LoginRequest(name=f"n{k}", password="wrong password"), timeout=60
            )
            for k in range(120)
        ]
        came = Counter(dict(one.trailing_metadata())["tapewire-reason"] for one in calls)
    assert set(came) <= {"BAD_LOGIN", "LOGIN_RATE", "BUSY"}
    assert came["LOGIN_RATE"] > 20
