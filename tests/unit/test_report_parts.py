"""What the report's charts and tables are made of, against figures worked by hand or a twin."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_rows import DAY_NS, E9, NOON_NS, Book, FakeLeg, drained, manifest
from report_pages import page_data
from tapewire.analytics import Collector
from tapewire.analytics.analysis import Analysis
from tapewire.analytics.assumptions import in_short, trust
from tapewire.analytics.bars import BarSeries, columns, rows
from tapewire.analytics.breakdowns import NAMES_MAX, pnl_charts
from tapewire.analytics.fill_marks import VOLUME_BUCKETS, FillMarks
from tapewire.analytics.heatmaps import CELLS_MAX, heat_maps
from tapewire.analytics.latency import BARS_MAX, LatencyLog
from tapewire.analytics.metrics import METRICS
from tapewire.analytics.packing import changes_only, packed, unpacked
from tapewire.analytics.profiles import HourProfile, QueuePlaces
from tapewire.analytics.quote_marks import QuoteMarks
from tapewire.execution.codes import OrderStatus

P = 4800 * E9
HOUR_NS = 3600 * E9


@given(st.lists(st.integers(-(2**62), 2**62)), st.sampled_from([1, 10**9]))
def test_packed_numbers_come_back_exactly(values, unit):
    array = np.array(values, np.int64)
    assert unpacked(packed(array, unit)) == [v / unit for v in values]


def test_packed_prices_are_short():
    assert packed(np.array([P, P + E9 // 4, P, P - E9 // 2]), E9) == {
        "first": P, "count": 4, "step": E9 // 4, "moves": [1, -1, -2], "unit": E9,
    }  # fmt: skip
    assert unpacked(packed(np.array([1 / 3, -2e300]))) == [0.333333333, -2e300]


@given(st.lists(st.integers(0, 2), min_size=1))
def test_points_that_do_not_move_a_stepped_line_are_left_out(values):
    ts, kept = changes_only(np.arange(len(values)), np.array(values))
    assert (ts[0], ts[-1]) == (0, len(values) - 1)
    for at, value in enumerate(values):
        assert kept[np.searchsorted(ts, at, side="right") - 1] == value
    assert all(a != b for a, b in itertools.pairwise(kept[:-1]))


def some_fills(n: int, seed: int = 5) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {
        "ts_event": NOON_NS + np.sort(draw.integers(-5, 1000, n)),
        "last_px": P + draw.integers(-40, 40, n) * E9 // 4,
        "last_qty": draw.integers(1, 9, n),
        "order_side": draw.choice(np.array(["BUY", "SELL"], object), n),
        "client_order_id": np.array([f"o{k}" for k in range(n)], object),
        "reason": np.array(["QUEUE"] * n, object),
        "liquidity_side": np.array(["MAKER"] * n, object),
    }


def test_every_fill_is_a_mark_up_to_the_bound():
    fills = some_fills(64)
    marks = FillMarks(NOON_NS, NOON_NS + 999, 64)
    for at in (0, 40):
        marks.add({name: column[at : at + 40] for name, column in fills.items()})
    assert marks.whole
    assert all((marks.marks()[name] == fills[name]).all() for name in fills)


@pytest.mark.parametrize("chunk", [1, 7, 500])
def test_beyond_the_bound_extremes_of_each_side_and_bucket_stay(chunk):
    fills, most = some_fills(500), 80
    marks = FillMarks(NOON_NS, NOON_NS + 999, most)
    for at in range(0, 500, chunk):
        marks.add({name: column[at : at + chunk] for name, column in fills.items()})
    kept = marks.marks()
    assert (marks.fills, marks.whole) == (500, False)
    # The slow twin: ten buckets of 100 ns, what lies outside in the first or last.
    bucket = [min(max(int(t) - NOON_NS, 0), 999) // 100 for t in fills["ts_event"]]
    found = {int(name[1:]) for name in kept["client_order_id"]}
    for which in itertools.product(range(10), ("BUY", "SELL")):
        every = [k for k in range(500) if (bucket[k], fills["order_side"][k]) == which]
        ours = [k for k in every if k in found]
        assert {every[0], every[-1]} <= set(ours)
        for reach in (min, max):
            price = reach(fills["last_px"][k] for k in every)
            assert reach(fills["last_px"][k] for k in ours) == price
        assert len(ours) <= 4
    assert len(found) <= most
    assert (np.diff(kept["ts_event"]) >= 0).all()
    assert marks.volume.sum() == fills["last_qty"].sum()
    assert marks.volume[0].sum() == fills["last_qty"][fills["order_side"] == "BUY"].sum()
    assert marks.volume.shape == (2, VOLUME_BUCKETS)


def test_own_orders_are_drawn_while_they_rested_all_or_none():
    orders = {
        "order_side": np.array(["BUY", "SELL", "BUY", "SELL"], object),
        "price": np.array([P, P + E9, P - E9, P]),
        "queue_ahead": np.array([3, 0, -1, 7]),  # the third never rested
        "ts_arrived": np.array([20, 10, 5, 30]),
        "ts_replaced": np.array([-1, 15, -1, -1]),
        "ts_closed": np.array([25, 40, 6, -1]),  # the fourth was open at the end
    }
    marks = QuoteMarks(99, 3)
    for at in range(4):
        marks.add({name: column[at : at + 1] for name, column in orders.items()})
    start, end, price, buys = (column.tolist() for column in marks.spans())
    assert (start, end, price) == ([15, 20, 30], [40, 25, 99], [P + E9, P, P])
    assert buys == [False, True, False]
    marks.add(orders)
    assert (marks.orders, marks.whole, marks.spans()[0].size) == (6, False, 0)


def test_a_sample_closes_its_hour_and_a_fill_is_in_its_own():
    hours = HourProfile()
    hours.add_pnl(np.array([NOON_NS, NOON_NS + 1, NOON_NS + HOUR_NS, NOON_NS + DAY_NS]),
                  np.array([1, 10, 100, 1000]))  # fmt: skip
    hours.add_fills(np.array([NOON_NS, NOON_NS - 1, NOON_NS + DAY_NS]), np.array([2, 3, 4]))
    assert {h: int(v) for h, v in enumerate(hours.pnl) if v} == {11: 1001, 12: 110}
    assert {h: int(v) for h, v in enumerate(hours.fills) if v} == {11: 1, 12: 2}
    assert {h: int(v) for h, v in enumerate(hours.lots) if v} == {11: 3, 12: 6}


def test_queue_places_double():
    places = QueuePlaces()
    places.add(np.array([-1, 0, 1, 2, 3, 4]), np.array([9, 1, 0, 0, 2, 0]))
    places.add(np.array([7, 8]), np.array([0, 1]))
    assert places.classes() == [("0", 1, 1), ("1", 1, 0), ("2–3", 2, 1), ("4–7", 2, 0),
                                ("8–15", 1, 1)]  # fmt: skip
    assert QueuePlaces().classes() == []


def bars_of(*values: int) -> tuple[tuple[int, int], ...]:
    log = LatencyLog()
    log.record_all("sim_order_entry", np.array(values))
    (summary,) = log.summaries()
    assert sum(count for _, count in summary.bars) == len(values)
    return summary.bars


def test_latency_bars_are_as_fine_as_there_is_room():
    assert bars_of(60_000) == ((68_000, 1),)
    assert bars_of(100_000, 100_000, 121_000, 150_000, 200_000) == (
        (100_000, 2), (120_000, 0), (150_000, 2), (180_000, 0), (220_000, 1),
    )  # fmt: skip
    wide = bars_of(1_000, 3_600_000_000_000)
    assert len(wide) <= BARS_MAX
    assert (wide[0], wide[-1]) == ((1_000, 1), (5_000_000_000_000, 1))
    assert bars_of(0) == ((0, 1),)


def test_columns_reach_from_zero():
    series = [BarSeries("a", "--s1", [3, -1, 0], ["3", "-1", "0"])]
    chart = columns("T", "u", "At", ["x", "y", "z"], series)
    assert [slot["bars"][0]["bottom"] for slot in chart["slots"]] == ["25.00", "0.00", "25.00"]
    assert [slot["bars"][0]["height"] for slot in chart["slots"]] == ["75.00", "25.00", "0.00"]
    assert (chart["zero"], chart["high"], chart["low"]) == ("25.00", "3", "-1")
    assert [[c["text"] for c in row] for row in chart["table"]["rows"]] == [
        ["x", "3"], ["y", "-1"], ["z", "0"],
    ]  # fmt: skip
    lying = rows("T", "u", "At", ["x", "y"], BarSeries("a", "--s1", [1, -3], ["1", "-3"]))
    assert [(r["left"], r["width"]) for r in lying["rows"]] == [
        ("75.00", "25.00"),
        ("0.00", "75.00"),
    ]


def test_pnl_by_name_has_the_best_and_the_worst():
    def row(scope: str, strategy: str | None, symbol: str | None, net: int) -> dict[str, object]:
        return {"scope": scope, "strategy_id": strategy, "symbol": symbol, "net_pnl": net * E9}

    names = [f"s{k}" for k in range(NAMES_MAX + 3)]
    rows_of = [row("strategy", name, None, k) for k, name in enumerate(names)]
    legs = [row("leg", "s1", "ES", 3), row("leg", "s2", "NQ", -9), row("leg", "s2", "ES", 4)]
    analysis = Analysis(0, 1, rows=[row("total", None, None, 0), *rows_of, *legs])
    by_strategy, by_symbol = pnl_charts(analysis)
    half = NAMES_MAX // 2
    assert [r["label"] for r in by_strategy["rows"]] == [*names[: -half - 1 : -1],
                                                         *names[half - 1 :: -1]]  # fmt: skip
    assert by_strategy["note"] == f"The best and the worst {half} of {NAMES_MAX + 3}."
    assert [(r["label"], r["text"]) for r in by_symbol["rows"]] == [("ES", "7.00"), ("NQ", "−9.00")]
    assert pnl_charts(Analysis(0, 1, rows=rows_of[:1])) == []


def grid(of: str, **parameters: list[object]) -> list[dict[str, object]]:
    names = list(parameters)
    return [
        {"strategy_id": f"{of}.{k}", "variant_of": of,
         "parameters": dict(zip(names, values, strict=True))}
        for k, values in enumerate(itertools.product(*parameters.values()))
    ]  # fmt: skip


def test_a_grid_of_two_parameters_is_a_map():
    variants = grid("mm", size=[5, 1], fast=[True, False])
    pnl = {"mm.0": 4 * E9, "mm.1": -8 * E9, "mm.2": E9}  # mm.3 never had a book
    blank = {metric.column: None for metric in METRICS}
    figures = {name: blank | {"net_pnl": value} for name, value in pnl.items()}
    (one,) = heat_maps(variants, figures, METRICS)
    assert (one["rows"], one["columns"]) == (["1", "5"], ["true", "false"])
    assert one["metrics"][0]["name"] == "Net P&L"
    assert one["metrics"][0]["cells"] == [[("1.00", 12), ("", 0)], [("4.00", 50), ("−8.00", -100)]]


@pytest.mark.parametrize(
    "variants",
    [
        grid("one", a=[1, 2, 3]),
        grid("three", a=[1, 2], b=[1, 2], c=[1, 2]),
        grid("line", a=[1, 2], b=[1]),
        grid("large", a=list(range(CELLS_MAX)), b=[1, 2]),
    ],
    ids=lambda v: v[0]["variant_of"],
)
def test_other_grids_are_tables_only(variants):
    assert heat_maps(variants, {}, METRICS) == []


def test_it_says_whether_the_run_is_the_same_every_time():
    whole = manifest() | {"status": "complete"}
    assert dict(trust(whole))["Deterministic"].startswith("yes")
    assert dict(in_short(whole)) == {
        "Fills": "mbo_queue", "Queue": "fifo", "Latency": "fixed", "Impact": "linear",
        "Fees": "per_contract", "Deterministic": "yes", "Warnings": "none",
    }  # fmt: skip
    free = whole | {"models": {"ml": {"deterministic": False}}, "warnings": ["a", "b"]}
    assert dict(trust(free))["Deterministic"].startswith("no: answers of ml")
    assert dict(trust(free))["Warnings"] == "2, above"
    assert (dict(in_short(free))["Deterministic"], dict(in_short(free))["Warnings"]) == ("no", "2")


def test_days_months_hours_and_places_of_a_run_worked_by_hand(tmp_path):
    """50 on one day, 100 lost in the next month, one order that rested and never filled."""
    book = Book(FakeLeg(), NOON_NS)
    book.fill(1, P).fill(-1, P + E9).sample(P, after_ns=2 * HOUR_NS)
    book.order(OrderStatus.CANCELED)
    book.ts += 10 * DAY_NS  # 4 January
    book.fill(1, P).fill(-1, P - 2 * E9).sample(P, after_ns=60 * E9)
    with Collector(tmp_path / "run", "") as collector:
        collector.add(*drained(book), [book.leg])
        collector.finish("complete", manifest())
    page = (tmp_path / "run" / "report.html").read_text()
    lines = [line for line in page.splitlines() if line.startswith("<tr><th")]
    cells = [[c.split(">")[-1] for c in line.split("</t")[:-2]] for line in lines]
    assert ["2024-01-04", "−100.00", "−50.00", "0.00\N{NO-BREAK SPACE}s", "no"] in [
        [*c[:3], "0.00\N{NO-BREAK SPACE}s", c[-1]] for c in cells
    ]
    assert any(c[:3] == ["2023-12-25", "50.00", "50.00"] for c in cells)
    by_year = {c[0]: [text for text in c[1:] if text] for c in cells if c[0] in ("2023", "2024")}
    assert by_year == {"2023": ["50.00", "50.00"], "2024": ["−100.00", "−100.00"]}
    assert ["14", "−50.00"] in cells
    assert ["12", "2"] in cells
    assert ["8–15", "1", "0"] in cells
    assert ["4–7", "4", "4"] in cells
    fills = page_data(tmp_path / "run" / "report.html")["charts"]["price"]["choices"][0]["fills"]
    assert fills["lots"] == [1, -1, 1, -1]
    assert fills["orders"] == ["1", "2", "4", "5"]
    assert unpacked(fills["y"]) == [4800, 4801, 4800, 4798]
