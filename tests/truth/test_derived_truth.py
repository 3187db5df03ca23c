"""Derived records against the vendor's own, and against what an exchange's file says."""

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from naive.book import UNDEF_PRICE
from tapewire.derive.layout import MBP_10_DTYPE, OHLCV_DTYPE
from tapewire.inputs.derive import derive_file

DataFile = Callable[[str], Path]
ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"


def store_of(path: Path) -> databento.DBNStore:
    """A file as the vendor's client reads it (from memory: it would leave the file open)."""
    return databento.DBNStore.from_bytes(path.read_bytes())


def read(path: Path) -> np.ndarray:
    return store_of(path).to_ndarray()


def test_mbp_10_is_the_vendors_row_by_row(data_file: DataFile, tmp_path: Path) -> None:
    """Each field of each row: three instruments on three publishers, quotes and orders."""
    report = derive_file(
        data_file("truth/dbeq-20240131/mbo.dbn.zst"), tmp_path / "x.dbn", schema="mbp-10"
    )
    found = read(Path(report.path))
    official = pq.read_table(data_file("truth/dbeq-20240131/mbp.parquet"))
    assert report.rows == len(found) == 21_721
    # The MBO file is cut in the middle of the last event, whose row the official file has.
    assert report.unfinished_events == 1
    for name in MBP_10_DTYPE.names:
        if name == "length":
            continue
        column = official[name].slice(0, len(found))
        if name.startswith("ts_") and pa.types.is_timestamp(column.type):
            column = column.cast("int64")
        wanted = column.to_numpy()
        mine = found[name].astype(str if found.dtype[name].kind == "S" else np.int64)
        assert (mine == wanted).all(), name


def test_the_table_has_the_vendors_columns(data_file: DataFile, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    derive_file(data_file("truth/dbeq-20240131/mbo.dbn.zst"), path, schema="mbp-10")
    found = pq.read_table(path)
    official = pq.read_table(data_file("truth/dbeq-20240131/mbp.parquet"))
    assert found.column_names == [n for n in official.column_names if not n.startswith("__")]
    wanted = official.slice(0, found.num_rows)
    for name in ("ts_recv", "ts_event", "symbol", "action", "ask_px_03"):
        assert found[name].to_pylist() == wanted[name].to_pylist(), name


def price_of(text: str) -> int:
    return int(Decimal(text) * 10**9) if text else UNDEF_PRICE


def test_mbp_10_has_every_official_level_of_a_nasdaq_day(
    data_file: DataFile, tmp_path: Path
) -> None:
    """Rows of that file that end an event, but for those of an eleventh level, which show none."""
    report = derive_file(
        data_file("truth/xnas-arl-20250717/mbo.dbn.zst"), tmp_path / "x.dbn", schema="mbp-10"
    )
    found = {int(r["sequence"]): r for r in read(Path(report.path)) if r["action"] != b"T"}
    with data_file("truth/xnas-arl-20250717/mbp.csv").open(newline="") as file:
        table = [r for r in csv.DictReader(file) if int(r["flags"]) & 128 and r["action"] != "T"]
    shown = [r for r in table if int(r["depth"]) < 10]
    assert (len(table), len(shown)) == (3_131, 2_999)
    for row in shown:
        mine: Any = found[int(row["sequence"])]
        assert (mine["action"].decode(), mine["flags"]) == (row["action"], int(row["flags"]))
        assert mine["price"] == price_of(row["price"])
        for k in range(10):
            for side in ("bid", "ask"):
                at = f"_{k:02d}"
                assert mine[f"{side}_px{at}"] == price_of(row[f"{side}_px{at}"])
                assert mine[f"{side}_sz{at}"] == int(row[f"{side}_sz{at}"])
                assert mine[f"{side}_ct{at}"] == int(row[f"{side}_ct{at}"])


def test_bars_are_the_official_ones(data_file: DataFile, tmp_path: Path) -> None:
    """Of the trades alone, and of the trades within mbp-1, which are the same."""
    official = read(data_file("glbx/esu4-nqu4-20240701.ohlcv-1m.dbn.zst"))
    wanted = official[official["instrument_id"] == 118]
    for schema in ("trades", "mbp-1"):
        path = tmp_path / f"{schema}.dbn.zst"
        derive_file(data_file(f"glbx/esu4-20240701.{schema}.dbn.zst"), path, schema="ohlcv-1m")
        found = read(path)
        assert len(found) == 4
        covered = wanted[np.isin(wanted["ts_event"], found["ts_event"])]
        assert [found[n].tolist() for n in OHLCV_DTYPE.names] == [
            covered[n].tolist() for n in OHLCV_DTYPE.names
        ]


def test_trades_within_mbp_1_are_the_official_trades(data_file: DataFile, tmp_path: Path) -> None:
    path = tmp_path / "x.dbn"
    source = data_file("glbx/esu4-20240701.mbp-1.dbn.zst")
    report = derive_file(source, path, schema="trades")
    assert (report.records, report.trades, report.rows) == (2_288, 120, 120)
    store = store_of(path)
    official = store_of(data_file("glbx/esu4-20240701.trades.dbn.zst"))
    assert store.to_ndarray().tobytes() == official.to_ndarray().tobytes()
    assert len(store.to_ndarray()) == 120
    assert store.symbols == official.symbols
    assert store.mappings == official.mappings
    assert (store.start, store.end) == (official.start, official.end)


def test_esh4_ends_with_the_touch_and_the_volume_that_are_known(
    data_file: DataFile, tmp_path: Path
) -> None:
    """Each trade of tbbo takes what the touch shows, since it is shown before the trade."""
    rows = {}
    for schema in ("mbp-1", "tbbo", "bbo-1m", "ohlcv-1d"):
        derive_file(data_file(ESH4), tmp_path / f"{schema}.dbn", schema=schema)
        rows[schema] = read(tmp_path / f"{schema}.dbn")
    for schema in ("mbp-1", "bbo-1m"):
        last = rows[schema][-1]
        assert (last["bid_px_00"], last["bid_sz_00"], last["bid_ct_00"]) == (4810 * 10**9, 22, 22)
        assert (last["ask_px_00"], last["ask_sz_00"], last["ask_ct_00"]) == (481025 * 10**7, 28, 18)
    trades = rows["tbbo"]
    assert len(trades) == 2_973
    assert rows["ohlcv-1d"]["volume"].tolist() == [trades["size"].sum()] == [9_892]
    opening = trades["ts_recv"] == trades["ts_recv"][0]
    bought, sold = trades["side"] == b"B", trades["side"] == b"A"
    at_touch = np.where(bought, trades["ask_px_00"], trades["bid_px_00"]) == trades["price"]
    assert at_touch[(bought | sold) & ~opening].mean() > 0.9
