"""The second set of books, closed trades and metrics, on fills worked out by hand."""

import math

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_rows import (
    DAY_NS,
    E9,
    NOON_NS,
    Book,
    FakeLeg,
    drained,
    manifest,
    no_fills,
    no_orders,
    no_samples,
)
from analytics_runs import run_of
from tapewire.analytics import Collector, Run, load_run
from tapewire.analytics.curves import Curve, Day, Line, bucket_width, downsample_minmax
from tapewire.analytics.exact import decimal_text, groups, multiply, running_total, scale, total
from tapewire.analytics.metrics.inputs import session_results
from tapewire.analytics.metrics.returns import sharpe_by_session
from tapewire.analytics.trades import TradeMatcher
from tapewire.errors import SimulationError
from tapewire.execution.codes import OrderStatus, Reason

P = 100 * E9  # a price of 100


def metrics(run: Run, scope: str = "total") -> dict:
    (row,) = run.metrics.filter(pc.equal(run.metrics["scope"], scope)).to_pylist()
    return row


def raw(run: Run, name: str) -> int:
    """A money metric in 1e-9 currency, as stored."""
    return run.metrics[name][0].as_py()


def test_a_partial_close_realises_its_share_and_marks_the_rest(tmp_path):
    book = Book(FakeLeg()).fill(4, P, fee=4).fill(-1, P + 2 * E9, fee=1).sample(P + 3 * E9)
    run = run_of(tmp_path, book)
    last = run.equity.to_pylist()[-1]
    assert last["realized_pnl"] == 2 * 50 * E9
    assert last["unrealized_pnl"] == 3 * 3 * 50 * E9
    assert last["fees"] == 5
    assert last["pnl"] == (2 + 9) * 50 * E9 - 5
    assert raw(run, "net_pnl") == last["pnl"]
    assert run.manifest["conservation"]["result"] == "exact"


def test_a_flip_through_zero_closes_first_and_opens_with_the_rest(tmp_path):
    book = Book(FakeLeg(multiplier_num=1)).fill(3, P, fee=30)
    book.fill(-5, P + E9, fee=50).fill(2, P, fee=20).sample(P)
    row = metrics(run_of(tmp_path, book))
    assert row["closed_trades"] == 2
    assert row["winning_trades"] == 2
    assert row["max_position"] == 3
    assert row["gross_pnl"] == (3 + 2) * E9
    assert row["fees"] == 100
    assert row["profit_factor"] is None  # nothing lost: no ratio, and no infinity
    assert math.isclose(row["avg_trade_pnl"], (5 - 100e-9) / 2)


def test_closed_trades_of_a_flat_leg_add_up_to_its_net_pnl():
    book = Book(FakeLeg(multiplier_num=1)).fill(3, P, 31).fill(4, P + 7, 41).fill(-9, P + E9, 97)
    book.fill(1, P - 5, 11).fill(1, P - 3 * E9, 13)
    fills, _, _ = drained(book)
    matcher = TradeMatcher(1, 1)
    signed = fills["side"] * fills["last_qty"]
    for at in range(len(fills)):  # one by one: what is open is carried over
        part = slice(at, at + 1)
        matcher.add(
            signed[part], fills["last_px"][part], fills["commission"][part],
            fills["position"][part], fills["ts_event"][part],
        )  # fmt: skip
    assert book.position == 0
    assert matcher.totals.net == book.cash - book.fees
    assert matcher.totals.trades == 3
    assert matcher.totals.lots == 9


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-6, 6).filter(bool), st.integers(-50, 50), st.integers(0, 99)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 9),
)
def test_fifo_matching_equals_a_queue_of_single_lots(story, chunk):
    """The obvious twin: every lot by itself, in a queue; commissions in total."""
    book = Book(FakeLeg(multiplier_num=1))
    for signed, ticks, fee in story:
        book.fill(signed, P + ticks * E9, fee)
    queue, gross, seconds, closing_fills = [], 0, 0.0, 0
    for f in book.fills:
        sign, closed = int(f["side"]), 0
        for _ in range(f["last_qty"]):
            if queue and queue[0][0] == -sign:
                direction, px, ts = queue.pop(0)
                gross += direction * (f["last_px"] - px)
                seconds += (f["ts_event"] - ts) / 1e9
                closed += 1
            else:
                queue.append((sign, f["last_px"], f["ts_event"]))
        closing_fills += closed > 0
    fills, _, _ = drained(book)
    matcher = TradeMatcher(1, 1)
    for at in range(0, len(fills), chunk):
        f = fills[at : at + chunk]
        matcher.add(f["side"] * f["last_qty"], f["last_px"], np.zeros(len(f), np.int64),
                    f["position"], f["ts_event"])  # fmt: skip
    assert matcher.totals.net == gross
    assert matcher.totals.trades == closing_fills
    assert matcher.totals.lot_seconds == pytest.approx(seconds)


def test_a_fractional_multiplier_stays_exact(tmp_path):
    leg = FakeLeg(multiplier_num=3, multiplier_den=7)
    run = run_of(tmp_path, Book(leg).fill(2, P, fee=5).sample(P + 1))
    last = run.equity.to_pylist()[-1]
    assert last["pnl"] == (2 * 3) // 7 - 5
    assert last["realized_pnl"] + last["unrealized_pnl"] - last["fees"] == last["pnl"]


def test_negative_prices_and_a_short_position(tmp_path):
    book = Book(FakeLeg(multiplier_num=1000)).fill(-2, -37 * E9).sample(-40 * E9)
    assert raw(run_of(tmp_path, book), "net_pnl") == 2 * 3 * 1000 * E9


def test_no_fill_is_a_run_too(tmp_path):
    book = Book(FakeLeg()).order(OrderStatus.DENIED, Reason.MAX_POSITION, quantity=9)
    row = metrics(run_of(tmp_path, book.sample(P).sample(P, after_ns=E9)))
    assert (row["orders"], row["orders_denied"], row["fills"], row["net_pnl"]) == (1, 1, 0, 0)
    for name in ("fill_ratio", "maker_ratio", "win_rate", "profit_factor", "sharpe_annualised"):
        assert row[name] is None, name


def test_nothing_at_all_is_a_run_too(tmp_path):
    with Collector(tmp_path / "run", "") as collector:
        collector.add(no_fills(), no_orders(), no_samples(), [])
        collector.finish("complete", manifest())
    run = load_run(tmp_path / "run")
    assert run.fills.num_rows == run.orders.num_rows == run.equity.num_rows == 0
    assert metrics(run)["net_pnl"] == 0


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("final position", lambda f, o, s: s["position"].__setitem__(-1, 9)),
        ("final cash", lambda f, o, s: s["cash"].__setitem__(-1, s["cash"][-1] + 1)),
        ("final fees", lambda f, o, s: s["fees"].__setitem__(-1, 4)),
        ("final volume", lambda f, o, s: s["volume"].__setitem__(-1, 5)),
        ("final max_position", lambda f, o, s: s["max_position"].__setitem__(-1, 5)),
        ("final realised", lambda f, o, s: s["realized"].__setitem__(-1, 1)),
        ("position after fill 2", lambda f, o, s: f["position"].__setitem__(1, 1)),
        ("filled quantity over orders", lambda f, o, s: o["filled_qty"].__setitem__(0, 1)),
        ("order side of 1=BUY", lambda f, o, s: f["side"].__setitem__(0, 2)),
        ("time of sample 2", lambda f, o, s: s["ts"].__setitem__(1, 5)),
    ],
)  # fmt: skip
def test_a_planted_mismatch_fails_the_run(tmp_path, what, spoil):
    book = Book(FakeLeg()).fill(2, P, fee=2).sample(P).fill(-2, P + E9, fee=1).sample(P)
    rows = drained(book)
    spoil(*rows)
    with Collector(tmp_path / "run", "") as collector:
        collector.add(*rows, [book.leg])
        with pytest.raises(SimulationError, match="expected") as caught:
            collector.finish("complete", manifest())
    assert what in str(caught.value)
    if "side" not in what:
        assert "leg 0 (strategy 'maker', ESH4)" in str(caught.value)
    run = load_run(tmp_path / "run")
    assert run.status == "failed"
    assert run.manifest["reason"] == str(caught.value)
    assert [p.name for p in run.path.iterdir()] == ["manifest.json"]


def test_fills_without_a_final_account_fail_the_run(tmp_path):
    fills, orders, _ = drained(Book(FakeLeg()).fill(1, P))
    with Collector(tmp_path / "run", "") as collector:
        collector.add(fills, orders, no_samples(), [FakeLeg()])
        with pytest.raises(SimulationError, match="final account"):
            collector.finish("complete", manifest())


def test_two_strategies_add_up(tmp_path):
    one = Book(FakeLeg(0, "a")).fill(1, P, 10).sample(P).fill(-1, P + 2 * E9, 10).sample(P)
    two = Book(FakeLeg(1, "b")).fill(-2, P, 6, maker=False).sample(P).sample(P + E9, after_ns=E9)
    run = run_of(tmp_path, one, two)
    total_row = metrics(run)
    by = {r["strategy_id"]: r for r in run.metrics.to_pylist() if r["scope"] == "strategy"}
    assert by["a"]["net_pnl"] == 100 * E9 - 20
    assert by["b"]["net_pnl"] == -100 * E9 - 6
    assert total_row["net_pnl"] == -26
    assert total_row["maker_volume"] == 2
    assert total_row["taker_volume"] == 2
    assert total_row["fill_ratio"] == 1.0
    assert run.manifest["results"]["total"]["net_pnl"] == "-0.000000026"


def test_max_drawdown_says_how_deep_and_when(tmp_path):
    book = Book(FakeLeg(multiplier_num=1)).fill(1, P)
    for step in (5, 8, 3, 6, 1, 9):
        book.sample(P + step * E9, after_ns=E9)
    row = metrics(run_of(tmp_path, book))
    first = book.samples[0]["ts"]
    assert row["max_drawdown"] == 7 * E9
    assert row["max_drawdown_peak_ts"].value == first + E9
    assert row["max_drawdown_ts"].value == first + 4 * E9


def test_a_start_below_zero_is_a_drawdown_from_zero(tmp_path):
    book = Book(FakeLeg(multiplier_num=1)).fill(1, P).sample(P - 4 * E9).sample(P, after_ns=1)
    run = run_of(tmp_path, book)
    assert raw(run, "max_drawdown") == 4 * E9
    assert run.equity["drawdown"].to_pylist() == [4 * E9, 0]


def test_legs_at_one_instant_are_one_point_of_the_total():
    curve = Curve()
    curve.add(np.array([1, 1, 2]), np.array([-5, 5, 1]) * E9)
    curve.add(np.array([2, 3]), np.array([2, -3]) * E9)
    curve.finish()
    assert curve.pnl == 0
    assert curve.changes.count == 3
    assert curve.max_drawdown == 3 * E9  # the -5 inside the first instant was never a total


def test_sharpe_by_session_by_hand():
    results = [100 * E9, -50 * E9, 130 * E9]
    mean, deviation = 60.0, math.sqrt((40**2 + 110**2 + 70**2) / 2)
    assert sharpe_by_session(results) == pytest.approx(mean / deviation * math.sqrt(252))


def test_one_session_is_never_annualised():
    assert sharpe_by_session([5 * E9]) is None
    assert sharpe_by_session([5 * E9, 5 * E9]) is None
    assert sharpe_by_session([]) is None


def test_a_sliver_of_a_day_is_no_session():
    hour = 3600 * E9
    days = {
        0: Day(DAY_NS - 9, DAY_NS - 1, 3),
        1: Day(DAY_NS + 1, DAY_NS + 5 * hour, 10),
        2: Day(2 * DAY_NS + 1, 2 * DAY_NS + 1 + hour, 12),
        3: Day(3 * DAY_NS + 1, 3 * DAY_NS + 7, 20),
    }
    assert session_results(days) == [10, 10]
    assert session_results({0: days[0]}) == []


def test_sharpe_does_not_depend_on_sampling(tmp_path):
    """One-second and one-hour samples of one P&L give one Sharpe; midnight ends its own day."""
    found = []
    for name, every in (("fine", 600 * E9), ("coarse", 7200 * E9)):
        book = Book(FakeLeg(multiplier_num=1), NOON_NS - DAY_NS // 2).fill(1, P, after_ns=1)
        for at in range(0, 3 * DAY_NS + 1, every):
            book.ts = NOON_NS - DAY_NS // 2 + at + 2 * (at == 0)
            book.sample(P + (at // (7200 * E9)) ** 2 % 37 * E9)
        row = metrics(run_of(tmp_path / name, book, chunk=1000))
        assert row["sessions"] == 3
        found.append(row["sharpe_annualised"])
    assert found[0] == pytest.approx(found[1])


values = st.integers(-(10**12), 10**12)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), values), min_size=1, max_size=200),
       st.integers(1, 20))  # fmt: skip
def test_downsampling_keeps_every_buckets_range(points, buckets):
    points.sort(key=lambda p: p[0])
    x, y = (np.array(c, np.int64) for c in zip(*points, strict=True))
    width = bucket_width(int(x[0]), int(x[-1]), buckets)
    keep = downsample_minmax(x, y, int(x[0]), width)
    assert keep.size <= 4 * buckets
    assert (np.diff(keep) > 0).all()
    assert {0, len(x) - 1} <= set(keep.tolist())
    bucket = (x - x[0]) // width
    for b in np.unique(bucket):
        mine = y[bucket == b]
        kept = y[keep][bucket[keep] == b]
        assert (kept.min(), kept.max()) == (mine.min(), mine.max())
        assert (kept[0], kept[-1]) == (mine[0], mine[-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(values, min_size=1, max_size=120), st.integers(1, 30))
def test_a_line_fed_in_pieces_keeps_the_extremes_and_stays_small(ys, piece):
    x, y = np.arange(len(ys), dtype=np.int64), np.array(ys, np.int64)
    line = Line(0, len(ys) - 1, buckets=8)
    for at in range(0, len(ys), piece):
        line.add(x[at : at + piece], y[at : at + piece])
    ts, kept = line.points()
    assert ts.size <= 32
    assert (kept.min(), kept.max(), kept[0], kept[-1]) == (min(ys), max(ys), ys[0], ys[-1])


big = st.integers(-(2**63) + 1, 2**63 - 1)


@given(st.lists(big, min_size=1, max_size=9), big, st.integers(1, 2**40))
def test_integer_helpers_never_wrap(numbers, factor, divisor):
    a = np.array(numbers, np.int64)
    assert [int(v) for v in multiply(a, factor)] == [n * factor for n in numbers]
    assert [int(v) for v in scale(a, factor, divisor)] == [n * factor // divisor for n in numbers]
    assert total(a) == sum(numbers)
    assert int(running_total(a, factor)[-1]) == factor + sum(numbers)


def test_pnl_beyond_64_bits_is_an_error_not_a_wrap(tmp_path):
    book = Book(FakeLeg(multiplier_num=10**9)).fill(1, P).sample(2 * P)
    with Collector(tmp_path / "run", "") as collector:
        collector.add(*drained(book), [book.leg])
        with pytest.raises(SimulationError, match="64-bit range"):
            collector.finish("complete", manifest())


def test_groups_keep_the_order_of_rows():
    keys = np.array([2, 1, 2, 1, 2])
    assert [(k, r.tolist()) for k, r in groups(keys)] == [(1, [1, 3]), (2, [0, 2, 4])]
    assert list(groups(np.empty(0, np.int64))) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-1_500_000_000, "-1.5"), (1, "0.000000001"), (10**18, "1000000000")],
)
def test_decimal_text(value, text):
    assert decimal_text(value) == text
