"""Accounts at a broker over a server: seen by all who may read, killed by traders, told of."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import fix_exchange as fx
from browsers import Browser
from conftest import TapewireHere
from fix_traders import SYMBOL as FIX_SYMBOL
from fix_traders import Trader, account_over_fix, kept_alive
from fix_venue import VARIABLE
from rails_desks import SYMBOL, Table
from served import PASSWORD, Inner, bearer, inner_server, refused
from tapewire.errors import OutputError, StoreError
from tapewire.live.orders import OrderAccepted, OrderDenied, OrderFilled
from tapewire.live.rails.messages import RailsState
from tapewire.live.rails.switch import KILL_FILE, killed_because, reset_kill_switch
from tapewire.services.client import Client, ServerRefusal
from tapewire.services.proto import live_pb2, live_pb2_grpc
from tapewire.services.server import account_desk

ROLES = {"ada": "admin", "tess": "trader", "rea": "researcher", "vera": "viewer"}


class Scene:
    """A server that knows of accounts, and one of them with its desk."""

    def __init__(self, inner: Inner, root: Path, table: Table) -> None:
        self.inner, self.root, self.table = inner, root, table

    def client(self, name: str) -> Client:
        client = Client(self.inner.address)
        client.login(name, PASSWORD)
        return client

    def notes(self) -> list[tuple[str, str, str]]:
        return [
            (one.who, one.action, one.subject)
            for one in self.inner.store.audit(limit=100)
            if one.action.startswith("kill_account")
        ]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("accounts")
    root = folder / "accounts"
    root.mkdir()
    (root / "torn").mkdir()
    (root / "torn" / "journal-000001.twj").write_bytes(b"no journal")
    (folder / "outside").mkdir()
    (root / "link").symlink_to(folder / "outside")
    table = Table(root / "demo").open().settled()
    table.send(3)
    table.send(-2, table.venue.price / 1e9 + 5)
    table.pass_s(0.5)
    with inner_server(folder, ROLES, web="127.0.0.1:0", accounts=root) as inner:
        yield Scene(inner, root, table)


@pytest.fixture(autouse=True)
def reset(scene: Scene) -> Iterator[None]:
    yield
    for name in ("demo", "torn"):
        reset_kill_switch(scene.root / name, "x", "reset x")


def test_accounts_are_listed_and_a_damaged_one_with_its_sentence(scene: Scene):
    with scene.client("vera") as client:
        accounts, left_out = client.list_accounts()
        assert client.why_no_accounts() == ""
    assert ([one.name for one in accounts], left_out) == (["demo", "torn"], 0)
    demo, torn = accounts
    assert (demo.account, demo.session, demo.ended) == ("test", scene.table.desk.session, "")
    assert demo.state.startswith("ACTIVE")
    assert (demo.killed, demo.open_orders, demo.unknown_orders) == (None, 1, 0)
    assert (demo.positions, demo.positions_total, demo.problem) == ({SYMBOL: 3}, 1, "")
    assert torn.problem.startswith("torn/journal-000001.twj: expected a journal beginning with")
    assert (torn.account, torn.killed, torn.positions) == ("", None, {})


def test_a_trader_kills_an_account_once_and_its_rails_hear_of_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(account_desk, "FRESH_S", 0.0)
    before = len(scene.notes())
    # The damaged one, too: who kills need not be able to read.
    with scene.client("tess") as client:
        killed = client.kill_account("torn", " enough ")
        assert killed == ("killed from a client by tess: enough", False)
        assert client.kill_account("torn", "again") == (killed[0], True)
    assert scene.notes()[: len(scene.notes()) - before] == [("tess", "kill_account", "torn")]
    assert killed_because(scene.root / "torn") == killed[0]
    with scene.client("ada") as client:
        assert client.kill_account("demo") == ("killed from a client by ada", False)
        [demo, torn] = client.list_accounts()[0]
    assert demo.killed == "killed from a client by ada"
    assert torn.killed == killed[0]
    scene.table.pass_s(1.0)
    assert scene.table.state == RailsState.KILLED
    with scene.client("vera") as client:
        [demo, _] = client.list_accounts()[0]
    assert demo.open_orders == 0
    assert demo.state == "KILLED: killed from a client by ada"
    assert demo.positions == {SYMBOL: 3}
    details = [one.details for one in scene.inner.store.audit() if one.action == "kill_account"]
    assert details[:2] == [{"why": ""}, {"why": "enough"}]


def test_from_a_page_the_reason_says_so(scene: Scene):
    browser = Browser(scene.inner.server.web_port)
    assert browser.login("tess", PASSWORD)[0] == 200
    asked = {"name": "torn", "why": "a\n\x1b[2Jb"}
    status, found = browser.post("/api/call/LiveTradingService/KillAccount", asked)
    assert (status, found["was_killed"]) == (200, False)
    assert found["killed"].startswith("killed from the web by tess: a")
    assert "\x1b" not in found["killed"]
    status, found = browser.call("LiveTradingService/ListAccounts")
    assert (status, found["none_because"], found["left_out"]) == (200, "", 0)
    demo, torn = found["accounts"]
    assert (demo["name"], torn["killed"][:15], "killed" in demo) == (
        "demo",
        "killed from the",
        False,
    )
    assert demo["positions"] == [{"symbol": SYMBOL, "lots": "3"}]


@pytest.mark.parametrize("name", ["vera", "rea"])
def test_who_may_not_trade_may_not_kill(scene: Scene, name: str):
    before = scene.notes()
    with scene.client(name) as client:
        with pytest.raises(ServerRefusal, match="expected a role that may live") as error:
            client.kill_account("demo", "no")
        assert error.value.status == "PERMISSION_DENIED"
    with Client(scene.inner.address) as nobody, pytest.raises(ServerRefusal, match="log in"):
        nobody.kill_account("demo")
    assert killed_because(scene.root / "demo") is None
    assert scene.notes() == before


@pytest.mark.parametrize(
    "name", ["", "none", ".", "..", "../outside", "link", "demo/", "demo/../torn", "/tmp", "a\0"]
)
def test_no_name_kills_elsewhere(scene: Scene, name: str):
    before = scene.notes()
    with scene.client("tess") as client:
        with pytest.raises(ServerRefusal, match="expected the name of a folder") as error:
            client.kill_account(name)
        assert error.value.status == "NOT_FOUND"
        with pytest.raises(ServerRefusal, match="why: expected at most 500 characters"):
            client.kill_account("demo", "x" * 501)
    assert not list(scene.root.parent.rglob(KILL_FILE))
    assert scene.notes() == before


def test_a_kill_is_made_where_the_audit_log_is_away(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    def away(*told: Any) -> None:
        raise StoreError("the store is away")

    monkeypatch.setattr(scene.inner.store, "note", away)
    with scene.client("tess") as client:
        assert client.kill_account("torn", "now")[1] is False
    assert killed_because(scene.root / "torn") == "killed from a client by tess: now"
    (told,) = [one for one in scene.inner.lines() if "not in the audit log" in json.dumps(one)]
    assert told["fields"]["account"] == "torn"
    assert told["fields"]["why_not"] == "the store is away"


def test_a_kill_does_not_wait_for_an_audit_log_that_hangs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    """It is noted later, where that goes on."""
    goes_on, note = threading.Event(), scene.inner.store.note

    def slow(*told: Any) -> None:
        assert goes_on.wait(60)
        note(*told)

    monkeypatch.setattr(account_desk, "AUDIT_S", 0.1)
    monkeypatch.setattr(scene.inner.store, "note", slow)
    before = scene.notes()
    with scene.client("tess") as client:
        assert client.kill_account("torn", "now")[1] is False
        assert killed_because(scene.root / "torn") == "killed from a client by tess: now"
        assert scene.notes() == before
        goes_on.set()
        until_s = time.monotonic() + 30
        while scene.notes() == before and time.monotonic() < until_s:
            time.sleep(0.05)
    assert scene.notes()[0] == ("tess", "kill_account", "torn")


def test_who_hangs_up_has_killed_all_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    begun, goes_on, note = threading.Event(), threading.Event(), scene.inner.store.note

    def slow(*told: Any) -> None:
        begun.set()
        assert goes_on.wait(60)
        note(*told)

    monkeypatch.setattr(account_desk, "AUDIT_S", 60.0)
    monkeypatch.setattr(scene.inner.store, "note", slow)
    token = scene.inner.token("tess")
    with grpc.insecure_channel(scene.inner.address) as channel:
        stub = live_pb2_grpc.LiveTradingServiceStub(channel)
        asked = live_pb2.KillAccountRequest(name="torn", why="gone")
        call = stub.KillAccount.future(asked, metadata=bearer(token))
        assert begun.wait(30)
        call.cancel()
    assert killed_because(scene.root / "torn") is None
    goes_on.set()
    until_s = time.monotonic() + 30
    while killed_because(scene.root / "torn") is None and time.monotonic() < until_s:
        time.sleep(0.05)
    assert killed_because(scene.root / "torn") == "killed from a client by tess: gone"


def test_a_kill_that_can_not_be_written_is_an_error_and_noted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    def full(folder: Path, why: str) -> None:
        raise OutputError("no space")

    monkeypatch.setattr(account_desk, "kill_switch", full)
    with scene.client("tess") as client, pytest.raises(ServerRefusal, match="no space"):
        client.kill_account("torn")
    assert [one[1] for one in scene.notes()[:2]] == ["kill_account_failed", "kill_account"]


def test_a_busy_server_takes_a_kill(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    with scene.client("tess") as client:
        token = client.credentials.access  # type: ignore[union-attr]
        monkeypatch.setattr(scene.inner.server._guard, "_most", {False: 0, True: 0})
        with grpc.insecure_channel(scene.inner.address) as channel:
            stub = live_pb2_grpc.LiveTradingServiceStub(channel)
            asked = live_pb2.ListAccountsRequest()
            assert refused(stub.ListAccounts, asked, metadata=bearer(token))[1] == "BUSY"
        assert client.kill_account("torn")[1] is False


def test_the_commands(scene: Scene, tapewire_here: TapewireHere, tmp_path: Path,
                      monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    server = ("--server", scene.inner.address)
    command = [sys.executable, "-m", "tapewire", "login", scene.inner.address, "--user", "tess"]
    subprocess.run([*command, "--password-stdin"], input=PASSWORD, text=True, check=True)
    told = tapewire_here("rails", "kill", "torn", "--why", "by hand", *server)
    assert told.returncode == 0, told.stderr
    assert "torn: killed: killed from a client by tess: by hand" in told.stderr
    shown = json.loads(tapewire_here("rails", "show", *server, "--json").stdout)
    assert [one["name"] for one in shown["accounts"]] == ["demo", "torn"]
    text = tapewire_here("rails", "show", "torn", *server).stdout
    assert "expected a journal" in text
    assert "KILLED: killed from a client by tess: by hand" in text
    assert "demo" not in text
    wrong = tapewire_here("rails", "show", "none", *server)
    assert (wrong.returncode, "found none called 'none'" in wrong.stderr) == (3, True), wrong
    wrong = tapewire_here("rails", "show")
    assert (wrong.returncode, "or --server" in wrong.stderr) == (2, True), wrong
    # A server in the environment is not asked for what is to be killed here.
    monkeypatch.setenv("TAPEWIRE_SERVER", scene.inner.address)
    wrong = tapewire_here("rails", "kill", "demo")
    assert (wrong.returncode, "expected an account's folder" in wrong.stderr) == (2, True), wrong


def test_a_folder_of_accounts_that_is_none_is_refused_at_start(
    tmp_path: Path, tapewire_here: TapewireHere
):
    ended = tapewire_here("serve", "--dev", "--address", "127.0.0.1:0", "--accounts", "nowhere")
    assert ended.returncode == 3
    assert "--accounts nowhere: expected a folder, found none" in ended.stderr


def test_a_server_without_accounts_says_so(tmp_path: Path):
    with inner_server(tmp_path, {"ada": "admin"}) as inner, Client(inner.address) as client:
        client.login("ada", PASSWORD)
        assert client.list_accounts() == ([], 0)
        assert "tapewire serve --accounts" in client.why_no_accounts()
        with pytest.raises(ServerRefusal, match="expected a server that was given a folder"):
            client.kill_account("demo")


@pytest.mark.long
def test_a_kill_over_the_server_cancels_all_that_real_rails_have_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Rails in a process of their own, an exchange over FIX, a server that shares only a folder."""
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    root = tmp_path / "accounts"
    root.mkdir()
    with (
        fx.exchanging() as exchange,
        inner_server(tmp_path, {"tess": "trader"}, accounts=root) as inner,
        Client(inner.address) as client,
    ):
        client.login("tess", PASSWORD)
        asked = account_over_fix(exchange, root / "demo", tmp_path / "fix")
        trader = Trader(asked)
        with contextlib.closing(trader.line):
            trader.until_active()
            names = [trader.buy(lots) for lots in (1, 2, 3)]
            trader.until(lambda: sum(isinstance(one, OrderAccepted) for one in trader.heard) == 3)
            exchange.trade(names[1], 1)
            trader.until(lambda: any(isinstance(one, OrderFilled) for one in trader.heard))
            assert sum(one.leaves for one in exchange.orders.values()) == 5
            with kept_alive(trader):
                killed, _ = client.kill_account("demo", "wrong parameters")
            trader.until(lambda: trader.line.state == RailsState.KILLED)
            trader.until(lambda: not any(one.leaves for one in exchange.orders.values()))
            assert trader.line.why == killed == "killed from a client by tess: wrong parameters"
            denied = trader.buy(1)
            trader.until(lambda: any(isinstance(one, OrderDenied) for one in trader.heard))
            trader.line.end()
        again = Trader(asked)  # a session that begins under a kill sends nothing either
        with contextlib.closing(again.line):
            again.until(lambda: again.line.state == RailsState.KILLED)
            also = again.buy(1)
            again.until(lambda: any(isinstance(one, OrderDenied) for one in again.heard))
            again.line.end()
        assert dict(exchange.new_orders) == dict.fromkeys(names, 1)
        assert not {denied, also} & set(exchange.new_orders)
        [seen] = client.list_accounts()[0]
    assert (seen.killed, seen.open_orders, seen.positions) == (killed, 0, {FIX_SYMBOL: 1})
    assert seen.ended
