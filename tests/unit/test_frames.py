"""Tables in other numbers: floats, exact decimals, or as stored; frames of pandas and Polars."""

import sys
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tapewire as tw
from analytics_rows import manifest
from analytics_runs import collect, finished
from tapewire.errors import ConfigError, MissingFileError

NOTES = {"unit": "1e-9 price", "description": "a price"}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    path = tmp_path_factory.mktemp("frames") / "run"
    finished(path)
    return tw.RunResult.load(path)


def table_of(*values: int | None) -> pa.Table:
    schema = pa.schema(
        [pa.field("px", pa.int64(), metadata=NOTES), pa.field("qty", pa.int64())],
        metadata={"tapewire.table": "fills"},
    )
    return pa.table({"px": list(values), "qty": [7] * len(values)}, schema=schema)


def test_decimals_are_exact_to_the_last_unit_and_at_both_ends() -> None:
    values = [0, 1, -1, 4_812_250_000_000, -37_630_000_001, 2**63 - 1, -(2**63), None]
    table = pa.concat_tables([table_of(*values), table_of(), table_of(5)])
    exact = tw.as_decimals(table)
    assert exact.schema.field("px").type == pa.decimal128(38, 9)
    # The slow twin: text with a point nine digits from its end.
    twin = [None if v is None else Decimal(v).scaleb(-9) for v in [*values, 5]]
    assert exact["px"].to_pylist() == twin
    assert exact["qty"].equals(table["qty"])
    assert exact.schema.field("px").metadata[b"unit"] == b"price"
    assert exact.schema.metadata == table.schema.metadata
    assert tw.as_decimals(exact).equals(exact)
    with pytest.raises(ConfigError, match=r"table: expected an Arrow table .*, found a list"):
        tw.as_decimals([1])


@pytest.mark.parametrize("table", ["fills", "orders", "equity", "metrics"])
def test_the_three_numbers_say_the_same(result: tw.RunResult, table: str) -> None:
    stored, decimal, floats = (
        result.to_arrow(table, prices=prices)  # type: ignore[arg-type]
        for prices in ("int", "decimal", "float")
    )
    assert stored.equals(getattr(result, table))
    converted = 0
    for name in stored.column_names:
        exact = decimal[name].to_pylist()
        if pa.types.is_decimal(decimal.schema.field(name).type):
            converted += 1
            for a, b, c in zip(
                stored[name].to_pylist(), exact, floats[name].to_pylist(), strict=True
            ):
                assert (a is None) == (b is None) == (c is None)
                if a is not None:
                    assert Decimal(a) == b * 10**9
                    assert c == float(b)
        else:
            assert decimal[name].equals(stored[name])
    assert converted


def test_frames_of_pandas(result: tw.RunResult) -> None:
    frame = result.to_pandas("fills", prices="decimal")
    assert isinstance(frame["last_px"][0], Decimal)
    assert frame["last_px"][0] == 4800
    assert frame["commission"].sum() == Decimal(6)
    assert str(frame["ts_event"].dtype) == "datetime64[ns, UTC]"
    ts = result.fills["ts_event"].cast("int64").to_pylist()
    assert frame["ts_event"].astype("int64").tolist() == ts


def test_frames_of_polars(result: tw.RunResult) -> None:
    frame = result.to_polars("fills")
    assert frame["last_px"].dtype == pl.Float64
    assert frame["last_px"].to_list() == result.to_pandas("fills")["last_px"].tolist()
    assert frame["ts_event"].dtype == pl.Datetime("ns", "UTC")
    ts = result.fills["ts_event"].cast("int64").to_pylist()
    assert frame["ts_event"].to_physical().to_list() == ts
    exact = result.to_polars("fills", prices="decimal")
    assert exact["last_px"].dtype == pl.Decimal(38, 9)
    assert (
        exact["last_px"].to_list()
        == result.to_pandas("fills", prices="decimal")["last_px"].tolist()
    )
    stored = result.to_polars("orders", prices="int")
    assert stored["price"].to_list() == result.orders["price"].to_pylist()
    assert isinstance(result.to_pandas("fills"), pd.DataFrame)


#: What DuckDB makes of the types of the tables.
DUCK = {
    "int8": "TINYINT", "int32": "INTEGER", "int64": "BIGINT", "uint16": "USMALLINT",
    "uint32": "UINTEGER", "double": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN",
    "timestamp[ns, tz=UTC]": "TIMESTAMPTZ_NS",
}  # fmt: skip


def test_every_table_opens_in_duckdb_with_its_types_and_values(result: tw.RunResult) -> None:
    import duckdb

    files = sorted(result.path.glob("*.parquet"))
    assert {"equity.parquet", "fills.parquet", "orders.parquet"} <= {file.name for file in files}
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        for file in files:
            table = pq.read_table(file)
            found = database.read_parquet(str(file))
            assert [str(kind) for kind in found.types] == [
                DUCK[str(field.type)] for field in table.schema
            ], file.name
            assert found.to_arrow_table().cast(table.schema).equals(table), file.name


def test_without_polars_the_command_is_named(
    result: tw.RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigError) as caught:
        result.to_polars("fills")
    assert str(caught.value) == (
        "to_polars: expected the package polars, found none: pip install polars"
    )


@pytest.mark.parametrize("name", ["to_arrow", "to_pandas", "to_polars"])
def test_wrong_questions(result: tw.RunResult, name: str) -> None:
    convert: Any = getattr(result, name)
    with pytest.raises(ConfigError, match=r"table: expected fills or .*, did you mean 'orders'\?"):
        convert("order")
    with pytest.raises(ConfigError, match=r"prices: expected float or int or decimal, found 'flo"):
        convert("fills", prices="floats")
    with pytest.raises(MissingFileError, match=r"set backtest\.output\.detailed_log to true"):
        convert("events")
    with pytest.raises(MissingFileError, match=r"expected variants\.parquet in "):
        convert("variants")
    assert len(convert("series")) == 0


@pytest.mark.parametrize(
    ("count", "items", "opened"), [(0, 0, 0), (1, 1, 1), (4, 4, 0), (30, 21, 0)]
)
def test_a_notebook_lists_the_warnings(tmp_path: Path, count: int, items: int, opened: int) -> None:
    warnings = [f"<b>{k} & more" for k in range(count)]
    with collect(tmp_path / "run") as collector:
        collector.finish("complete", manifest(warnings=warnings))
    page = ET.fromstring(tw.RunResult.load(tmp_path / "run")._repr_html_())
    listed = [item.text for item in page.iter("li")]
    assert listed[:20] == warnings[:20]
    assert len(listed) == items
    folds = list(page.iter("details"))
    assert len(folds) == min(count, 1)
    assert sum("open" in fold.attrib for fold in folds) == opened
    assert next(cell.text for cell in page.iter("th")) == "strategy"
    assert "maker" in [cell.text for cell in page.iter("td")]
    assert len(list(page.iter("polyline"))) == 1
