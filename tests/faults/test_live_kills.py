"""A live session at a broker, one of whose processes is killed at any moment.

Nothing is sent twice, nothing is unaccounted: what the exchange has traded is what the account's
journal has, and behind the next session nothing is open.
"""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fix_exchange as fx
from conftest import Tapewire
from fix_venue import VARIABLE
from killing import Scene, started
from live_gateway import DATASET, KEY, serving
from live_sessions import SYMBOL, filling, orders_of, script_of
from model_runs import alive
from soaking import Soak
from tapewire.live.orders import OrderFilled
from tapewire.live.rails.journal import journal_files
from tapewire.live.rails.journal import read_records as read_records_of
from tapewire.live.rails.looking import look_at_account
from tapewire.replay.source import read_records

#: Kills of each in the full form.
KILLS = 30
VICTIMS = ("command", "stream", "rails")
#: Of so many kills the moment is drawn from the first order on, of the others from the start.
TRADES = 0.8
#: From the gateway's first record to its last, s; and the longest that anything may take.
LASTS_S, TIMEOUT_S = 12.0, 90.0
#: Rails cancel what is open and end, once who they work for is gone for `2 * waits.beat`.
GONE_S = 15.0


class Site:
    """A gateway's data, an exchange and an account that outlive all sessions."""

    def __init__(self, folder: Path, records: np.ndarray, exchange: fx.Exchange) -> None:
        self.folder, self._records, self.exchange = folder, records, exchange
        self._sessions = 0

    def scene(self, gateway: object) -> Scene:
        """A session in a folder of its own."""
        self._sessions += 1
        folder = self.folder / str(self._sessions)
        folder.mkdir()
        orders = orders_of(self.exchange, self.folder)
        content: dict[str, Any] = {
            "backtest": {"data_source": {"type": "databento", "files": ["live.dbn"]}},
            "strategy": {"type": "market_maker"},
            "live": {
                "dataset": DATASET, "symbols": [SYMBOL], "gateway": str(gateway),
                "max_lag_ms": 60_000, "orders": orders | {"waits": {"lag": 60.0}},
            },
        }  # fmt: skip
        (folder / "session.yaml").write_text(json.dumps(content))
        return Scene(folder, ("live", "session.yaml", "--for", str(LASTS_S), "-q"))

    @contextmanager
    def market(self) -> Iterator[Any]:
        with serving(script_of(self._records, LASTS_S)) as gateway, filling(self.exchange, 0.1):
            yield gateway

    def play_kill(
        self,
        command: Callable[..., list[str]],
        victim: str,
        draw: random.Random,
        *,
        last_s: float = LASTS_S,
    ) -> str:
        """Kill one process at a drawn moment, mostly behind a first order; say when, in words.

        It comes ``last_s`` later at the most, when that one may be done.
        """
        before = sum(self.exchange.new_orders.values())
        with self.market() as gateway, started(self.scene(gateway.address), command) as one:
            pids = one.wait_for(victim)
            trades = draw.random() < TRADES
            while trades and before == sum(self.exchange.new_orders.values()):
                assert time.monotonic() < one.began_s + TIMEOUT_S
                if one.process.poll() is not None:
                    break
                time.sleep(0.02)
            moment_s = draw.uniform(0.0, last_s)
            while time.monotonic() < one.began_s + TIMEOUT_S and moment_s > 0 and pids:
                time.sleep(min(0.1, moment_s))
                moment_s -= 0.1
                pids = [pid for pid in pids if alive(pid)]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            sent = sum(self.exchange.new_orders.values())
            where = f"{victim} killed, {sent} orders sent by then" if pids else f"{victim} was done"
            error = one.wait(TIMEOUT_S)
            one.require_gone(time.monotonic() + GONE_S)
            code = one.process.returncode
        assert code == 0 or pids, (where, error)
        if code > 0:
            assert error.startswith("error: "), (where, error)
            assert "Traceback" not in error, (where, error)
        if victim != "rails":
            assert self.open_orders() == [], where
        self.require_sent_once(where)
        return where

    def open_orders(self) -> list[str]:
        with self.exchange.lock:
            return [one.first for one in self.exchange.orders.values() if one.leaves]

    def require_sent_once(self, where: str) -> None:
        twice = [name for name, times in self.exchange.new_orders.items() if times != 1]
        assert twice == [], (where, twice)
        assert self.exchange.broken == [], where

    def require_accounted(self, command: Callable[..., list[str]]) -> None:
        """One more session, undisturbed: behind it all is known, and nothing is open."""
        with self.market() as gateway, started(self.scene(gateway.address), command) as one:
            error = one.wait(TIMEOUT_S)
            assert one.process.returncode == 0, error
            one.require_gone(time.monotonic() + GONE_S)
        assert self.open_orders() == []
        self.require_sent_once("at the end")
        seen = look_at_account(self.folder / "account")
        held = self.exchange.position(SYMBOL)
        assert {s: one.lots for s, one in seen.ledger.positions.items() if one.lots} == (
            {SYMBOL: held} if held else {}
        )
        assert not seen.ledger.unknown
        journaled = [
            one.execution_id
            for path in journal_files(self.folder / "account")
            for one in read_records_of(path)
            if isinstance(one, OrderFilled)
        ]
        assert len(set(journaled)) == len(journaled) == len(self.exchange.trades)


@pytest.fixture
def site(tmp_path: Path, synthetic_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    _, records = read_records(synthetic_file)
    with fx.exchanging() as exchange:
        yield Site(tmp_path, records[:3_000].copy(), exchange)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_session_at_a_broker_killed_once(site: Site, tapewire: Tapewire, victim: str) -> None:
    draw = random.Random(VICTIMS.index(victim))
    where = site.play_kill(tapewire.command, victim, draw, last_s=LASTS_S / 3)
    assert "killed" in where
    site.require_accounted(tapewire.command)


@pytest.mark.soak
@pytest.mark.parametrize("victim", VICTIMS)
def test_sessions_at_a_broker_killed_at_random_moments(
    site: Site, tapewire: Tapewire, soak: Soak, victim: str
) -> None:
    told: list[str] = []
    count = soak.seeds(
        KILLS,
        lambda seed: told.append(site.play_kill(tapewire.command, victim, random.Random(seed))),
    )
    site.require_accounted(tapewire.command)
    killed = sum("killed" in where for where in told)
    assert killed > count // 2
    sent = sum(site.exchange.new_orders.values())
    fills = len(site.exchange.trades)
    soak.say(f"{killed} of {count} times {victim} killed, {sent} orders, {fills} fills; none "
             "twice, none unaccounted")  # fmt: skip
