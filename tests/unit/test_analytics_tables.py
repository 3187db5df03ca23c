"""The tables of a run folder: columns, types, nulls, row groups, and rows that are refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics_rows import (
    E9,
    Book,
    FakeLeg,
    drained,
    manifest,
    no_fills,
    no_orders,
    no_samples,
    rows,
)
from analytics_runs import P, collect, finished, names, story
from tapewire.analytics import RUN_FILES, Collector, load_run
from tapewire.analytics.schemas import Column
from tapewire.analytics.tables import TableWriter
from tapewire.atomic import AtomicFile
from tapewire.execution.codes import OrderEvent, Reason, Side
from tapewire.execution.rows import EVENT_DTYPE
from tapewire.market.records import UNDEF_PRICE

UTC_NS = pa.timestamp("ns", tz="UTC")


def test_the_log_of_events_is_a_table_like_the_others(tmp_path):
    book = story(["mine", "second", "third", "fourth"])
    base = {"side": Side.BUY, "publisher_id": 1, "instrument_id": 17077, "price": P, "quantity": 2,
            "old_price": UNDEF_PRICE, "last_px": UNDEF_PRICE, "ts_known": 9}  # fmt: skip
    events = rows(
        EVENT_DTYPE,
        [
            base | {"client_order_id": 1, "event": OrderEvent.SENT},
            base | {"client_order_id": 1, "event": OrderEvent.REPLACED, "old_price": P - E9,
                    "old_quantity": 3, "ts_event": 8},
            base | {"client_order_id": 1, "event": OrderEvent.FILLED, "last_px": P, "last_qty": 2,
                    "filled_qty": 2, "ts_event": 8},
            base | {"client_order_id": -1, "event": OrderEvent.SENT, "price": UNDEF_PRICE,
                    "reason": Reason.LOSS_FLATTEN},
        ],
    )  # fmt: skip
    path = tmp_path / "run"
    with Collector(path, "seed: 0\n", event_log=True) as collector:
        collector.add(*drained(book), [book.leg], events)
        collector.finish("complete", manifest())
    assert set(names(path)) == {*RUN_FILES, "manifest.json"} - {
        "fees.parquet",
        "markouts.parquet",
        "series.parquet",
        "settlements.parquet",
        "variants.parquet",
    }
    run = load_run(path)
    run.verify()
    assert run.manifest["rows"]["events"] == 4
    table = run.events
    assert table.column("client_order_id").to_pylist() == ["mine", "mine", "mine", "flatten-1"]
    assert table.column("event").to_pylist() == ["SENT", "REPLACED", "FILLED", "SENT"]
    assert table.column("reason").to_pylist() == ["NONE", "NONE", "NONE", "LOSS_FLATTEN"]
    assert table.column("price").to_pylist() == [P, P, P, None]
    assert table.column("old_price").to_pylist() == [None, P - E9, None, None]
    assert table.column("old_quantity").to_pylist() == [None, 3, None, None]
    assert table.column("last_px").to_pylist() == [None, None, P, None]
    assert table.column("ts_event").null_count == 2


def test_an_order_of_the_simulation_has_a_name_of_its_own(tmp_path):
    book = story()
    book.orders[1]["client_order_id"] = -2
    finished(tmp_path / "run", book)
    ids = load_run(tmp_path / "run").orders.column("client_order_id").to_pylist()
    assert ids == ["1", "flatten-2", "3", "4"]


def test_fills_have_the_documented_columns_and_types(tmp_path):
    finished(tmp_path / "run")
    fills = load_run(tmp_path / "run").fills
    types = {f.name: f.type for f in fills.schema}
    text = dict.fromkeys(
        (
            "strategy_id", "client_order_id", "symbol", "order_side", "liquidity_side", "reason",
            "position_effect",
        ),
        pa.string(),
    )  # fmt: skip
    numbers = ("last_px", "last_qty", "commission", "position", "queue_ahead", "impact")
    exact = dict.fromkeys(numbers, pa.int64())
    times = dict.fromkeys(("ts_event", "ts_known", "ts_placed"), UTC_NS)
    ids = {"leg": pa.int32(), "publisher_id": pa.uint16(), "instrument_id": pa.uint32()}
    assert types == text | exact | times | ids
    assert fills.schema.metadata[b"tapewire.schema_version"] == b"1"
    assert fills.schema.field("commission").metadata[b"unit"] == b"1e-9 currency"
    first = fills.to_pylist()[0]
    assert first["order_side"] == "BUY"
    assert first["liquidity_side"] == "MAKER"
    assert first["last_px"] == P
    assert first["client_order_id"] == "1"
    assert first["ts_known"].value - first["ts_event"].value == 60_000


def test_orders_say_null_where_nothing_happened(tmp_path):
    finished(tmp_path / "run")
    filled, resting, denied, market = load_run(tmp_path / "run").orders.to_pylist()
    assert (filled["status"], filled["reason"], filled["price"]) == ("FILLED", "NONE", P)
    assert (resting["status"], resting["ts_closed"]) == ("NEW", None)
    assert (denied["reason"], denied["ts_arrived"], denied["queue_ahead"]) == (
        "MAX_POSITION", None, None,
    )  # fmt: skip
    assert (market["order_type"], market["price"], market["time_in_force"]) == (
        "MARKET", None, "IOC",
    )  # fmt: skip


def test_the_users_own_order_ids_come_back(tmp_path):
    finished(tmp_path / "run", story(["alpha", "β-2", "c"]))
    run = load_run(tmp_path / "run")
    assert run.orders["client_order_id"].to_pylist() == ["alpha", "β-2", "c", "4"]
    assert run.fills["client_order_id"].to_pylist() == ["alpha", "4"]


def test_tables_open_in_pandas_with_utc_nanoseconds(tmp_path):
    finished(tmp_path / "run")
    frame = load_run(tmp_path / "run").fills.to_pandas()
    assert str(frame["ts_event"].dtype) == "datetime64[ns, UTC]"
    assert frame["last_px"].dtype == np.int64


def test_rows_are_written_in_row_groups_as_they_come(tmp_path):
    book = Book(FakeLeg())
    for _ in range(10):
        book.fill(1, P).fill(-1, P).sample(P)
    with Collector(tmp_path / "run", "", row_group_rows=4) as collector:
        fills, orders, samples = drained(book)
        for at in range(20):
            part = slice(at, at + 1)
            collector.add(fills[part], orders[part], samples[part], [book.leg])
            assert len(collector._tables._held["fills"]) < 4
        collector.finish("complete", manifest())
    assert pq.ParquetFile(tmp_path / "run" / "fills.parquet").num_row_groups == 5


def test_an_unmarked_position_is_an_error_and_a_flat_one_is_null(tmp_path):
    finished(tmp_path / "flat", Book(FakeLeg()).sample(UNDEF_PRICE))
    assert load_run(tmp_path / "flat").equity["mark"].to_pylist() == [None]
    with (
        collect(tmp_path / "open", Book(FakeLeg()).fill(1, P).sample(UNDEF_PRICE)) as collector,
        pytest.raises(Exception, match="expected a mark"),
    ):
        collector.finish("complete", manifest())


def test_rows_of_another_shape_are_refused(tmp_path):
    with Collector(tmp_path / "run", "") as collector, pytest.raises(TypeError, match="fills rows"):
        collector.add(no_samples(), no_orders(), no_samples(), [])


def test_a_leg_nobody_knows_is_refused(tmp_path):
    with (
        collect(tmp_path / "run", Book(FakeLeg(leg=3)).fill(1, P)) as collector,
        pytest.raises(Exception, match=r"orders of legs 0 to 0|fills of legs 0 to 0"),
    ):
        collector.finish("complete", manifest())


def test_adding_nothing_costs_next_to_nothing(tmp_path):
    """Ten thousand empty drains pass without a row, a flush or a file growing."""
    with Collector(tmp_path / "run", "") as collector:
        for _ in range(10_000):
            collector.add(no_fills(), no_orders(), no_samples(), [])
        assert collector.rows == {"fills": 0, "orders": 0, "samples": 0}


def test_any_number_comes_back_from_its_differences(tmp_path):
    extremes = [-(2**63), 2**63 - 1, 0, -1, 1, 2**62, -(2**62), 0] * 40
    columns = (
        Column("client_order_id", "string", "", ""),
        Column("symbol", "string", "", ""),
        Column("price", "int64", "", "", "none"),
        Column("ts", "time", "", ""),
        Column("value", "float64", "", ""),
    )
    given = {
        "client_order_id": pa.array([str(n) for n in range(320)]),
        "symbol": pa.array(["ESH4", "NQH4"] * 160),
        "price": pa.array(extremes, mask=np.arange(320) % 7 == 0),
        "ts": pa.array(extremes),
        "value": pa.array([n / 7 for n in extremes]),
    }
    file = AtomicFile(tmp_path / "some.parquet")
    writer = TableWriter(file, "some", columns)
    for at in (0, 100):
        part = slice(at, 100 if at == 0 else 320)
        writer.write({name: values[part] for name, values in given.items()}, 100)
    writer.close()
    file.publish()
    table = pq.read_table(tmp_path / "some.parquet")
    for name, values in given.items():
        assert table.column(name).cast(values.type).to_pylist() == values.to_pylist(), name
    polars = pytest.importorskip("polars").read_parquet(tmp_path / "some.parquet")
    assert polars["price"].to_list() == given["price"].to_pylist()
    numbers = pq.read_metadata(tmp_path / "some.parquet").row_group(0)
    encodings = {numbers.column(k).path_in_schema: numbers.column(k).encodings for k in range(5)}
    assert "DELTA_BINARY_PACKED" in encodings["price"]
    assert "RLE_DICTIONARY" in encodings["symbol"]
    assert "RLE_DICTIONARY" not in encodings["client_order_id"]
