"""`tapewire live` with a broker: from the gateway to an exchange over FIX, through the rails."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fix_exchange as fx
from alert_taker import taking
from conftest import TapewireHere
from fix_venue import VARIABLE
from live_gateway import DATASET, KEY, LiveGateway, serving
from live_sessions import SYMBOL, filling, orders_of, script_of
from tapewire.config.live import LiveSettings
from tapewire.config.loading import make_config
from tapewire.errors import PeerLostError
from tapewire.live.rails.looking import look_at_account
from tapewire.live.rails.switch import kill_switch
from tapewire.replay.source import read_records
from tapewire.runs.api import run
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.live import run_live
from tapewire.runs.reconciling import reconcile_run
from tapewire.runs.result import RunResult

CONFIG: dict[str, Any] = {
    "backtest": {"data_source": {"type": "databento", "files": ["live.dbn"]}},
    "strategy": {"type": "market_maker"},
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)


@pytest.fixture(scope="module")
def venue(synthetic_file: Path) -> np.ndarray:
    """What happens at the venue: 3,000 records."""
    _, records = read_records(synthetic_file)
    return records[:3_000].copy()


class Session:
    """A session of a gateway's whole script, and what was said meanwhile."""

    def __init__(self, records: int, then: Callable[[RunProgress], None] | None = None) -> None:
        self.said: list[str] = []
        self.alerts: str | None = None
        self._records, self._then = records, then

    def progress(self, progress: RunProgress) -> None:
        if self._then is not None:
            self._then(progress)
        if progress.events == self._records:
            os.kill(os.getpid(), signal.SIGINT)

    def run(
        self, gateway: LiveGateway, folder: Path, orders: dict[str, Any], **more: Any
    ) -> RunResult:
        settings = LiveSettings.model_validate(
            {
                "dataset": DATASET, "symbols": [SYMBOL], "gateway": str(gateway.address),
                "max_lag_ms": 60_000, "alerts": self.alerts,
                "orders": {"waits": {"lag": 60.0}} | orders,
            }
        )  # fmt: skip
        return run_live(
            make_config(CONFIG), settings, name="live", output=folder, seconds=120,
            hooks=Hooks(announce=self.said.append, progress=self.progress), **more,
        )  # fmt: skip


def trades_of(exchange: fx.Exchange) -> Counter[tuple[int, int, int]]:
    """Side, price and lots of all trades of the firm's."""
    return Counter(
        (1 if one[54] == "1" else -1, round(float(one[31]) * 10**9), int(one[32]))
        for one in map(dict, exchange.trades)
    )


def fills_of(result: RunResult) -> Counter[tuple[int, int, int]]:
    rows = result.fills.to_pylist()
    return Counter(
        (1 if one["order_side"] == "BUY" else -1, int(one["last_px"]), int(one["last_qty"]))
        for one in rows
    )


@pytest.mark.timeout(180)
def test_orders_go_to_the_broker_and_its_fills_are_the_runs(
    venue: np.ndarray, tmp_path: Path
) -> None:
    """What the exchange has traded is what the run folder, the rails and the strategy have."""
    session = Session(len(venue))
    with (
        fx.exchanging() as exchange,
        serving(script_of(venue, 10.0)) as gateway,
        filling(exchange, 0.1),
    ):
        live = session.run(gateway, tmp_path / "live", orders_of(exchange, tmp_path))
    assert exchange.broken == []
    assert live.manifest["status"] == "complete"
    assert live.fills.num_rows > 5, session.said
    assert fills_of(live) == trades_of(exchange)
    assert set(exchange.new_orders.values()) == {1}
    assert not [one for one in exchange.orders.values() if one.leaves], "what was open is canceled"
    seen = look_at_account(tmp_path / "account")
    held = exchange.position(SYMBOL)
    assert {s: one.lots for s, one in seen.ledger.positions.items() if one.lots} == (
        {SYMBOL: held} if held else {}
    )
    assert seen.ended
    assert any("ACC1" in text for text in live.manifest["warnings"])
    reasons = set(live.fills.column("reason").to_pylist())
    assert reasons == {"BROKER"}
    # The same data and strategy on paper, held against what really happened.
    paper = run(tmp_path / "live" / "config.yaml", output=tmp_path / "paper")
    assert paper.manifest["status"] == "complete"
    apart = reconcile_run(tmp_path / "paper", tmp_path / "live" / "fills.parquet", within="1s")
    assert apart["live"] == live.fills.num_rows
    told = "\n".join([*session.said, *map(str, live.manifest["warnings"])])
    assert fx.PASSWORD not in told


@pytest.mark.long
@pytest.mark.timeout(300)
def test_what_is_held_is_closed_at_the_end_and_known_to_the_next_session(
    venue: np.ndarray, tmp_path: Path
) -> None:
    """The first session keeps its position, the second one begins with it and closes it."""
    with fx.exchanging() as exchange:
        script = script_of(venue, 8.0)
        with serving(script) as gateway, filling(exchange, 0.05):
            first = Session(len(venue))
            kept = first.run(gateway, tmp_path / "a", orders_of(exchange, tmp_path))
        held = exchange.position(SYMBOL)
        assert held != 0, "drawn so that it is"
        assert position_of(kept) == held
        before = len(exchange.trades)
        for side, price in (("1", 1.0), ("2", 99_999.0)):  # somebody takes whatever comes
            exchange.quote(SYMBOL, side, price, 10_000)
        with serving(script_of(venue, 8.0)) as gateway:
            second = Session(len(venue))
            settings = orders_of(exchange, tmp_path, on_end="flatten")
            closed = second.run(gateway, tmp_path / "b", settings)
    assert exchange.position(SYMBOL) == 0
    assert position_of(closed) == 0
    assert any("the account holds" in text for text in second.said), second.said
    assert any("the rails" in text and "lots of" in text for text in second.said), second.said
    rows = closed.fills.to_pylist()
    assert rows[0]["client_order_id"] == "account-1"
    assert int(rows[0]["last_qty"]) == abs(held)
    at_venue = trades_of(exchange) - Counter()
    since = Counter(
        (1 if one[54] == "1" else -1, round(float(one[31]) * 10**9), int(one[32]))
        for one in map(dict, exchange.trades[before:])
    )
    assert sum(at_venue.values()) >= sum(since.values())
    first_row = (rows[0]["order_side"] == "BUY") * 2 - 1
    assert fills_of(closed) - Counter({(first_row, int(rows[0]["last_px"]), abs(held)): 1}) == since


def rails_pid(folder: Path) -> int:
    return int(json.loads((folder / "lease.lock").read_bytes())["pid"])


def position_of(result: RunResult) -> int:
    return sum(
        int(one["last_qty"]) * (1 if one["order_side"] == "BUY" else -1)
        for one in result.fills.to_pylist()
    )


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_kill_switch_stops_it_and_the_next_session_waits_for_a_person(
    venue: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "account"
    with fx.exchanging() as exchange, taking() as taker:
        monkeypatch.setenv("TAPEWIRE_TEST_ALERTS", taker.url)

        def kill(progress: RunProgress) -> None:
            if len(exchange.new_orders) > 3 and not (folder / "KILL").exists():
                kill_switch(folder, "enough")

        with serving(script_of(venue, 12.0)) as gateway:
            session = Session(len(venue), kill)
            session.alerts = "TAPEWIRE_TEST_ALERTS"
            killed = session.run(gateway, tmp_path / "a", orders_of(exchange, tmp_path))
        posted = [one["text"] for one in taker.taken]
        assert any("KILLED: enough" in text for text in posted), posted
        assert posted[-1] == "the session is complete"
        sent = len(exchange.new_orders)
        assert sent > 0
        assert not [one for one in exchange.orders.values() if one.leaves]
        assert any("KILLED: enough" in text for text in killed.manifest["warnings"])
        with serving(script_of(venue, 3.0)) as gateway:
            after = Session(len(venue)).run(gateway, tmp_path / "b", orders_of(exchange, tmp_path))
        assert len(exchange.new_orders) == sent, "no order left"
        assert after.manifest["status"] == "complete"
        reasons = set(after.orders.column("reason").to_pylist())
        assert reasons == {"RAILS"} or not reasons


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "refusals",  # each next try comes twice as late, from 1 s on: at most for about a minute
    [
        pytest.param(0, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long),
        pytest.param(6, marks=pytest.mark.soak),
    ],
)  # fmt: skip
def test_a_broker_that_is_cut_off_for_a_while(
    venue: np.ndarray, tmp_path: Path, refusals: int
) -> None:
    """Nothing is sent twice, what happened meanwhile is known afterwards."""
    with fx.exchanging() as exchange:
        cuts: list[threading.Timer] = []

        def cut(progress: RunProgress) -> None:
            if len(exchange.new_orders) > 3 and not cuts:
                exchange.faults.logons.extend(["cut"] * refusals)
                cuts.append(threading.Timer(0.0, exchange.cut))
                cuts[0].start()

        with serving(script_of(venue, 16.0 + 2**refusals)) as gateway, filling(exchange, 0.1):
            session = Session(len(venue), cut)
            live = session.run(gateway, tmp_path / "live", orders_of(exchange, tmp_path))
    assert cuts
    assert any("the broker is away" in text for text in session.said), session.said
    assert set(exchange.new_orders.values()) == {1}
    assert fills_of(live) == trades_of(exchange)
    assert position_of(live) == exchange.position(SYMBOL)
    assert not [one for one in exchange.orders.values() if one.leaves]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_rails_that_are_lost_end_the_session_and_a_held_account_is_refused(
    venue: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "account"

    def kill(progress: RunProgress) -> None:
        if progress.events > 1_500 and not killed:
            killed.append(rails_pid(folder))
            os.kill(killed[0], signal.SIGKILL)

    killed: list[int] = []

    with fx.exchanging() as exchange, serving(script_of(venue, 8.0)) as gateway:
        session = Session(len(venue), kill)
        with pytest.raises(PeerLostError, match="the rails"):
            session.run(gateway, tmp_path / "live", orders_of(exchange, tmp_path))
    assert RunResult.load(tmp_path / "live").manifest["status"] == "incomplete"


def test_what_can_not_be_sent_is_refused_before_anything_starts(
    tmp_path: Path, tapewire_here: TapewireHere
) -> None:
    def said(text: str, *words: str) -> str:
        path = tmp_path / "session.yaml"
        path.write_text(text)
        told = tapewire_here("live", str(path), *words, "-o", str(tmp_path / "out"))
        assert told.returncode != 0
        assert not (tmp_path / "out").exists()
        return told.stderr

    backtest = "backtest: {data_source: {type: databento, files: [a.dbn]}}\n"
    live = "live: {dataset: GLBX.MDP3, symbols: [Y], orders: {account: A1, folder: f, %s}}\n"
    fix = "broker: {type: fix}"
    one = "strategy: {type: market_maker}\n"
    two = "strategy: [{type: market_maker, name: a}, {type: market_maker, name: b}]\n"
    assert "expected one strategy in an account, found 2" in said(backtest + two + live % fix)
    real = live % f"{fix}, mode: live"
    assert "expected the role 'live'" in said(backtest + one + real)
    typed = said(backtest + one + real, "--role", "live", "--confirm", "trade A2 live")
    assert "expected 'trade A1 live' to be typed" in typed
    assert "live.orders.broker" in said(backtest + one + live % "broker: {}")
    assert "live.orders.brokr" in said(backtest + one + live % f"{fix}, brokr: 1")
    assert "live.orders.account" in said(backtest + one + (live % fix).replace("A1", "'A 1'"))
    slow = backtest.replace("}}", "}, execution: {gateway: {max_messages_per_second: 5}}}")
    assert "execution.gateway" in said(slow + one + live % fix)
