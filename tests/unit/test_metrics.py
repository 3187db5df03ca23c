"""A metric is one class in one file: its column, its lines in the report and its value."""

import dataclasses
import inspect
import math
import os
import pkgutil
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import rooms
from analytics_rows import E9, NOON_NS, Book, FakeLeg, drained, manifest
from tapewire.analytics import Collector, load_run, metrics
from tapewire.analytics.curves import Curve
from tapewire.analytics.figures import FiguresCollector
from tapewire.analytics.metrics import FAMILIES, METRICS, Inputs, Metric, Registry, Tally
from tapewire.analytics.metrics import inputs as inputs_module
from tapewire.analytics.metrics.definition import COUNT, DEFINITION, MONEY, RATIO, ratio
from tapewire.analytics.metrics.inputs import (
    INPUT_TYPES,
    FillTotals,
    OrderTotals,
    Pnl,
    Sessions,
)
from tapewire.analytics.metrics.registry import SCOPE, defined_in
from tapewire.analytics.trades import TradeTotals

P = 4800 * E9

#: Columns that readers of earlier versions know, in their order; new ones come in between.
KNOWN = [
    "net_pnl", "gross_pnl", "realized_pnl", "unrealized_pnl", "fees", "max_drawdown",
    "max_drawdown_peak_ts", "max_drawdown_ts", "orders", "orders_denied", "orders_filled",
    "fills", "fill_ratio", "volume", "maker_volume", "taker_volume", "maker_ratio",
    "max_position", "closed_trades", "winning_trades", "losing_trades", "win_rate",
    "profit_factor", "avg_trade_pnl", "avg_trade_duration_s", "sessions", "sharpe_annualised",
    "samples", "sample_pnl_mean", "sample_pnl_deviation",
]  # fmt: skip


class LotsPerOrder(Metric):
    """What a test adds; it needs two inputs."""

    column = "lots_per_order"
    label = "Lots <per> order"
    compact = "Lots/order"
    format = RATIO
    formula = "volume / orders"
    null = "no order"
    absent = "Nobody ordered."

    @staticmethod
    def compute(fills: FillTotals, orders: OrderTotals) -> float | None:
        return ratio(fills.volume, orders.statuses.total())


def tell(path: Path, registry: Registry, *books: Book) -> Path:
    with Collector(path, "seed: 0\n", metrics=registry) as collector:
        collector.add(*drained(*books), [book.leg for book in books])
        collector.finish("complete", manifest())
    return path


def test_a_new_metric_is_in_the_table_the_manifest_and_the_report(tmp_path):
    registry = METRICS.with_metrics(LotsPerOrder)
    book = Book(FakeLeg()).fill(4, P).fill(-1, P).sample(P)
    run = load_run(tell(tmp_path / "run", registry, book))
    schema = pq.read_schema(run.path / "metrics.parquet")
    assert schema.names == [*(c.name for c in METRICS.table), "lots_per_order"]
    field = schema.field("lots_per_order")
    assert (str(field.type), field.nullable) == ("double", True)
    assert field.metadata == {
        b"description": b"volume / orders", b"unit": b"ratio", b"null": b"no order",
    }  # fmt: skip
    assert run.metrics["lots_per_order"].to_pylist() == [2.5, 2.5, 2.5]
    results = run.manifest["results"]
    assert results["total"]["lots_per_order"] == 2.5
    assert results["strategies"]["maker"]["lots_per_order"] == 2.5
    page = (run.path / "report.html").read_text()
    assert page.count("Lots &lt;per&gt; order") == 1
    assert "volume / orders (ratio)" in page
    assert page.count(">2.50<") == 2  # in the table of all metrics, and by instrument
    assert page.count("Lots/order") == 1
    assert "Nobody ordered." not in page


def test_a_new_metric_without_a_value_says_so(tmp_path):
    registry = METRICS.with_metrics(LotsPerOrder)
    run = load_run(tell(tmp_path / "run", registry, Book(FakeLeg()).sample(P)))
    assert run.metrics["lots_per_order"].to_pylist() == [None, None, None]
    assert run.manifest["results"]["total"]["lots_per_order"] is None
    assert "Nobody ordered." in (run.path / "report.html").read_text()


def test_a_metric_is_one_class_in_one_file(tmp_path):
    """In a copy of the tree one file is changed, and nothing else."""
    root = rooms.copy_of_tree(tmp_path / "copy")
    with (root / "analytics/metrics/activity.py").open("a") as file:
        file.write(
            textwrap.dedent("""

            class LotsPerFill(Metric):
                column = "lots_per_fill"
                label = "Lots in a fill"
                compact = "Lots/fill"
                terse = "lots per fill"
                format = SHARE
                formula = "volume / fills"
                null = "no fill"

                @staticmethod
                def compute(fills: FillTotals) -> float | None:
                    return ratio(fills.volume, fills.count)
            """)
        )
    script = f"""
        from pathlib import Path
        import tapewire.analytics
        from analytics_rows import Book, FakeLeg, drained, manifest
        from tapewire.runs.result import RunResult
        assert tapewire.analytics.__file__.startswith({str(root)!r}), tapewire.analytics.__file__
        book = Book(FakeLeg()).fill(4, {P}).fill(-1, {P}).sample({P})
        path = Path({str(tmp_path / "run")!r})
        with tapewire.analytics.Collector(path, "") as collector:
            collector.add(*drained(book), [book.leg])
            collector.finish("complete", manifest())
        result = RunResult.load(path)
        print(result.metrics.column_names, result.metrics["lots_per_fill"].to_pylist())
        print(result)
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(root.parent), *_tests()))},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "'peak_margin', 'lots_per_fill', 'spread_pnl'" in done.stdout  # in its family
    assert "[2.5, 2.5, 2.5]" in done.stdout
    assert "max position  lots per fill\n" in done.stdout
    assert pq.read_schema(tmp_path / "run" / "metrics.parquet").field("lots_per_fill")
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("Lots in a fill") == 1
    assert page.count("Lots/fill") == 1
    assert page.count("250.0\N{NO-BREAK SPACE}%") == 2


def _tests() -> list[str]:
    return [str(Path(rooms.__file__).parent)]


def test_columns_come_by_family_and_those_that_are_known_keep_their_order():
    names = [column.name for column in METRICS.table]
    scope = [column.name for column in SCOPE]
    assert names[: len(scope)] == scope
    assert [name for name in names if name in KNOWN] == KNOWN
    assert names[len(scope) :] == [m.column for family in FAMILIES for m in defined_in(family)]


def test_every_file_that_defines_a_metric_is_a_family():
    files = [
        import_module(f"{metrics.__name__}.{module.name}")
        for module in pkgutil.iter_modules(metrics.__path__)
    ]
    with_metrics = [file for file in files if [m for m in defined_in(file) if m is not Metric]]
    assert {file.__name__ for file in with_metrics} == {file.__name__ for file in FAMILIES}


@pytest.mark.parametrize("metric", list(METRICS), ids=lambda metric: metric.column)
def test_a_metric_says_everything_about_itself(metric):
    assert metric.label
    assert metric.formula
    assert metric.source
    assert metric.format.unit
    labels = [other.label for other in METRICS]
    assert labels.count(metric.label) == 1
    assert bool(metric.null) == ("None" in str(inspect.signature(metric.compute).return_annotation))


def test_what_a_metric_is_without_anything_is_null_where_it_may_be():
    nothing = METRICS.compute(Inputs.of([], Curve()))
    for metric in METRICS:
        value = nothing[metric.column]
        assert value == 0 if not metric.null else value is None, metric.column


def test_inputs_of_several_legs_add_up():
    one = Tally(Pnl(5, -2, 1), OrderTotals(), FillTotals(2, 3, 4, 9), TradeTotals(trades=1))
    one.orders.statuses.update(FILLED=2, DENIED=1)
    two = Tally(Pnl(7, 0, 2), OrderTotals(ordered=4), FillTotals(1, 1, 0, 5), TradeTotals(trades=2))
    two.orders.statuses.update(FILLED=1)
    both = Inputs.of([one, two], Curve())
    assert both.pnl == Pnl(12, -2, 3)
    assert both.fills == FillTotals(3, 4, 4, 9)  # the largest position is one leg's
    assert (both.orders.statuses.total(), both.orders.denied, both.orders.ordered) == (4, 1, 4)
    assert both.trades.trades == 3
    assert one.pnl == Pnl(5, -2, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "ZeroDivisionError: division by zero"),
        (math.inf, "ValueError: expected a finite value or None, found inf"),
        (2**63, "ValueError: expected a value within the 64-bit range, found 9223372036854775808"),
    ],
)
def test_a_metric_that_fails_costs_no_other_and_is_told(given, said, tmp_path):
    class Broken(Metric):
        column = "broken"
        label = "Broken"
        format = COUNT
        formula = "nothing over nothing"
        null = "always"

        @staticmethod
        def compute(pnl: Pnl) -> float | None:
            return 1 / pnl.fees if given is None else given

    registry = METRICS.with_metrics(Broken)
    failed: dict[str, str] = {}
    found = registry.compute(Inputs.of([], Curve()), failed)
    assert found == METRICS.compute(Inputs.of([], Curve())) | {"broken": None}
    assert failed == {"broken": said}
    with pytest.raises((ZeroDivisionError, ValueError)):  # who does not ask for it meets it
        registry.compute(Inputs.of([], Curve()))

    book = Book(FakeLeg()).fill(1, 4_800 * E9).sample(mark=4_801 * E9)
    fills, orders, samples = drained(book)
    for collector in (Collector(tmp_path / "run", "", metrics=registry),
                      FiguresCollector(tmp_path / "none", metrics=registry)):  # fmt: skip
        with collector as collector:
            collector.add(fills, orders, samples, [FakeLeg()])
            collector.finish(manifest=manifest())
            if isinstance(collector, FiguresCollector):
                told, rows = collector.manifest["warnings"], collector.table().to_pylist()
            else:
                run = load_run(tmp_path / "run")
                assert run.status == "complete"
                told, rows = run.manifest["warnings"], run.metrics.to_pylist()
        assert told == [
            f"metric broken has no value where it failed, which is a defect of it: {said}"
        ]
        assert all(row["broken"] is None and row["net_pnl"] is not None for row in rows)


def test_what_metrics_share_is_worked_out_once_and_only_if_needed(monkeypatch):
    asked: list[Any] = []
    real = inputs_module.session_results

    def counted(days: Any) -> list[int]:
        asked.append(days)
        return real(days)

    monkeypatch.setattr(inputs_module, "session_results", counted)
    needing = [m for m in METRICS if "sessions" in inspect.signature(m.compute).parameters]
    assert len(needing) > 1
    METRICS.compute(Inputs.of([], Curve()))
    assert len(asked) == 1
    Registry(m for m in METRICS if m not in needing).compute(Inputs.of([], Curve()))
    assert len(asked) == 1


def test_inputs_have_the_names_and_types_that_metrics_ask_for():
    names = {field.name for field in dataclasses.fields(Inputs)}
    assert set(INPUT_TYPES) == {*names, "sessions"}
    assert INPUT_TYPES["sessions"] is Sessions
    inputs = Inputs.of([], Curve())
    for name, kind in INPUT_TYPES.items():
        assert type(getattr(inputs, name)) is kind


class NoFormula(Metric):
    """It lacks two parts."""

    column = "no_formula"
    label = "No formula"
    format = COUNT


class Unknown(NoFormula):
    """Its input does not exist."""

    formula = "0"

    @staticmethod
    def compute(weather: Pnl) -> int:
        return weather.gross


class Mistyped(Unknown):
    """Its input is of another type."""

    @staticmethod
    def compute(pnl: FillTotals) -> int:
        return pnl.count


def test_a_metric_that_lacks_a_part_is_refused_by_name():
    with pytest.raises(TypeError, match=r"NoFormula: expected formula, compute, found none"):
        Registry([NoFormula])


def test_a_metric_that_needs_what_is_not_there_is_refused_by_name():
    with pytest.raises(TypeError, match=r"Unknown: expected inputs of pnl, .*, found 'weather'"):
        Registry([Unknown])
    with pytest.raises(TypeError, match=r"Mistyped: expected pnl as Pnl, found .*FillTotals"):
        Registry([Mistyped])


@pytest.mark.parametrize("column", ["net_pnl", "strategy_id"])
def test_a_column_belongs_to_one_metric(column):
    twin = type("Twin", (LotsPerOrder,), {"column": column})
    with pytest.raises(ValueError, match=rf"Twin: expected a column of its own, found '{column}'"):
        METRICS.with_metrics(twin)


def test_money_without_a_value_is_null_in_the_manifest():
    price = type("Price", (LotsPerOrder,), {"column": "price", "format": MONEY})
    registry = Registry([price])
    assert registry.headline({"price": None}) == {"price": None}
    assert registry.headline({"price": -1_500_000_000}) == {"price": "-1.5"}
    assert registry.text({"price": None}, "price") == "n/a"


def test_times_are_in_the_table_alone(tmp_path):
    book = Book(FakeLeg(), NOON_NS).fill(1, P).sample(P).sample(P - E9, after_ns=E9)
    run = load_run(tell(tmp_path / "run", METRICS, book))
    assert run.metrics["max_drawdown_ts"][0].as_py().value == book.ts
    headline = run.manifest["results"]["total"]
    assert list(headline) == [m.column for m in METRICS if m.format.type != "time"]


def test_the_page_has_every_metric_as_it_is_defined(repo):
    lines = (repo / "docs" / "metrics.md").read_text().splitlines()
    for metric in METRICS:
        source = "" if metric.source == DEFINITION else metric.source
        cells = (f"`{metric.column}`", metric.format.unit, metric.formula, metric.null, source)
        assert "| " + " | ".join(cells) + " |" in lines
