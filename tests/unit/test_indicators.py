"""Indicators: published and hand-worked values, their definitions, streams, what is refused."""

import math
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bars import bars_of, walk
from naive import indicators as naive
from tapewire.candles.columns import BarColumns
from tapewire.candles.indicators import (
    INDICATORS,
    find_indicator,
    indicator,
    indicator_stream,
    parameters_of,
)
from tapewire.errors import ConfigError, InputError

NAN = math.nan
#: Closes and Wilder's RSI of 14 days of them, as StockCharts' ChartSchool publishes them.
RSI_CLOSES = (
    44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826,
    45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439,
    46.2122, 46.2521, 45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672,
    43.4205, 42.6628, 43.1314,
)  # fmt: skip
RSI_VALUES = (
    70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99,
    41.46, 41.87, 45.46, 37.30, 33.08, 37.77,
)  # fmt: skip


def test_rsi_is_that_of_the_published_table() -> None:
    found = indicator("rsi", bars_of(RSI_CLOSES))["rsi"]
    assert np.isnan(found[:14]).all()
    assert found[14:].round(2).tolist() == list(RSI_VALUES)


#: (indicator, parameters, columns, output → values), worked out by hand from the formulas.
HAND_WORKED: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, list[float]]]] = [
    ("sma", {"period": 3}, {"close": [1, 2, 6, 4]}, {"sma": [NAN, NAN, 3, 4]}),
    ("ema", {"period": 3}, {"close": [1, 2, 6, 5, 9]}, {"ema": [NAN, NAN, 3, 4, 6.5]}),
    ("wma", {"period": 3}, {"close": [1, 2, 6, 0]}, {"wma": [NAN, NAN, 23 / 6, 14 / 6]}),
    ("sma_cross", {"fast": 2, "slow": 3}, {"close": [1, 2, 6, 4]},
     {"difference": [NAN, NAN, 1, 1], "fast": [NAN, 1.5, 4, 5], "slow": [NAN, NAN, 3, 4]}),
    # Gains 2, 0, 4 and losses 0, 1, 0: means 1 and 1/2, then (1 + 4) / 2 and 1/4.
    ("rsi", {"period": 2}, {"close": [10, 12, 11, 15]}, {"rsi": [NAN, NAN, 200 / 3, 1000 / 11]}),
    ("rsi", {"period": 2}, {"close": [7, 7, 7, 7]}, {"rsi": [NAN, NAN, 0, 0]}),
    # True ranges 4 (high 12 above close 8), 3, then 5 (low 5 below close 10).
    ("atr", {"period": 2},
     {"high": [9, 12, 11, 9], "low": [7, 9, 8, 5], "close": [8, 10, 10, 6]},
     {"atr": [NAN, NAN, 3.5, 4.25]}),
    # Movements up 3, 0 and 0, down 0, 1 and 3; true ranges 4, 3 and 5. Sums after the second bar
    # 3, 0, 4; after the third 1.5, 1, 5; after the fourth .75, 3.5, 7.5. Index 20, then 1100/17.
    ("adx", {"period": 2},
     {"high": [9, 12, 11, 9], "low": [7, 9, 8, 5], "close": [8, 10, 10, 6]},
     {"adx": [NAN, NAN, NAN, (20 + 1100 / 17) / 2], "plus_di": [NAN, NAN, 30, 10],
      "minus_di": [NAN, NAN, 20, 140 / 3]}),
    # Mean 4, distances 2, 1, 3 (mean 2): (7 − 4) / 0.03.
    ("cci", {"period": 3}, {"close": [2, 3, 7]}, {"cci": [NAN, NAN, 100]}),
    ("bbands", {"period": 2, "width": 2.0}, {"close": [1, 3, 3]},
     {"middle": [NAN, 2, 3], "upper": [NAN, 4, 3], "lower": [NAN, 0, 3]}),
    ("stddev", {"period": 4}, {"close": [2, 2, 4, 8]}, {"stddev": [NAN, NAN, NAN, math.sqrt(6)]}),
    ("stochastic", {"period": 2, "smooth": 1, "signal": 2},
     {"high": [4, 6, 6], "low": [2, 4, 5], "close": [3, 5, 6]},
     {"k": [NAN, NAN, 100], "d": [NAN, NAN, 87.5]}),
    ("williams_r", {"period": 2}, {"high": [4, 6], "low": [2, 4], "close": [3, 5]},
     {"williams_r": [NAN, -25]}),
    ("momentum", {"period": 2}, {"close": [5, 6, 8]}, {"momentum": [NAN, NAN, 3]}),
    ("roc", {"period": 2}, {"close": [5, 6, 8]}, {"roc": [NAN, NAN, 60]}),
    # Averages of 2 and 3 both from the third bar on: 4 − 3, then 14/3 − 4; signal of 1.
    ("macd", {"fast": 2, "slow": 3, "signal": 1}, {"close": [1, 2, 6, 5]},
     {"macd": [NAN, NAN, 1, 2 / 3], "signal": [NAN, NAN, 1, 2 / 3], "histogram": [NAN, NAN, 0, 0]}),
    ("obv", {}, {"close": [5, 6, 6, 4], "volume": [10, 3, 5, 8]}, {"obv": [10, 13, 13, 5]}),
    ("vwap", {}, {"close": [5, 7, 7, 9], "volume": [0, 1, 3, 2], "session": [0, 0, 0, 1]},
     {"vwap": [NAN, 7, 7, 9]}),
    ("mfi", {"period": 2}, {"close": [5, 6, 3, 3], "volume": [1, 2, 4, 9]},
     {"mfi": [NAN, NAN, 50, 0]}),
    ("highest", {"period": 2}, {"close": [5, 6, 4, 3]}, {"highest": [NAN, 6, 6, 4]}),
    ("lowest", {"period": 2}, {"close": [5, 6, 4, 3]}, {"lowest": [NAN, 5, 4, 3]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters", "columns", "expected"), HAND_WORKED)
def test_values_are_those_worked_out_by_hand(
    name: str, parameters: dict[str, Any], columns: dict[str, Any], expected: Any
) -> None:
    bars = bars_of(**columns)
    found = indicator(name, bars, parameters)
    for output, values in expected.items():
        np.testing.assert_allclose(found[output], values, rtol=1e-12, atol=1e-12)
    stream = indicator_stream(name, parameters)
    last = [stream.push(bar) for bar in bars.rows()][-1]
    np.testing.assert_allclose(
        [last[list(found).index(output)] for output in expected],
        [values[-1] for values in expected.values()],
        rtol=1e-12,
        atol=1e-12,
    )


def _choices(name: str) -> list[dict[str, int]]:
    parameters = INDICATORS[name].parameters
    if "period" in parameters:
        return [{}, {"period": 2}, {"period": 5}, {"period": 33}]
    return [{}, {"fast": 2, "slow": 3}, {"fast": 7, "slow": 19}] if parameters else [{}]


@pytest.mark.parametrize("name", INDICATORS)
def test_whole_and_bar_by_bar_are_what_the_definition_says(name: str) -> None:
    definition = find_indicator(name)
    for seed, given in enumerate(_choices(name)):
        bars = walk(400, seed)
        values = parameters_of(definition, given)
        whole = list(indicator(name, bars, given).values())
        stream = indicator_stream(name, given)
        streamed = np.array([stream.push(bar) for bar in bars.rows()]).T
        expected = naive.values(name, bars, values)
        assert len(whole) == len(definition.outputs) == len(expected)
        for output, one, other, slow in zip(
            definition.outputs, whole, streamed, expected, strict=True
        ):
            assert one.shape == (400,)
            assert one.dtype == np.float64
            np.testing.assert_allclose(one, slow, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)
            known = one[~np.isnan(one)]
            assert output.low is None or known.min() >= output.low - 1e-9
            assert output.high is None or known.max() <= output.high + 1e-9
        first = min(int(np.isfinite(one).argmax()) for one in whole)
        assert first >= definition.lookback(values)
        if name != "vwap":
            assert first == definition.lookback(values)
            assert all(np.isfinite(one[np.isfinite(one).argmax() :]).all() for one in whole)


@pytest.mark.parametrize("name", INDICATORS)
def test_few_bars_have_the_values_of_many(name: str) -> None:
    bars = walk(90, 3)
    many = indicator(name, bars)
    for n in (0, 1, 2, 14, 15, 34, 60):
        for output, values in indicator(name, bars.take(0, n)).items():
            np.testing.assert_allclose(values, many[output][:n], rtol=1e-9, atol=1e-9)


def test_averages_of_ticks_are_exact() -> None:
    bars = walk(20_000, 8, start=19_000)
    found = indicator("sma", bars, {"period": 30})["sma"][29:]
    windows = np.lib.stride_tricks.sliding_window_view(bars.close.astype(np.int64), 30)
    assert (found == windows.sum(axis=1) / 30).all()


@pytest.mark.parametrize("name", ["cci", "stddev", "bbands", "rsi", "mfi", "stochastic"])
def test_where_nothing_moves_nothing_is_made_up(name: str) -> None:
    found = indicator(name, bars_of(np.full(60, 4810.1), volume=np.full(60, 3.0)))
    middle = found.pop("middle", None)
    expected = 0.0 if middle is None else middle
    for values in found.values():
        np.testing.assert_array_equal(values[33:], np.broadcast_to(expected, 60)[33:])


def test_a_nan_among_values_is_refused_with_its_row() -> None:
    bars = bars_of([1, 2, 3, NAN, 5, 6])
    with pytest.raises(InputError, match="sma: expected numbers, found nan as close of row 3"):
        indicator("sma", bars, {"period": 2})
    with pytest.raises(InputError, match="found inf as close of row 1"):
        indicator("sma", bars_of([1, math.inf, 3]), {"period": 2})
    with pytest.raises(ConfigError, match="nan: expected refuse or segment, found 'drop'"):
        indicator("sma", bars, {"period": 2}, nan="drop")  # type: ignore[arg-type]


def test_a_nan_at_the_end_is_refused_too() -> None:
    with pytest.raises(InputError, match="row 2"):
        indicator("sma", bars_of([1, 2, NAN]), {"period": 2})


def test_values_after_nan_at_the_beginning_are_as_if_the_data_began_there() -> None:
    found = indicator("sma", bars_of([NAN, NAN, 3, 5]), {"period": 2})["sma"]
    np.testing.assert_array_equal(found, [NAN, NAN, NAN, 4])


@pytest.mark.parametrize("name", INDICATORS)
def test_segments_are_computed_each_for_itself(name: str) -> None:
    bars = walk(200, 5)
    damaged = BarColumns(**vars(bars))
    for column in ("open", "high", "low", "close", "volume"):
        hurt = getattr(bars, column).copy()
        hurt[[0, 80, 81]] = NAN
        object.__setattr__(damaged, column, hurt)
    found = indicator(name, damaged, nan="segment")
    for output, values in found.items():
        assert np.isnan(values[[0, 80, 81]]).all()
        for first, last in ((1, 80), (82, 200)):
            part = indicator(name, bars.take(first, last))[output]
            np.testing.assert_array_equal(values[first:last], part)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("smaa", {}, r"there is no indicator 'smaa': did you mean 'sma'\?"),
        ("xyzzy", {}, "there is no indicator 'xyzzy': known: sma, ema"),
        ("rsi", {"perod": 3}, r"rsi has no parameter 'perod': did you mean 'period'\?"),
        ("obv", {"period": 3}, "obv has no parameter 'period': known: none"),
        ("rsi", {"period": 1}, "rsi.period: expected at least 2, found 1"),
        ("rsi", {"period": 100_001}, "rsi.period: expected at most 100000"),
        ("rsi", {"period": 10**5_000}, r"expected at most 100000, found more than 1e\+50"),
        ("rsi", {"period": 14.0}, "rsi.period: expected a whole number, found 14.0"),
        ("rsi", {"period": True}, "rsi.period: expected a whole number, found True"),
        ("bbands", {"width": "2"}, "bbands.width: expected a number, found '2'"),
        ("bbands", {"width": NAN}, "bbands.width: expected a number, found nan"),
        ("bbands", {"width": 0}, "bbands.width: expected at least 0.01, found 0"),
        ("macd", {"fast": 30}, "macd: expected fast below slow, found 30 and 26"),
        ("sma_cross", {"fast": 30, "slow": 30}, "expected fast below slow, found 30 and 30"),
    ],
)
def test_what_is_wrong_is_one_sentence(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        indicator(name, walk(50, 1), given)
    with pytest.raises(ConfigError, match=message):
        indicator_stream(name, given)


def test_bars_that_are_none_are_refused() -> None:
    columns = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(InputError, match="found 0 in row 1 after 0"):
        BarColumns.of([0, 0], **columns)
    with pytest.raises(InputError, match="a column low of 2 values, found shape"):
        BarColumns.of([0, 1], **{**columns, "low": [1.0]})
    with pytest.raises(InputError, match="row 1 goes back"):
        BarColumns.of([0, 1], **columns, session=[1, 0])
    with pytest.raises(InputError, match="a price unit above 0, found nan"):
        BarColumns.of([0, 1], **columns, price_unit=NAN)


def test_candles_in_ticks_keep_their_unit() -> None:
    whole = np.array([4, 5])
    names = ("ts_event", "open", "high", "low", "close", "volume")
    candles = SimpleNamespace(**dict.fromkeys(names, whole), tick=0.25)
    bars = BarColumns.of_candles(candles)
    assert (bars.close * bars.price_unit).tolist() == [1.0, 1.25]
    assert (bars.ts_event.tolist(), bars.close.dtype) == ([4, 5], np.float64)


def test_without_ta_lib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "talib", None)
    with pytest.raises(
        ConfigError, match=r"indicators need TA-Lib \(pip install 'tapewire\[candle"
    ):
        indicator("sma", walk(50, 1))


def test_arrays_that_fit_are_not_copied() -> None:
    close = np.array([1.0, 2.0])
    bars = BarColumns.of(np.array([0, 1]), close, close, close, close, close)
    assert np.shares_memory(bars.close, close)
    found = indicator("close", bars)["close"]
    assert not np.shares_memory(found, close), "what is given away may be written to"
