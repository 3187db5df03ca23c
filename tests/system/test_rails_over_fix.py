"""Rails over FIX against an exchange on this host: cut, killed, begun again, nothing sent twice."""

import contextlib
import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

import fix_exchange as fx
from fix_venue import PRICE, VARIABLE, settings
from rails_desks import UNIT, settings_of
from rails_engines import WAITS
from tapewire.errors import PeerLostError
from tapewire.execution.codes import OrderType, Side, TimeInForce
from tapewire.live.orders import NewOrder, OrderFilled
from tapewire.live.rails.journal import Journal
from tapewire.live.rails.line import RailsLine
from tapewire.live.rails.messages import DataState, MarketNow, RailsState
from tapewire.live.rails.settings import BrokerChoice, RailsInstrument, RailsSettings
from tapewire.market.records import UNDEF_PRICE

SYMBOL = "ESM5"
PATIENCE_S = 40.0


class Trader:
    def __init__(self, asked: RailsSettings) -> None:
        self.line = RailsLine(asked)
        self.line.data(0, DataState.SOUND)
        self.heard: list[object] = []

    def until(self, holds: object) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not holds():  # type: ignore[operator]
            self.heard += self.line.poll(0.05)
            assert time.monotonic() < end_s, (self.line.why, self.heard[-5:])

    def until_active(self) -> None:
        self.until(lambda: self.line.state == RailsState.ACTIVE)

    def buy(self, lots: int) -> str:
        tick = UNIT // 4
        self.line.market(MarketNow(SYMBOL, PRICE, PRICE + tick, PRICE, 0))
        name = self.line.next_id()
        self.line.send(
            NewOrder(name, "one", SYMBOL, int(Side.BUY), int(OrderType.LIMIT),
                     int(TimeInForce.GTC), PRICE, UNDEF_PRICE, lots, False, False, time.time_ns())
        )  # fmt: skip
        return name


@pytest.mark.long
def test_a_session_over_fix_that_is_cut_killed_and_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    with fx.exchanging() as exchange:
        options = dataclasses.asdict(settings(exchange, tmp_path / "fix"))
        options["folder"] = str(tmp_path / "fix")
        choice = BrokerChoice(factory="tapewire.live.brokers.fix.opening:open_fix", options=options)
        asked = settings_of(
            tmp_path / "account", broker=choice, waits=WAITS,
            instruments={SYMBOL: RailsInstrument(multiplier_num=50)},
        )  # fmt: skip
        trader = Trader(asked)
        with contextlib.closing(trader.line):
            trader.until_active()
            first = trader.buy(5)
            trader.until(lambda: exchange.new_orders[first] == 1)
            exchange.faults.orders.append("cut_after")
            second = trader.buy(3)
            trader.until(lambda: trader.line.state != RailsState.ACTIVE)
            trader.until_active()
            exchange.trade(first, 2)
            trader.until(lambda: any(isinstance(one, OrderFilled) for one in trader.heard))
            exchange.faults.orders.append("cut_before")
            third = trader.buy(1)
            with contextlib.suppress(PeerLostError):
                trader.until(lambda: trader.line.state != RailsState.ACTIVE)
                os.kill(trader.line.pid, signal.SIGKILL)
                trader.until(lambda: False)
        exchange.trade(second, 1)
        trader = Trader(asked)
        with contextlib.closing(trader.line):
            trader.until_active()
            text = trader.line.end().text
        assert text == "the session was ended; left: +3 lots of ESM5"
        assert (exchange.new_orders[first], exchange.new_orders[second]) == (1, 1)
        assert exchange.new_orders[third] <= 1
    ledger = Journal(tmp_path / "account", print).ledger
    assert ledger.position(SYMBOL).lots == 3
    assert not ledger.open
    assert [ledger.ended[name].filled for name in (first, second)] == [2, 1]
    for path in (tmp_path / "account").iterdir():
        assert fx.PASSWORD.encode() not in path.read_bytes()
