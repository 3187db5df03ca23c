"""Moving averages that cross, against whole-number arithmetic done one bar at a time."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naive.elephants import naive_atr
from sums import same_sums
from tapewire.candles import BacktestConfig, Candles, Distance, VectorEngine
from tapewire.candles.crossovers import crossover_codes, sweep_crossovers
from tapewire.errors import ConfigError

MINUTE = 60 * 10**9


def walk(draw: random.Random, n: int) -> Candles:
    """Closes that often repeat, so that averages often meet."""
    closes = [50]
    for _ in range(n - 1):
        closes.append(closes[-1] + draw.choice((-1, 0, 0, 1)))
    close = np.array(closes)
    open_ = np.r_[close[:1], close[:-1]]
    high, low = np.maximum(open_, close) + 1, np.minimum(open_, close) - 1
    columns = [column * 10**9 for column in (open_, high, low, close)]
    return Candles.of(np.arange(n) * MINUTE, *columns, np.ones(n, np.int64), tick_size=10**9)


def naive_crossings(closes: list[int], fast: int, slow: int) -> list[int]:
    """1 where the fast average goes above the slow one, -1 where below, else 0."""
    said, last = [], 0
    for i in range(len(closes)):
        sign = 0
        if i >= slow - 1:
            a, b = sum(closes[i + 1 - fast : i + 1]), sum(closes[i + 1 - slow : i + 1])
            sign = (a * slow > b * fast) - (a * slow < b * fast)
        said.append(sign if sign * last < 0 else 0)
        last = sign or last
    return said


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_crossings_and_sweeps_are_those_of_one_run_at_a_time(seed: int) -> None:
    draw = random.Random(seed)
    candles = walk(draw, draw.choice((12, 100, 700)))
    pairs = [sorted(draw.sample(range(1, 13), 2)) for _ in range(4)]
    config = BacktestConfig(
        commission_rate=0.0001, slippage_bps=1.0, entry=draw.choice(("next_open", "close")),
        stop_loss=draw.choice((None, Distance("fixed", 3.0), Distance("atr", 1.5, 4))),
        take_profit=draw.choice((None, Distance("atr", 3.0, 4), Distance("atr", 3.0, 9))),
        max_positions=draw.choice((1, 1, 2)),
    )  # fmt: skip
    short = draw.random() < 0.5
    names = ("ts_event", "open", "high", "low", "close", "volume")
    rows = list(zip(*(getattr(candles, name).tolist() for name in names), strict=True))
    ranges = {period: np.array(naive_atr(rows, period)) for period in (4, 9)}
    summaries, daily = sweep_crossovers(candles, pairs, config, short=short)
    for (fast, slow), summary, days in zip(pairs, summaries, daily, strict=True):
        said = np.array(naive_crossings(candles.close.tolist(), fast, slow))
        codes = crossover_codes(candles, fast, slow, short=short)
        np.testing.assert_array_equal(codes, np.select([said > 0, said < 0], [9, 6]) if short
                                      else np.select([said > 0, said < 0], [1, 2]))  # fmt: skip
        turn = {"entry_short": said < 0, "exit_short": said > 0} if short else {}
        one = VectorEngine(config).run(
            candles, entry_long=said > 0, exit_long=said < 0, atr=ranges, **turn
        )
        same_sums(summary, one.summary)
        np.testing.assert_array_equal(one.daily, days)


def test_lengths_that_cannot_be_are_refused() -> None:
    candles = walk(random.Random(1), 30)
    for pairs in ([[5, 5]], [[0, 3]], [[5, 31]]):
        with pytest.raises(ConfigError, match="expected 1 <= fast < slow <= 30"):
            sweep_crossovers(candles, pairs)
    with pytest.raises(ConfigError, match=r"expected whole numbers \(m, 2\)"):
        sweep_crossovers(candles, [1, 2])
