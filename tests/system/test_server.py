"""A server as a process of its own, called by real clients over gRPC."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from served import certified
from tapewire.errors import PeerLostError
from tapewire.services.client import Client, Credentials, ServerRefusal
from tapewire.services.proto import accounts_pb2, accounts_pb2_grpc, strategies_pb2
from tapewire.services.server.rules import RULES
from tapewire.store import NewResult, NewStrategy, Store

RULE = {
    "indicator": "close", "comparison": "greater_than", "value": {"indicator": "sma"},
}  # fmt: skip
SOURCE = json.dumps(
    {
        "name": "above",
        "version": "1.0",
        "timeframes": {"primary": "1h"},
        "entry_rules": {"long": RULE},
    }
)
PASSWORD = "correct horse battery"


class Served:
    """A server that runs, and its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "tapewire", "serve", "--dev", "--address", "127.0.0.1:0"]
        self.log = (folder / "log.jsonl").open("w")
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        lines = [self.process.stdout.readline() for _ in range(3)]
        self.process.stdout.close()
        self.address = lines[0].split()[-1]
        self.password = lines[1].split()[-1]

    def lines(self) -> list[dict[str, Any]]:
        text = (self.folder / "log.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def client(self, name: str = "dev") -> Client:
        client = Client(self.address)
        client.login(name, self.password if name == "dev" else PASSWORD)
        return client

    def stub(self) -> accounts_pb2_grpc.AuthServiceStub:
        return accounts_pb2_grpc.AuthServiceStub(grpc.insecure_channel(self.address))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with Store.open(str(folder / "tapewire.db")) as store:
        dataset = store.add_dataset("ab" * 32, {"name": "bars"})
        search = store.begin_generation({}, dataset)
        made = [
            NewStrategy(f"{k:064x}", f"s{k:03}", SOURCE, "json", None, 11.0) for k in range(250)
        ]
        results = [
            NewResult(one.hash, dataset, "search", k / 100, k / 1e3, 0.1, k, {}, "")
            for k, one in enumerate(made)
        ]
        store.save_batch(search, 0, made, results, trials=250, state={})
    server = Served(folder)
    try:
        with server.client() as admin:
            for role in ("viewer", "researcher", "trader", "admin"):
                code = accounts_pb2.Role.Value(f"ROLE_{role.upper()}")
                request = accounts_pb2.CreateUserRequest(name=role, role=code, password=PASSWORD)
                server.stub().CreateUser(request, metadata=bearer(admin))
        yield server
    finally:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        server.log.close()


def bearer(client: Client) -> tuple[tuple[str, str], ...]:
    assert client.credentials is not None
    return (("authorization", f"Bearer {client.credentials.access}"),)


def test_strategies_come_in_pages_and_are_shown(served: Served):
    with served.client("viewer") as client:
        found = list(client.strategies(sort="sharpe", where="trades >= 5", page_size=100))
        assert [one["trades"] for one in found] == list(range(249, 4, -1))
        shown = client.strategy("s249")
        assert shown["sharpe"] == 2.49
        assert "close above sma" in shown["text"] or "close > sma" in shown["text"]
        assert json.loads(shown["source_code"])["name"] == "above"
        assert client.export("s249") == SOURCE.encode()
        for wrong, told in (
            ({"where": "sharp > 1"}, "expected a column of sharpe"),
            ({"sort": "luck"}, "expected one of sharpe"),
        ):
            with pytest.raises(ServerRefusal, match=told) as error:
                next(client.strategies(**wrong))
            assert (error.value.status, error.value.reason) == ("INVALID_ARGUMENT", "CONFIG")
            assert error.value.exit_code == 2


def test_the_table_of_roles_call_by_call(served: Served):
    """Each call by each role: those that may are answered, or told what is wrong with nothing."""
    reads = {
        "List", "Get", "Export", "Watch", "GetResult", "ListResults", "ListDatasets", "GetDataset",
        "Describe", "GetChart", "ListFills", "Explain", "Compare", "GetGeneration", "ListFiles",
        "GetFile", "ListAccounts",
    }  # fmt: skip
    asks = {
        "Delete", "Generate", "Evolve", "Run", "Judge", "Start", "Cancel", "InspectFile",
        "CheckFile", "PlotFile", "CheckConfig", "Reconcile", "Spread", "DeriveFile",
        "KeepVariant",
    }  # fmt: skip
    keys = {"AddKey", "ListKeys", "RemoveKey"}
    # Of sessions; those that others have calls of the same name for, by their whole names.
    live = {f"/tapewire.v1.LiveTradingService/{name}" for name in ("CheckConfig", "Start")}
    live |= {"Stop", "Pause", "Resume", "Kill", "KillAccount"}
    may = {
        "viewer": reads,
        "researcher": reads | asks,
        "trader": reads | asks | keys | live,
        "admin": reads | asks | keys | live | {"CreateUser", "ListUsers", "SetUser", "ListAudit"},
    }
    everybody = {"Login", "Refresh", "WhoAmI", "ChangePassword", "Check"}
    streams = {"Export", "Watch", "GetFile"}
    for role, allowed in may.items():
        with served.client(role) as client, grpc.insecure_channel(served.address) as channel:
            for path in RULES:
                name = path.rpartition("/")[2]
                if name == "Logout" or path.startswith("/grpc."):
                    continue
                kind = channel.unary_stream if name in streams else channel.unary_unary
                call = kind(path)
                try:
                    answer = call(b"", metadata=bearer(client), timeout=20)
                    list(answer) if name in streams else answer
                    status = "OK"
                except grpc.RpcError as error:
                    status = error.code().name
                denied = status == "PERMISSION_DENIED"
                if "LiveTrading" in path and name in asks:
                    name = path
                assert denied == (name not in allowed | everybody), (role, path, status)


def test_nobody_gets_in_without_a_token(served: Served):
    with Client(served.address) as client:
        with pytest.raises(ServerRefusal, match="log in: tapewire login") as error:
            client.strategy("s001")
        assert error.value.status == "UNAUTHENTICATED"
        with pytest.raises(ServerRefusal, match="no user has that name and password"):
            client.login("nobody", PASSWORD)
        client.credentials = Credentials(served.address, "a.b.c", "no refresh token")
        with pytest.raises(ServerRefusal, match="log in again"):
            client.strategy("s001")


def test_a_logout_ends_all_tokens_of_a_login(served: Served):
    with served.client("viewer") as client, served.client("viewer") as other:
        kept = client.credentials
        client.logout()
        client.credentials = kept
        with pytest.raises(ServerRefusal, match="log in again"):
            client.who_am_i()
        assert other.who_am_i()["role"] == "viewer"


def test_a_refresh_token_is_good_once(served: Served):
    with served.client("trader") as client:
        stolen = client.credentials
        assert stolen is not None
        fresh = (
            served.stub().Refresh(accounts_pb2.RefreshRequest(refresh_token=stolen.refresh)).tokens
        )
        again = accounts_pb2.RefreshRequest(refresh_token=stolen.refresh)
        with pytest.raises(grpc.RpcError, match="used before"):
            served.stub().Refresh(again)
        # Whoever used it first is out, too: nobody knows who of the two had stolen it.
        last = accounts_pb2.RefreshRequest(refresh_token=fresh.refresh_token)
        with pytest.raises(grpc.RpcError, match="log in again"):
            served.stub().Refresh(last)


def test_a_user_who_is_disabled_is_out_at_once(served: Served):
    with served.client() as admin:
        made = served.stub().CreateUser(
            accounts_pb2.CreateUserRequest(
                name="leaving", role=accounts_pb2.ROLE_VIEWER, password=PASSWORD
            ),
            metadata=bearer(admin),
        )
        with served.client("leaving") as leaving:
            assert leaving.who_am_i()["permissions"] == ["read"]
            served.stub().SetUser(
                accounts_pb2.SetUserRequest(user_id=made.user.id, disabled=True),
                metadata=bearer(admin),
            )
            with pytest.raises(ServerRefusal, match="log in again"):
                leaving.who_am_i()
        with pytest.raises(ServerRefusal, match="no user has that name"):
            served.client("leaving")
        audit = served.stub().ListAudit(accounts_pb2.ListAuditRequest(), metadata=bearer(admin))
        done = [(one.who, one.what) for one in audit.entries]
        assert ("dev", "set_user leaving") in done
        assert ("leaving", "login_failed leaving") in done


def test_who_knows_their_password_changes_it_and_every_login_of_theirs_ends(served: Served):
    following = "another battery staple"
    with served.client() as admin:
        served.stub().CreateUser(
            accounts_pb2.CreateUserRequest(
                name="changing", role=accounts_pb2.ROLE_VIEWER, password=PASSWORD
            ),
            metadata=bearer(admin),
        )
        with served.client("changing") as client, served.client("changing") as other:
            with pytest.raises(ServerRefusal, match="expected the caller's") as error:
                client.change_password("not it at all", following)
            assert (error.value.status, error.value.reason) == ("INVALID_ARGUMENT", "BAD_PASSWORD")
            with pytest.raises(ServerRefusal, match="expected 12 to"):
                client.change_password(PASSWORD, "short")
            assert other.who_am_i()["name"] == "changing"
            kept = client.credentials
            client.change_password(PASSWORD, following)
            client.credentials = kept
            for ended in (client, other):
                with pytest.raises(ServerRefusal, match="log in again"):
                    ended.who_am_i()
            client.login("changing", following)
            with pytest.raises(ServerRefusal, match="no user has that name and password"):
                other.login("changing", PASSWORD)
        audit = served.stub().ListAudit(accounts_pb2.ListAuditRequest(), metadata=bearer(admin))
        done = [(one.who, one.what) for one in audit.entries if one.who == "changing"]
    assert ("changing", "set_user changing") in done
    assert ("changing", "password_failed changing") in done


def test_what_is_deleted_is_told_of(served: Served):
    with served.client("researcher") as client:
        gone = client.strategy("s000")
        assert client.delete_strategies([gone["id"]]) == 1
        with pytest.raises(ServerRefusal, match="expected a strategy"):
            client.strategy("s000")
    with served.client() as admin:
        audit = served.stub().ListAudit(accounts_pb2.ListAuditRequest(), metadata=bearer(admin))
        assert any(one.who == "researcher" and "delete" in one.what for one in audit.entries)


def test_guessing_passwords_is_slowed(served: Served):
    with Client(served.address) as client:
        told = []
        for _ in range(8):
            with pytest.raises(ServerRefusal) as error:
                client.login("guessed", "wrong password")
            told.append(error.value.reason)
    assert told[:5].count("BAD_LOGIN") >= 1
    assert told[-1] == "LOGIN_RATE"


def test_health_is_told_to_everybody(served: Served):
    with Client(served.address) as client:
        fine, details = client.health()
    assert fine
    assert details["database"] == "answers"


def test_messages_that_are_none_are_refused(served: Served):
    with served.client("viewer") as client, grpc.insecure_channel(served.address) as channel:
        call = channel.unary_unary("/tapewire.v1.StrategyService/List")
        for body in (b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", os.urandom(1_000)):
            with pytest.raises(grpc.RpcError):
                call(body, metadata=bearer(client), timeout=20)
        large = strategies_pb2.ListStrategiesRequest(where="x" * (5 << 20)).SerializeToString()
        with pytest.raises(grpc.RpcError) as error:
            call(large, metadata=bearer(client), timeout=20)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        unknown = channel.unary_unary("/tapewire.v1.StrategyService/Drop")
        with pytest.raises(grpc.RpcError) as error:
            unknown(b"", metadata=bearer(client), timeout=20)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert client.who_am_i()["role"] == "viewer"


def test_no_secret_is_in_the_log(served: Served):
    with served.client("trader") as client:
        client.who_am_i()
        secrets = (client.credentials.access, client.credentials.refresh, PASSWORD, served.password)
    text = (served.folder / "log.jsonl").read_text()
    assert text
    assert not any(secret in text for secret in secrets)
    assert all(
        {"timestamp", "level", "target", "message", "fields"} == set(line)
        for line in served.lines()
    )


def test_calls_that_go_on_are_let_end(tmp_path: Path):
    server = Served(tmp_path)
    answered: list[bool] = []
    with Client(server.address) as client:

        def log_in() -> None:
            client.login("dev", server.password)
            answered.append(True)

        calls = threading.Thread(target=log_in)
        calls.start()
        time.sleep(0.02)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        calls.join(20)
        with pytest.raises(PeerLostError, match="no server answers there"):
            Client(server.address).health()
    server.log.close()
    assert len(answered) <= 1


# --- TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_tls_is_1_3_alone(kind: str, tmp_path: Path):
    certificate, key = certified(tmp_path, kind)
    command = [sys.executable, "-m", "tapewire", "serve", "--address", "127.0.0.1:0"]
    command += ["--certificate", str(certificate), "--private-key", str(key)]
    secret = base64.b64encode(bytes(32)).decode()
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "TAPEWIRE_TOKEN_SECRET": secret},
        )  # fmt: skip
    assert server.stdout is not None
    with server.stdout:
        address = server.stdout.readline().split()[-1]
    try:
        for version, agreed in (("-tls1_3", True), ("-tls1_2", False)):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", address, version, "-alpn", "h2"],
                input=b"", capture_output=True, timeout=30, check=False,
            )  # fmt: skip
            assert (b"Cipher is TLS_" in done.stdout) == agreed, done.stdout + done.stderr
            assert (done.returncode == 0) == agreed
        with Client(address, authority=certificate.read_bytes()) as client:
            assert client.health()[0]
        with pytest.raises(PeerLostError, match="with or without TLS"):
            Client(address).health()
    finally:
        server.terminate()
        assert server.wait(20) == 0


def test_others_are_let_in_with_a_certificate_and_a_secret_alone(tmp_path: Path):
    certificate, key = certified(tmp_path, "ec")
    other = tmp_path / "other.pem"
    other.write_text("no certificate")
    pair = ["--certificate", str(certificate), "--private-key", str(key)]
    secret = {"TAPEWIRE_TOKEN_SECRET": base64.b64encode(bytes(32)).decode()}
    for arguments, environment, told in (
        (["--address", "0.0.0.0:0"], secret, "expected a certificate and its key"),
        (["--dev", "--address", "0.0.0.0:0"], {}, "expected this host's own"),
        (pair, {}, "TAPEWIRE_TOKEN_SECRET: expected at least 32 bytes, base64"),
        (pair, {"TAPEWIRE_TOKEN_SECRET": "AAAA"}, "at least 32 bytes, found 3"),
        (["--certificate", str(certificate)], secret, "found one of the two"),
        (["--certificate", str(other), "--private-key", str(key)], secret, "a certificate in PEM"),
        (["--dev", "--address", "localhost"], {}, "expected as 127.0.0.1:50051"),
        (["--dev", "--store", "log:///x"], {}, "store"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tapewire", "serve", *arguments], cwd=tmp_path,
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, **environment},
        )  # fmt: skip
        assert done.returncode not in (0, 70), done.stderr
        assert told in done.stderr
        assert "Traceback" not in done.stderr
