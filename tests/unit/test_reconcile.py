"""Live fills beside simulated ones: every lot is matched, missed or too much, by hand."""

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_rows import E9, Book, FakeLeg
from analytics_runs import run_of
from tapewire.analytics.live_fills import LiveFill, read_live_fills
from tapewire.analytics.reconcile import as_json, reconcile
from tapewire.errors import ConfigError, FormatError, MissingFileError, NoDataError
from tapewire.runs.reconciling import reconcile_run

P = 4800 * E9
T = 1_703_505_600 * E9


def fill(at_ms: int, lots: int = 1, price: float = 4800, side: int = 1, **more: str) -> LiveFill:
    return LiveFill(T + at_ms * 10**6, "ESH4", side, round(price * 4) * E9 // 4, lots, **more)


def test_the_same_fills_agree_whole():
    fills = [fill(0, 2), fill(5, 1, side=-1), fill(5, 3, 4801)]
    found = reconcile(fills, reversed(fills))
    assert found.agreement == 1
    assert (found.missed, found.extra) == ([], [])
    assert found.delays_ns() == [0, 0, 0]


def test_planted_differences_are_found():
    """A lot that was missed, one too many, one a tick worse, and one that came 40 ms later."""
    live = [fill(0, 2), fill(5_000), fill(9_000, side=-1), fill(20_000)]
    simulated = [fill(0), fill(5_040), fill(9_000, price=4799.75, side=-1), fill(60_000)]
    found = reconcile(live, simulated, value=lambda symbol, units, ts_ns: units * 50)
    assert [(x.ts_ns - T, lots) for x, lots in found.missed] == [(0, 1), (20 * E9, 1)]
    assert [(x.ts_ns - T, lots) for x, lots in found.extra] == [(60 * E9, 1)]
    total = found.total
    assert (total.live, total.simulated, total.matched, total.same_price) == (5, 4, 3, 2)
    assert total.slippage == 50 * E9 // 4  # sold a tick lower
    assert found.agreement == pytest.approx(2 / 5)
    assert found.delays_ns() == [0, 0, 40 * 10**6]


def test_what_drifts_is_told_day_by_day():
    """Two days: on the first all agree, on the second one lot of two, and one is a tick worse."""
    day = 86_400_000
    live = [fill(0, 2), fill(day, order="7"), fill(day + 5_000, order="8")]
    simulated = [fill(0, 2), fill(day, order="8"), fill(day + 5_001, price=4800.25, order="9")]
    told = as_json(reconcile(live, simulated, any_order=True))
    assert list(told["days"]) == ["2023-12-25", "2023-12-26"]
    first, second = told["days"].values()
    assert (first["agreement_percent"], first["slippage"]) == (100.0, 0.0)
    assert (second["live"], second["matched"], second["same_price"]) == (2, 2, 1)
    assert (second["agreement_percent"], second["slippage"]) == (50.0, 0.25)
    named = [LiveFill(*one[:5], order="1") for one in map(_plain, live)]
    other = [LiveFill(*one[:5], order="2") for one in map(_plain, live)]
    assert reconcile(named, other).agreement == 0
    assert reconcile(named, other, any_order=True).agreement == 1


def _plain(one: LiveFill) -> tuple[int, str, int, int, int]:
    return one.ts_ns, one.symbol, one.side, one.price, one.lots


def test_a_better_price_is_negative_slippage():
    found = reconcile([fill(0, price=4800)], [fill(0, price=4799.5)])
    assert found.total.slippage == -E9 // 2
    found = reconcile([fill(0, price=4800, side=-1)], [fill(0, price=4800.5, side=-1)])
    assert found.total.slippage == -E9 // 2


def test_one_price_comes_first_though_another_fill_is_nearer():
    live = [fill(0, price=4800), fill(10, price=4801)]
    simulated = [fill(1, price=4801), fill(11, price=4800)]
    assert reconcile(live, simulated).agreement == 1


def test_beyond_the_window_nothing_is_one_fill():
    live, simulated = [fill(0)], [fill(51)]
    assert reconcile(live, simulated, window_ns=50 * 10**6).total.matched == 0
    assert reconcile(live, simulated, window_ns=51 * 10**6).total.matched == 1


def test_orders_that_have_names_are_matched_by_them():
    live = [fill(0, order="a"), fill(1, order="b")]
    simulated = [fill(0, order="b"), fill(1, order="c")]
    found = reconcile(live, simulated)
    assert found.total.matched == 1
    assert found.missed[0][0].order == "a"
    assert found.extra[0][0].order == "c"


one = st.builds(fill, st.integers(0, 12), st.integers(1, 2), st.sampled_from([4800, 4801]))


@settings(max_examples=150, deadline=None)
@given(st.lists(one, max_size=4), st.lists(one, max_size=4), st.integers(0, 5))
def test_as_many_lots_match_as_can_be(live, simulated, window_ms):
    """Of one price: the greedy choice matches what the best of all choices does."""
    live = [fill((x.ts_ns - T) // 10**6) for x in live for _ in range(x.lots)][:5]
    simulated = [fill((x.ts_ns - T) // 10**6) for x in simulated for _ in range(x.lots)][:5]
    window_ns = window_ms * 10**6
    best = 0
    for order in permutations(simulated):
        free = list(order)
        count = 0
        for mine in live:
            near = [x for x in free if abs(x.ts_ns - mine.ts_ns) <= window_ns]
            if near:
                free.remove(near[0])
                count += 1
        best = max(best, count)
    found = reconcile(live, simulated, window_ns=window_ns)
    assert found.total.matched == best
    assert sum(lots for _, lots in found.missed) == len(live) - best
    assert sum(lots for _, lots in found.extra) == len(simulated) - best


# --- files ------------------------------------------------------------------------------------


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_as_brokers_write_it(tmp_path):
    path = write(
        tmp_path / "live.csv",
        "time,symbol,side,price,quantity",
        "2023-12-25T12:00:00.000000001Z,ESH4,sell,4800.25,2",
        "2023-12-25T14:00:00+02:00,ESH4,B,4800.25,1",
        f"{T + 5},ESH4,BUY,-0.5,1",
    )
    assert read_live_fills(path) == [
        LiveFill(T, "ESH4", 1, 4_800_250_000_000, 1),
        LiveFill(T + 1, "ESH4", -1, 4_800_250_000_000, 2),
        LiveFill(T + 5, "ESH4", 1, -E9 // 2, 1),
    ]


@pytest.mark.parametrize(
    ("text", "after_ns"),
    [
        ("2023-12-25T12:00:00,5Z", E9 // 2),
        ("2023-12-25 12:00:00,500", E9 // 2),
        ("2023-12-25T13:00:00,000000001+01:00", 1),
        ("20231225T120000.25", E9 // 4),
        ("2023-W52-1T12:00:00,25", E9 // 4),
        ("2023-12-25 12:00", 0),
        (f"{T}", 0),
    ],
)
def test_times_keep_their_fraction(tmp_path, text, after_ns):
    path = write(tmp_path / "live.csv", "time,symbol,side,price,quantity", f'"{text}",ESH4,B,1,1')
    assert [fill.ts_ns - T for fill in read_live_fills(path)] == [after_ns]


def test_settlements_are_no_fills(tmp_path):
    """Nobody traded those: a run has them, an account does not."""
    header = "time,symbol,side,price,quantity,reason"
    rows = [f"{T},ESH4,BUY,4800,1,QUEUE", f"{T + 1},ESH4,BUY,4800,1,", f"{T + 2},ESH4,SELL,4810,2,"]
    path = write(tmp_path / "run.csv", header, rows[0], rows[1], rows[2] + "SETTLEMENT")
    assert [fill.ts_ns for fill in read_live_fills(path)] == [T, T + 1]
    assert read_live_fills(write(tmp_path / "all.csv", header, rows[2] + "SETTLEMENT")) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('"2023-12-25T12:00:00,1234567890",ESH4,BUY,1,1', r"row 1, time: .*,1234567890'"),
        ('"2023-12-25T12:00:00,",ESH4,BUY,1,1', r"row 1, time: .* found '.*00,'"),
        ("2023-12-25T12:00.5,ESH4,BUY,1,1", r"row 1, time: .* found '.*12:00.5'"),
        ("20231225,ESH4,BUY,1,1", r"row 1, time: expected ns .*, found '20231225'"),
        ("1703505600000,ESH4,BUY,1,1", r"row 1, time: expected ns .*, found '1703505600000'"),
        ("yesterday,ESH4,BUY,1,1", r"row 1, time: expected ns .*, found 'yesterday'"),
        ("1703505600000000000,,BUY,1,1", r"row 1, symbol: expected a symbol"),
        ("1703505600000000000,ESH4,LONG,1,1", r"row 1, side: expected BUY or SELL, found 'LONG'"),
        ("1703505600000000000,ESH4,BUY,nan,1", r"row 1, price: expected a price, found 'nan'"),
        (
            "1703505600000000000,ESH4,BUY,1,0",
            r"row 1, quantity: expected a whole number from 1 on, found '0'",
        ),
        ("1703505600000000000,ESH4,BUY,1,1.5", r"row 1, quantity: expected a whole number"),
        (
            "1703505600000000000,ESH4,BUY,1,1e99999999",
            r"row 1, quantity: expected .* found '1e99999999'",
        ),
        (
            "1703505600000000000,ESH4,BUY,1e999999,1",
            r"row 1, price: expected a price, found '1e999999'",
        ),
        (
            "1703505600000000000,ESH4,BUY,1e-99999999,1",
            r"row 1, price: expected a price, found '1e-99999999'",
        ),
    ],
)
def test_a_wrong_cell_is_named(tmp_path, row, words):
    path = write(tmp_path / "live.csv", "time,symbol,side,price,quantity", row)
    with pytest.raises(FormatError, match=words):
        read_live_fills(path)


def test_wrong_files_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        read_live_fills(tmp_path / "none.csv")
    with pytest.raises(FormatError, match="expected a column last_px or price or fill_price"):
        read_live_fills(write(tmp_path / "a.csv", "time,symbol,side,quantity", "1,ESH4,BUY,1"))
    with pytest.raises(NoDataError, match="expected at least one fill"):
        read_live_fills(write(tmp_path / "b.csv", "time,symbol,side,price,quantity"))
    with pytest.raises(FormatError, match="CSV or Parquet"):
        read_live_fills(write(tmp_path / "c.parquet", "time"))


# --- a run ------------------------------------------------------------------------------------


def test_a_runs_own_fills_agree_by_parquet_and_by_csv(tmp_path):
    book = Book(FakeLeg()).fill(2, P, 5).fill(-1, P + E9, 5).fill(-1, P - E9, 5).sample(P)
    run = run_of(tmp_path, book)
    whole = reconcile_run(run.path, run.path / "fills.parquet")
    assert whole["agreement_percent"] == 100
    rows = run.fills.to_pylist()
    lines = [
        f"{row['ts_event'].value},{row['symbol']},{row['order_side']},"
        f"{row['last_px'] / E9},{row['last_qty']}"
        for row in rows
    ]
    path = write(tmp_path / "live.csv", "ts_event,symbol,side,price,quantity", *lines)
    assert reconcile_run(run.path, path)["agreement_percent"] == 100
    path = write(tmp_path / "less.csv", "ts_event,symbol,side,price,quantity", *lines[:-1])
    less = reconcile_run(run.path, path)
    assert less["agreement_percent"] == 75
    assert less["extra"]["lots"] == 1
    worse = lines[2].replace("4799.0", "4799.25")
    path = write(tmp_path / "w.csv", "ts_event,symbol,side,price,quantity", *lines[:2], worse)
    moved = reconcile_run(run.path, path)
    assert (moved["matched"], moved["same_price"]) == (4, 3)
    assert moved["slippage"] == 12.5  # sold a tick lower than live, 50 a point


def test_slippage_is_in_the_rate_of_the_live_fill(tmp_path):
    """Both live fills are 1 point from the simulated ones: 50, and at the next rate 80."""
    book = Book(FakeLeg()).fill(1, P).fill(-1, P).sample(P)
    run = run_of(tmp_path, book, point_values={"ESH4": [[0, 50, 1], [book.ts - 5, 160, 2]]})
    first, last = (row["ts_event"].value for row in run.fills.to_pylist())
    lines = [f"{first},ESH4,BUY,4799,1", f"{last},ESH4,SELL,4801,1"]
    path = write(tmp_path / "live.csv", "ts_event,symbol,side,price,quantity", *lines)
    assert reconcile_run(run.path, path)["slippage"] == 130


def test_what_a_run_does_not_have_is_said(tmp_path):
    run = run_of(tmp_path, Book(FakeLeg()).fill(1, P).sample(P))
    fills = run.path / "fills.parquet"
    with pytest.raises(ConfigError, match="did you mean 'maker'"):
        reconcile_run(run.path, fills, strategies=["makr"])
    with pytest.raises(ConfigError, match="within: expected a span"):
        reconcile_run(run.path, fills, within="soon")
    with pytest.raises(MissingFileError, match="expected a finished run"):
        reconcile_run(tmp_path, fills)


def test_figures_are_ready_for_json():
    figures = as_json(reconcile([fill(0), fill(1)], []))
    assert figures["agreement_percent"] == 0
    assert figures["missed"]["lots"] == 2
    assert figures["later_ns"]["p50"] is None
