"""What strategies record: one table, and charts in which no spike is lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics_rows import E9, NOON_NS, Book, FakeLeg, drained, manifest
from analytics_runs import P, finished, names
from report_pages import page_data, points
from tapewire.analytics import Collector, load_run
from tapewire.analytics.series import CHARTED_SERIES_MAX, SERIES_BUCKETS
from tapewire.errors import SimulationError
from tapewire.positions.rows import SERIES_DTYPE

LEGS = [FakeLeg(0, "maker"), FakeLeg(1, "<b>taker", symbol="NQH4")]


def recorded(*values: tuple[int, int, int, float]) -> np.ndarray:
    """Rows of (leg, name, seconds after noon, value)."""
    rows = np.zeros(len(values), SERIES_DTYPE)
    for row, (leg, name, second, value) in zip(rows, values, strict=True):
        row["leg"], row["name"], row["value"] = leg, name, value
        row["ts"] = NOON_NS + second * E9
    return rows


def collected(path: Path, *batches: tuple[np.ndarray, list[str]], **options: Any) -> Path:
    books = [Book(leg).sample(P) for leg in LEGS]
    for book in books:
        book.sample(P, after_ns=3600 * E9)
    fills, orders, samples = drained(*books)
    with Collector(path, "seed: 0\n", **options) as collector:
        for series, series_names in batches:
            collector.add(
                fills[:0], orders[:0], samples[:0], LEGS, series=series, series_names=series_names
            )
        collector.add(fills, orders, samples, LEGS)
        collector.finish("complete", manifest())
    load_run(path).verify()
    return path


def test_a_table_of_what_was_recorded(tmp_path: Path) -> None:
    nan = float("nan")
    path = collected(
        tmp_path / "run",
        (recorded((0, 0, 1, 0.5), (1, 0, 2, -1e300)), ["spread"]),
        (recorded(), ["spread"]),
        (recorded((0, 1, 3, nan), (0, 0, 3, 0.1)), ["spread", "signal"]),
    )
    run = load_run(path)
    assert run.manifest["rows"]["series"] == 4
    table = run.series
    assert table.schema.names == [
        "leg", "strategy_id", "publisher_id", "instrument_id", "symbol", "name", "ts", "value",
    ]  # fmt: skip
    assert table.schema.field("ts").type == pa.timestamp("ns", tz="UTC")
    assert table.schema.field("value").type == pa.float64()
    assert table["strategy_id"].to_pylist() == ["maker", "<b>taker", "maker", "maker"]
    assert table["symbol"].to_pylist() == ["ESH4", "NQH4", "ESH4", "ESH4"]
    assert table["name"].to_pylist() == ["spread", "spread", "signal", "spread"]
    assert table["ts"].cast("int64").to_pylist() == [NOON_NS + s * E9 for s in (1, 2, 3, 3)]
    values = table["value"].to_pylist()
    assert (values[0], values[1], values[3]) == (0.5, -1e300, 0.1)
    assert np.isnan(values[2])


def test_memory_is_bounded_by_row_groups(tmp_path: Path) -> None:
    batches = [(recorded(*((0, 0, k, float(k)) for k in range(4))), ["x"])] * 5
    path = collected(tmp_path / "run", *batches, row_group_rows=8)
    metadata = pq.read_metadata(path / "series.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [8, 8, 4]


def test_nothing_recorded_is_no_file_and_an_empty_table(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    assert "series.parquet" not in names(tmp_path / "run")
    series = load_run(tmp_path / "run").series
    assert series.num_rows == 0
    assert "value" in series.column_names
    assert "series-0" not in page_data(tmp_path / "run" / "report.html")["charts"]


@pytest.mark.parametrize("name", [-1, 1])
def test_a_name_that_nobody_gave_is_refused(tmp_path: Path, name: int) -> None:
    with pytest.raises(SimulationError, match=f"expected series 0 to 0, found {name}"):
        collected(tmp_path / "run", (recorded((0, name, 1, 1.0)), ["x"]))


def test_each_series_has_a_chart_that_keeps_its_spikes(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    n = 20_000
    rows = np.zeros(2 * n, SERIES_DTYPE)
    rows["leg"] = np.arange(2 * n) % 2
    rows["ts"] = NOON_NS + (np.arange(2 * n) // 2) * (3600 * E9 // n)
    rows["value"] = np.cumsum(draw.normal(0, 1, 2 * n))
    rows["value"][5_001] = 1e6
    rows["value"][[7_000, 7_002]] = np.nan, np.inf
    path = collected(
        tmp_path / "run",
        *((rows[at : at + 999], ["<b>signal"]) for at in range(0, 2 * n, 999)),
        row_group_rows=5_000,
    )
    data = page_data(path / "report.html")
    page = (path / "report.html").read_text()
    assert "<h2>&lt;b&gt;signal</h2>" in page
    assert "recorded by &lt;b&gt;taker on NQH4" in page
    assert "<b>" not in page.split('id="data"')[1].split("</script>")[0]
    for leg in (0, 1):
        (line,) = data["charts"][f"series-{leg}"]["lines"]
        mine = rows[(rows["leg"] == leg) & np.isfinite(rows["value"])]
        whole = {
            int(ts): float(f"{v:.9g}") for ts, v in zip(mine["ts"], mine["value"], strict=True)
        }
        times, values = points(data, line)
        drawn = dict(zip(times, values, strict=True))
        assert len(drawn) == len(times) <= 2_000
        assert drawn.items() <= whole.items()
        assert list(drawn) == sorted(drawn)
        # The slow twin: in every bucket of time the drawn values reach as far as all do.
        width_ns = -(-(3600 * E9 + 1) // SERIES_BUCKETS)
        for bucket in range(SERIES_BUCKETS):
            inside = [
                [v for t, v in points.items() if (t - NOON_NS) // width_ns == bucket]
                for points in (whole, drawn)
            ]
            if inside[0]:
                assert min(inside[0]) == min(inside[1])
                assert max(inside[0]) == max(inside[1])
    assert max(data["charts"]["series-1"]["lines"][0]["y"]["values"]) == 1e6
    assert "2 are no finite numbers." in page


def test_the_first_few_series_are_drawn_and_the_rest_are_counted(tmp_path: Path) -> None:
    n = CHARTED_SERIES_MAX + 3
    order = [7, *(k for k in range(n) if k != 7)]
    rows = recorded(*((0, k, second, float(k)) for second, k in enumerate(order)))
    path = collected(tmp_path / "run", (rows, [f"s{k}" for k in range(n)]))
    charts = page_data(path / "report.html")["charts"]
    drawn = [charts[f"series-{i}"]["lines"][0]["name"] for i in range(CHARTED_SERIES_MAX)]
    assert drawn == [f"s{k}" for k in order[:CHARTED_SERIES_MAX]]
    assert f"series-{CHARTED_SERIES_MAX}" not in charts
    page = (path / "report.html").read_text()
    assert page.count("3 more series are in series.parquet only.") == 1
