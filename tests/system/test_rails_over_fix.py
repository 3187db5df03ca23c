"""Rails over FIX against an exchange on this host: cut, killed, begun again, nothing sent twice."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

import fix_exchange as fx
from fix_traders import SYMBOL, Trader, account_over_fix
from fix_venue import VARIABLE
from tapewire.errors import PeerLostError
from tapewire.live.orders import OrderFilled
from tapewire.live.rails.journal import Journal
from tapewire.live.rails.messages import RailsState


@pytest.mark.long
def test_a_session_over_fix_that_is_cut_killed_and_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    with fx.exchanging() as exchange:
        asked = account_over_fix(exchange, tmp_path / "account", tmp_path / "fix")
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
