"""Rates that change: the file, its refusals, and money at the time of fills and marks, by hand."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapewire as tw
from analytics_rows import E9, NOON_NS, Book, FakeLeg, drained, manifest
from analytics_runs import run_of
from tapewire.analytics import Collector, load_run
from tapewire.analytics.closed import closed_trades
from tapewire.analytics.rates import Conversion
from tapewire.errors import ConfigError, FormatError, MissingFileError, SimulationError
from tapewire.runs.rates import read_rates, worths_of

P = 100 * E9
#: Times of the file below, and one between.
T1, T2, T4, T5 = (10**18 + k for k in (1, 2, 4, 5))
GOOD = f"ts,currency,rate\n{T1},EUR,1.08\n{T2},JPY,0.0067\n{T5},EUR,1.1\n"


def write(folder: Path, text: str) -> str:
    path = folder / "rates.csv"
    path.write_text(text)
    return str(path)


# --- the file -------------------------------------------------------------------------------------


def test_a_file_is_read_exactly(tmp_path: Path) -> None:
    file = read_rates(write(tmp_path, GOOD))
    assert file.rates == {
        "EUR": [(T1, Fraction("1.08")), (T5, Fraction("1.1"))], "JPY": [(T2, Fraction("0.0067"))],
    }  # fmt: skip
    assert (file.size_bytes, len(file.sha256)) == (len(GOOD), 64)
    path = tmp_path / "rates.parquet"
    times = pa.array([T1, T2, T5], pa.timestamp("ns", "UTC"))
    pq.write_table(
        pa.table({"ts": times, "currency": ["EUR", "JPY", "EUR"], "rate": [1.08, 0.0067, 1.1]}),
        path,
    )
    assert read_rates(str(path)).rates == file.rates
    text = "currency,rate,ts\nEUR,1.1,1970-01-01T00:00:00.000000005Z\n"
    assert read_rates(write(tmp_path, text)).rates == {"EUR": [(5, Fraction("1.1"))]}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            f"{T5},EUR,1.1",
            f"{T1},EUR,1.1",
            r"csv: line 4, ts: expected a time after .* found a second one",
        ),
        (f"{T5},EUR,1.1", "0,EUR,1.1", r"line 4, ts: .* found an earlier one"),
        (
            f"{T5},EUR,1.1",
            f"{T5},EUR,0",
            r"line 4, rate: expected a number above 0, up to 1,000,000, fo",
        ),
        (f"{T5},EUR,1.1", f"{T5},EUR,1e-99999999", r"line 4, rate: .* found '1e-99999999'"),
        (f"{T5},EUR,1.1", f"{T5},EUR,-1", r"line 4, rate: .* found '-1'"),
        (f"{T5},EUR,1.1", f"{T5},EUR,", r"line 4, rate: .* found ''"),
        (f"{T5},EUR,1.1", f"{T5},EUR,nan", r"line 4, rate: .* found 'nan'"),
        (f"{T2},JPY", f"{T2},", r"line 3, currency: expected letters like EUR, found ''"),
        (f"{T2},JPY", f"{T2},jpy", r"line 3, currency: .* found 'jpy'"),
        (f"{T2},JPY", ",JPY", r"line 3, ts: expected ns since the epoch .* time .*, found ''"),
        (f"{T2},JPY", "noon,JPY", r"line 3, ts: .* found 'noon'"),
        (f"{T1},EUR", "20240304,EUR", r"line 2, ts: .* like 2024-03-04, found '20240304'"),
        (f"{T1},EUR", "1709510400,EUR", r"line 2, ts: .* found '1709510400'"),
        (f"{T1},EUR", "1709510400000000,EUR", r"line 2, ts: .* found '1709510400000000'"),
        ("ts,currency,rate", "ts,currency,price", r"expected the columns ts, currency, rate, fou"),
        (GOOD, "ts,currency,rate\n", r"expected at least one rate, found none"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(FormatError, match=said):
        read_rates(write(tmp_path, GOOD.replace(old, new)))


def test_moments_are_taken_as_they_are_and_whole_numbers_are_ns(tmp_path: Path) -> None:
    """A column of moments says its unit: 1970 is no guess there. Whole numbers of days may be."""
    path = tmp_path / "rates.parquet"

    def read(ts: pa.Array) -> list[int]:
        pq.write_table(pa.table({"ts": ts, "currency": ["EUR"], "rate": [1.08]}), path)
        return [at for at, _ in read_rates(str(path)).rates["EUR"]]

    assert read(pa.array([5], pa.timestamp("s", "UTC"))) == [5 * 10**9]
    assert read(pa.array([0])) == [0]
    assert read(pa.array([T1])) == [T1]
    with pytest.raises(FormatError, match=r"row 1, ts: expected ns since .*, found 20240304"):
        read(pa.array([20240304]))


def test_a_start_without_a_rate_is_refused(tmp_path: Path) -> None:
    file = read_rates(write(tmp_path, GOOD))
    assert worths_of(file, "EUR", Fraction(25), T1, 0) == [(T1, 27, 1), (T5, 55, 2)]
    assert worths_of(file, "EUR", Fraction(25), T4, T5) == [(T1, 27, 1)]
    assert worths_of(file, "EUR", Fraction(25), T5, 0) == [(T5, 55, 2)]
    with pytest.raises(ConfigError, match=r"rates.csv: expected a rate of JPY at or before the st"):
        worths_of(file, "JPY", Fraction(1), T1, 0)
    with pytest.raises(ConfigError, match=r"of EUR at .*fewer digits, found"):
        worths_of(file, "EUR", Fraction("123456789.123456789"), T1, 0)
    with pytest.raises(MissingFileError, match="no such file"):
        read_rates(str(tmp_path / "none.csv"))


# --- money ----------------------------------------------------------------------------------------


def collected(path: Path, book: Book, rates: dict[str, list[tuple[int, int, int]]]) -> Any:
    fills, orders, samples = drained(book)
    with Collector(path, "seed: 0\n", row_group_rows=2, rates=rates) as collector:
        collector.add(fills, orders, samples[:1], [book.leg])
        collector.add(fills[:0], orders[:0], samples[1:], [book.leg])
        collector.finish("complete", manifest())
    return load_run(path)


def test_what_is_realised_keeps_the_rate_of_its_fill(tmp_path: Path) -> None:
    """Long 2 at 100, 10 a point. The rate is 1.0, from the third fill on 1.5, from the last on 2.

    Sold 1 at 103 at 1.0: +3 points are 30. Sold 2 at 104 at 1.5: +4 points are 60, and short 1 at
    104. Marked at 102 at a rate of 2: +2 points are 40. So 90 are realised, 40 open.
    """
    book = Book(FakeLeg(symbol="X", multiplier_num=10))
    rates = {"X": [(0, 10, 1), (NOON_NS + 3 * E9, 15, 1), (NOON_NS + 4 * E9, 20, 1)]}
    book.fill(2, P).sample(P)
    book.fill(-1, P + 3 * E9).sample(P + 3 * E9)
    book.fill(-2, P + 4 * E9, E9).sample(P + 4 * E9)
    book.ts += E9
    book.sample(P + 2 * E9)
    run = collected(tmp_path / "run", book, rates)
    equity = run.equity.to_pydict()
    assert equity["realized_pnl"] == [0, 30 * E9, 90 * E9, 90 * E9]
    # After the second fill the lot that is left is 3 points up, at 1.0.
    assert equity["unrealized_pnl"] == [0, 30 * E9, 0, 40 * E9]
    assert equity["pnl"] == [0, 60 * E9, 89 * E9, 129 * E9]
    total = run.manifest["results"]["total"]
    assert (total["net_pnl"], total["gross_pnl"]) == ("129", "130")
    [instrument] = run.manifest["instrument_totals"]
    assert (instrument["realized_pnl"], instrument["unrealized_pnl"]) == ("90", "40")
    # Round trips count at the rate of the fill that closed them: 30, and 60 less the fee's half.
    assert run.metrics.to_pydict()["avg_trade_pnl"][0] == (30 + 59.5) / 2


def test_one_rate_all_the_time_is_what_a_fixed_rate_makes(tmp_path: Path) -> None:
    def book(num: int) -> Book:
        story = Book(FakeLeg(symbol="X", multiplier_num=num)).fill(3, P).fill(-1, P + E9)
        return story.sample(P + E9).fill(-5, P + 2 * E9, E9).sample(P - E9)

    fixed = collected(tmp_path / "fixed", book(27), {})
    steps = collected(tmp_path / "steps", book(1), {"X": [(0, 27, 1)]})
    for name in ("realized_pnl", "unrealized_pnl", "pnl", "drawdown"):
        assert steps.equity[name] == fixed.equity[name]
    assert steps.manifest["results"] == fixed.manifest["results"]


def test_each_sample_is_held_against_the_fills() -> None:
    book = Book(FakeLeg(symbol="X")).fill(2, P).fill(-1, P + E9).sample(P)
    fills, _, samples = drained(book)
    conversion = Conversion({"X": [(0, 1, 1)]})
    conversion.add_fills(fills[:1], [book.leg])
    with pytest.raises(
        SimulationError, match=r"'maker', X\), realised P&L after 3 lots: expected 0"
    ):
        conversion.add_samples(samples, [book.leg])
    conversion.add_fills(fills[1:], [book.leg])
    samples["realized"] += 1
    with pytest.raises(SimulationError, match=r"the books do not balance: leg 0"):
        conversion.add_samples(samples, [book.leg])


@given(
    st.lists(
        st.tuples(st.integers(-9, 9).filter(bool), st.integers(-50, 50)), min_size=1, max_size=12
    ),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 7)), min_size=3, max_size=3),
)
def test_what_is_realised_is_the_sum_of_plain_fractions(
    trades: list[tuple[int, int]], worths: list[tuple[int, int]]
) -> None:
    """Each fill's realised price units, by the book kept by hand, times the rate of its second."""
    book = Book(FakeLeg(symbol="X"))
    expected, before = 0, 0
    steps = [(NOON_NS + 4 * k * E9, *worth) for k, worth in enumerate(worths)]
    for signed, points in trades:
        book.fill(signed, P + points * E9)
        _, num, den = [step for step in steps if step[0] <= book.ts][-1]
        expected += (book.realized - before) * num // den
        before = book.realized
    book.sample(P)
    fills, _, samples = drained(book)
    conversion = Conversion({"X": steps})
    conversion.add_fills(fills, [book.leg])
    conversion.add_samples(samples, [book.leg])
    blank = {name: np.zeros(1, np.int64) for name in ("realized_pnl", "unrealized_pnl", "pnl")}
    money = conversion.convert(samples, [book.leg], blank)
    assert money["realized_pnl"].tolist() == [expected]


def costs_of_orders_go_by_the_rate_as_they_were_sent(
    fixed: tw.RunResult, changing: tw.RunResult, middle: int
) -> None:
    """A point is worth 50, and 100 of what is sent from the middle on: figures of those double."""
    one, other = (run.to_pandas("orders", prices="int") for run in (fixed, changing))
    factor = np.where(other.ts_sent.astype(np.int64) >= middle, 2, 1)
    assert {*factor[one.slippage.notna()]} == {1, 2}
    for column in ("slippage", "shortfall"):  # there are no fees
        assert (one[column] * factor).dropna().equals(other[column].dropna())
    known = one[one.shortfall.notna()]
    paper = known.mid_sent * known.quantity * 50
    for run, times in ((fixed, 1), (changing, factor[one.shortfall.notna()])):
        expected = 10_000 * (known.shortfall * times).sum() / (paper * times).sum()
        assert run.metrics["shortfall_bps"][0].as_py() == pytest.approx(expected) != 0
    was, now = (run.metrics["expected_impact"][0].as_py() for run in (fixed, changing))
    assert was < now < 2 * was


def test_trades_are_worth_what_they_are_as_they_are_closed(tmp_path: Path) -> None:
    """2 bought at 100; 1 sold 2 points above it at 50 a point, 1 sold 3 above it at 80."""
    book = Book(FakeLeg()).fill(2, P).fill(-1, P + 2 * E9, fee=7)
    middle = book.ts + 1
    book.fill(-1, P + 3 * E9, fee=9).sample(P)
    steps = {book.leg.symbol: [[0, 50, 1], [middle, 160, 2]]}
    ts, net = closed_trades(run_of(tmp_path, book, point_values=steps))
    assert net.tolist() == [2 * 50 * E9 - 7, 3 * 80 * E9 - 9]
    assert (ts < middle).tolist() == [True, False]
    ts, net = closed_trades(run_of(tmp_path / "fixed", book))
    assert net.tolist() == [2 * 50 * E9 - 7, 3 * 50 * E9 - 9]


def test_a_run_with_a_file_of_rates(tmp_path: Path, synthetic_file: Path) -> None:
    """The rate doubles in the middle: digests do not change, money does, and it says so."""

    def run(name: str, **account: Any) -> tw.RunResult:
        config = {
            "backtest": {
                "data_source": {"type": "databento", "files": [str(synthetic_file)]},
                "replay": {"transport": "inproc"},
                "account": {"currency": "USD", **account},
                "instruments": {
                    "TWA1": {"tick_size": 0.25, "currency": "EUR", "multiplier": 25, "margin": 10}
                },
            },
            "strategy": {"type": "market_maker"},
        }  # fmt: skip
        return tw.run(config, output=tmp_path / name)

    fixed = run("fixed", rates={"EUR": 2})
    times = fixed.fills.column("ts_event").cast(pa.int64()).to_pylist()
    middle = times[len(times) // 2]
    path = write(tmp_path, f"ts,currency,rate\n0,EUR,2\n{middle},EUR,4\n")
    changing = run("changing", rate_file=path)
    assert changing.digest == fixed.digest
    one, other = (r.equity.to_pydict() for r in (fixed, changing))
    assert one["realized_pnl"][-1] != other["realized_pnl"][-1]
    before = [k for k, ts in enumerate(one["ts"]) if ts.value < middle]
    assert before
    for k in before[:-1]:
        assert abs(one["realized_pnl"][k] - other["realized_pnl"][k]) <= len(times)
    for k, pnl in enumerate(other["pnl"]):
        assert pnl == other["realized_pnl"][k] + other["unrealized_pnl"][k] - other["fees"][k]
    assert changing.manifest["inputs"][-1]["file"] == path
    (first, *start), *later = changing.manifest["point_values"]["TWA1"]
    assert (first, start, later) == (0, [50, 1], [[middle, 100, 1]])
    # 20 EUR for a lot at 2, and at 4.
    peaks = [r.metrics["peak_margin"][0].as_py() for r in (fixed, changing)]
    assert 20 * E9 <= peaks[0] < peaks[1] <= 2 * peaks[0]
    costs_of_orders_go_by_the_rate_as_they_were_sent(fixed, changing, middle)
    assert any("at changing rates" in text for text in changing.manifest["warnings"])
    for one in (fixed, changing):  # what Monte Carlo draws again is what the metrics count
        (total,) = [m for m in one.metrics.to_pylist() if m["scope"] == "total"]
        _, net = closed_trades(one)
        assert len(net) == total["closed_trades"]
        assert (net.max(), -net.min()) == (total["largest_win"], total["largest_loss"])
        assert net.sum() / len(net) / E9 == pytest.approx(total["avg_trade_pnl"])
    with pytest.raises(ConfigError, match=r"rate_file: expected rates for a simulation that is s"):
        tw.Simulation(
            synthetic_file, strategies="market_maker",
            overrides={"backtest.account": {"currency": "USD", "rate_file": path}},
        )  # fmt: skip
    with pytest.raises(ConfigError, match=r"found EUR, one with a fixed rate"):
        run("both", rate_file=path, rates={"EUR": 2})
    bare = write(tmp_path, "ts,currency,rate\n0,JPY,2\n")
    with pytest.raises(ConfigError, match=r"expected a rate of EUR, the currency of TWA1, found n"):
        run("none", rate_file=bare)
