"""The compiled engine on candles against its slow twin, trade for trade."""

import dataclasses
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive.candles import NaiveEngine
from sums import same_sums
from tapewire.candles import (
    ArrayStrategy,
    BacktestConfig,
    Candles,
    Distance,
    EventDrivenEngine,
    Exits,
    VectorEngine,
)
from tapewire.candles._bits import pack_within
from tapewire.candles.engine import Played
from tapewire.candles.signals import signal_codes
from tapewire.candles.tallies import (
    Outline,
    Tallied,
    can_tally,
    planes_of,
    tally_planes,
)
from tapewire.compiled.units import NS_PER_S

MINUTE = 60 * NS_PER_S
START = 1_709_942_400 * NS_PER_S  # 9 March 2024: New York changes its clocks the day after
SIGNALS = ("EL", "XL", "ES", "XS")
NAMES = ("entry_long", "exit_long", "entry_short", "exit_short")
REASONS = ("", "signal", "stop", "target", "clock", "end", "trailing", "time")


def random_candles(draw: random.Random, n: int, *, base: int = 400) -> Candles:
    """Few ticks, so that levels are met exactly; gaps in price and in time."""
    interval = draw.choice((1, 15, 60, 240)) * MINUTE
    rows, ts, price = [], START + draw.randrange(2000) * MINUTE, base
    for _ in range(n):
        opened = price + draw.choice((0, 0, 0, 1, -1, 9, -9))
        close = opened + draw.randint(-5, 5)
        high = max(opened, close) + draw.choice((0, 1, 6))
        low = min(opened, close) - draw.choice((0, 1, 6))
        rows.append((ts, opened, high, low, close))
        price = close
        ts += interval * draw.choice((1, 1, 1, 1, 3))
    columns = np.array(rows, np.int64).T
    tick = 250_000_000
    return Candles.of(
        columns[0], *(columns[1:5] * tick), np.ones(n, np.int64), tick_size=tick,
        interval_ns=interval,
    )  # fmt: skip


def random_distance(draw: random.Random) -> Distance | None:
    kind = draw.choice((None, "fixed", "percent", "atr"))
    if kind is None:
        return None
    values = {"fixed": (0.25, 1.0, 2.0), "percent": (0.25, 0.5, 2.0), "atr": (0.5, 1.0, 2.0)}
    return Distance(kind, draw.choice(values[kind]))


def random_exits(draw: random.Random) -> dict[str, Any]:
    return {
        "stop_loss": random_distance(draw),
        "take_profit": random_distance(draw),
        "trailing_stop": random_distance(draw) if draw.random() < 0.5 else None,
        "time_exit": draw.choice((None, None, 1, 3, 20)),
    }


def random_config(draw: random.Random) -> BacktestConfig:
    sizing = draw.choice(({}, {"quantity": 2.0}, {"risk_per_trade": 1.5}, {"risk_per_trade": 90.0}))
    clock = {}
    if draw.random() < 0.4:
        clock = {"close_at": draw.choice(("00:00", "15:45", "23:00"))}
        if draw.random() < 0.5:
            clock["open_at"] = draw.choice(("00:30", "15:45", "17:15"))
    return BacktestConfig(
        initial_balance=draw.choice((500.0, 100_000.0)),
        commission_rate=draw.choice((0.0, 0.0007)),
        commission_per_unit=draw.choice((0.0, 0.02)),
        slippage_bps=draw.choice((0.0, 3.0)),
        max_positions=draw.choice((1, 1, 3)),
        whole_units=draw.random() < 0.3,
        point_value=draw.choice((1.0, 50.0)),
        entry=draw.choice(("next_open", "close")),
        within_bar=draw.choice(("chronological", "stop_first", "pessimistic", "optimistic")),
        short=Exits(**random_exits(draw)) if draw.random() < 0.3 else None,
        **random_exits(draw),
        time_zone=draw.choice(("UTC", "America/New_York")),
        **clock,
        **sizing,
    )


def random_signals(draw: random.Random, n: int) -> list[set[str]]:
    often = draw.choice((0.02, 0.1, 0.4))
    return [{name for name in SIGNALS if draw.random() < often} for _ in range(n)]


def arrays(signals: list[set[str]]) -> dict[str, Any]:
    return {
        name: np.array([code in said for said in signals])
        for name, code in zip(NAMES, SIGNALS, strict=True)
    }


def rows(candles: Candles) -> list[tuple[int, ...]]:
    columns = (candles.ts_event, candles.open, candles.high, candles.low, candles.close)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def naive(candles: Candles, config: BacktestConfig, signals: Any, atr: Any) -> NaiveEngine:
    twin = NaiveEngine(config, candles.tick, candles.interval_ns)
    return twin.run(rows(candles), signals, atr)


def trades_of(result: Any) -> list[tuple[Any, ...]]:
    return [
        (
            "LONG" if one["direction"] > 0 else "SHORT", one["entry_bar"], one["exit_bar"],
            REASONS[one["reason"]],
        )
        for one in result.trade_records
    ]  # fmt: skip


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_the_engine_trades_as_its_slow_twin(seed: int) -> None:
    draw = random.Random(seed)
    n = draw.choice((1, 2, 7, 8, 9, 60, 150))
    candles = random_candles(draw, n, base=draw.choice((400, 400, 5)))
    config = random_config(draw)
    signals = random_signals(draw, n)
    atr = [float("nan")] * 3 + [draw.choice((0.0, 2.0, 5.0)) for _ in range(n)]
    twin = naive(candles, config, signals, atr[:n])
    result = VectorEngine(config).run(candles, **arrays(signals), atr=np.array(atr[:n]))
    expected = [(t.side, t.entry_bar, t.exit_bar, t.reason) for t in twin.trades]
    assert trades_of(result) == expected
    for name, wanted in (("quantity", "quantity"), ("entry_px", "entry"), ("exit_px", "exit")):
        found = result.trade_records[name]
        np.testing.assert_allclose(found, [getattr(t, wanted) for t in twin.trades], rtol=1e-9)
    np.testing.assert_allclose(
        result.trade_records["pnl"], [t.pnl for t in twin.trades], rtol=1e-9, atol=1e-6
    )
    np.testing.assert_allclose(result.equity, twin.equity, rtol=1e-9, atol=1e-6)
    assert result.summary["refused"] == twin.refused
    assert result.final_balance == pytest.approx(twin.balance, rel=1e-9, abs=1e-6)
    strategy = ArrayStrategy(n, **arrays(signals))
    by_bar = EventDrivenEngine(config).run(candles, strategy, atr=np.array(atr[:n]))
    same_results(by_bar, result)


def same_results(a: Any, b: Any) -> None:
    """Trade for trade, bar for bar, sum for sum."""
    assert trades_of(a) == trades_of(b)
    for name in b.trade_records.dtype.names:
        np.testing.assert_allclose(
            a.trade_records[name], b.trade_records[name], rtol=1e-9, atol=1e-6, err_msg=name
        )
    np.testing.assert_allclose(a.equity, b.equity, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(a.daily, b.daily, rtol=1e-9, atol=1e-6)
    for name in b.summary.dtype.names:
        if name not in ("streak", "open", "day"):
            assert a.summary[name] == pytest.approx(b.summary[name], rel=1e-9, abs=1e-6), name


def test_random_runs_reach_every_way_out() -> None:
    """What the property compares is there: every reason, both sides, several at once."""
    found, sides, several = set(), set(), False
    for seed in range(150):
        draw = random.Random(seed)
        candles, config = random_candles(draw, 60), random_config(draw)
        twin = naive(candles, config, random_signals(draw, 60), [2.0] * 60)
        found |= {trade.reason for trade in twin.trades}
        sides |= {trade.side for trade in twin.trades}
        several |= any(
            a.entry_bar < b.entry_bar < a.exit_bar for a in twin.trades for b in twin.trades
        )
    assert found == set(REASONS) - {""}
    assert sides == {"LONG", "SHORT"}
    assert several


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 59))
def test_a_changed_future_changes_nothing_before(seed: int, cut: int) -> None:
    draw = random.Random(seed)
    candles, config, signals = (
        random_candles(draw, 60), random_config(draw), random_signals(draw, 60)
    )  # fmt: skip
    other = random_candles(random.Random(seed + 1), 60)
    changed = Candles(
        candles.ts_event,
        *(
            np.r_[getattr(candles, name)[:cut], getattr(other, name)[cut:]]
            for name in ("open", "high", "low", "close")
        ),
        candles.volume, candles.tick_size, candles.interval_ns,
    )  # fmt: skip
    said = [*signals[:cut], *random_signals(draw, 60 - cut)]
    atr = np.full(60, 3.0)
    before = VectorEngine(config).run(candles, **arrays(signals), atr=atr)
    after = VectorEngine(config).run(changed, **arrays(said), atr=atr)
    np.testing.assert_array_equal(before.equity[:cut], after.equity[:cut])
    ended = [trade for trade in trades_of(before) if trade[2] < cut]
    assert [trade for trade in trades_of(after) if trade[2] < cut] == ended


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_sums_are_those_of_the_engine(seed: int) -> None:
    """Signals of all kinds, often and seldom, over several tiles and words; some prices float."""
    draw = random.Random(seed)
    n = draw.choice((1, 2, 8, 63, 64, 65, 150, 1024, 1025, 2600))
    candles = random_candles(draw, n, base=draw.choice((400, 400, 4000, 5)))
    if draw.random() < 0.2:
        floats = [
            getattr(candles, name).astype(np.float64) for name in ("open", "high", "low", "close")
        ]
        candles = Candles(
            candles.ts_event, *floats, candles.volume, candles.tick_size, candles.interval_ns
        )
    plain = {"max_positions": 1, "short": None, "trailing_stop": None, "time_exit": None}
    config = dataclasses.replace(random_config(draw), **plain)
    seldom = [{name for name in SIGNALS if draw.random() < 0.004} for _ in range(n)]
    signals = random_signals(draw, n) if draw.random() < 0.6 else seldom
    atr = [float("nan")] * 3 + [draw.choice((0.0, 2.0, 5.0, 60.0)) for _ in range(n)]
    one = VectorEngine(config).run(candles, **arrays(signals), atr=np.array(atr[:n]))
    played = Played.of(candles, config, np.array(atr[:n]))
    assert can_tally(played.terms)
    tallied = Tallied(played, Outline.of(candles))
    planes = planes_of(signal_codes(n, **arrays(signals)))
    summaries, daily = tally_planes(tallied, planes, np.repeat(played.terms, 2))
    for v in range(2):
        same_sums(summaries[v], one.summary)
        np.testing.assert_array_equal(daily[v], one.daily)


def test_what_asks_for_more_is_not_for_the_quick_kernel() -> None:
    assert can_tally(BacktestConfig().terms(1.0))
    assert not can_tally(BacktestConfig(max_positions=2).terms(1.0))
    assert not can_tally(BacktestConfig(time_exit=5).terms(1.0))
    assert not can_tally(BacktestConfig(trailing_stop=Distance("fixed", 4.0)).terms(1.0))
    other = np.zeros(1, [*BacktestConfig().terms(1.0).dtype.descr, ("yet_another", "i8")])
    other["max_positions"] = 1
    assert can_tally(other)
    other["yet_another"] = 2
    assert not can_tally(other)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_bits_and_extremes_are_those_of_each_bar(seed: int) -> None:
    draw = random.Random(seed)
    n = draw.choice((1, 7, 64, 65, 200))
    candles = random_candles(draw, n)
    values = np.array([draw.choice((float("nan"), 1.0, 2.0, 3.0)) for _ in range(n)])
    least, most = sorted((draw.choice((1.0, 2.0, 4.0)), draw.choice((1.0, 2.0, float("inf")))))
    bits = np.empty(-(-n // 64), np.int64)
    pack_within(values, least, most, bits)
    assert bools(bits, n) == [least <= value <= most for value in values.tolist()]
    signals = random_signals(draw, n)
    codes = signal_codes(n, **arrays(signals))
    entries, longs, long_exits, short_exits = (bools(row, n) for row in planes_of(codes))
    assert longs == [bool(code & 1) for code in codes.tolist()]
    assert entries == [bool(code & 5) for code in codes.tolist()]
    assert long_exits == [bool(code & 2) for code in codes.tolist()]
    assert short_exits == [bool(code & 8) for code in codes.tolist()]
    for table, size in zip(Outline.of(candles).tables, (8, 64), strict=True):
        for k in range(-(-n // size)):
            part = slice(k * size, (k + 1) * size)
            assert table[:, k].tolist() == [
                candles.low[part].min(), candles.high[part].max(), candles.close[part].min(),
                candles.close[part].max(),
            ]  # fmt: skip


def bools(bits: Any, n: int) -> list[bool]:
    found = [bool(int(word) >> k & 1) for word in bits for k in range(64)]
    assert not any(found[n:])
    return found[:n]
