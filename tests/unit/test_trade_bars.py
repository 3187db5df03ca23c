"""Bars of trades as they come: those that are made of files, and when each is told."""

import pytest

from converted import TICK, market, minutes_of
from tapewire.candles.columns import BarColumns, BarRow
from tapewire.candles.frames import Timeframes
from tapewire.candles.sessions import SessionClock
from tapewire.candles.trade_bars import TradeBars
from tapewire.errors import ConfigError, InputError
from tapewire.market.records import ACTION_TRADE

S = 10**9
NAMES = ("5m", "1m", "1h", "1d")


@pytest.mark.parametrize("session", ["00:00", "17:00 America/Chicago"])
def test_they_are_the_bars_of_the_same_trades_in_a_file(session: str) -> None:
    records, clock = market(1_500, 8), SessionClock.of(session)
    bars = TradeBars(NAMES, clock)
    found: dict[str, list[BarRow]] = {name: [] for name in NAMES}
    for trade in records[records["action"] == ACTION_TRADE]:
        price = int(trade["price"]) / (TICK * 10**9)
        for name, bar in bars.add(int(trade["ts_recv"]), price, int(trade["size"])):
            found[name].append(bar)
    frames = Timeframes.of(BarColumns.of_candles(minutes_of(records)), "1m", NAMES, clock)
    for name in NAMES:
        expected = list(frames.of_name(name).bars.rows())
        if name == "1m":
            # Where the clock's sessions are not numbered in the file's own bars.
            expected = [
                row._replace(session=clock.span_at(row.ts_event).number) for row in expected
            ]
        assert len(expected) - len(found[name]) in (0, 1)
        assert found[name] == expected[: len(found[name])]
    assert len(found["5m"]) > 50
    assert found["1d"]


def test_of_bars_that_end_together_the_primary_one_is_last() -> None:
    bars = TradeBars(("1m", "5m", "3m"))
    assert bars.add(0, 10.0, 1) == ()
    assert bars.add(30 * S, 12.0, 2) == ()
    assert [name for name, _ in bars.add(60 * S, 9.0, 1)] == ["1m"]
    # One that ended in a gap comes before those that ended later in it.
    ended = bars.add(900 * S, 9.0, 1)
    assert [name for name, _ in ended] == ["1m", "3m", "5m"]
    assert ended[-1][1] == BarRow(0, 10.0, 12.0, 9.0, 9.0, 4.0, 0)
    assert [name for name, _ in bars.add(1_800 * S, 9.0, 1)] == ["1m", "3m", "5m"]
    bars = TradeBars(("5m", "1m"))
    bars.add(299 * S, 1.0, 1)
    assert [name for name, _ in bars.add(300 * S, 1.0, 1)] == ["1m", "5m"]


def test_time_never_goes_back() -> None:
    bars = TradeBars(("1m",))
    bars.add(59 * S, 1.0, 1)
    assert bars.add(60 * S, 2.0, 1)[0][1].close == 1.0
    assert bars.add(58 * S, 3.0, 1) == ()
    assert bars.add(120 * S, 4.0, 1)[0][1] == BarRow(60 * S, 2.0, 3.0, 2.0, 3.0, 2.0, 0)


def test_what_can_not_be_is_said() -> None:
    with pytest.raises(ConfigError, match="expected a timeframe"):
        TradeBars(("1m", "7x"))
    bars = TradeBars(("1m",), SessionClock.of("09:00-17:00"))
    with pytest.raises(InputError, match="expected bars within sessions"):
        bars.add(18 * 3_600 * S, 1.0, 1)


def test_a_clock_is_written_as_it_is_read() -> None:
    for text in ("00:00 UTC", "17:00-16:00 America/Chicago"):
        assert str(SessionClock.of(text)) == text
    assert SessionClock.of("17:00") == SessionClock("UTC", "17:00")
