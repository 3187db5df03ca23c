"""Starting in the middle of real days: the books are those of the whole day, and so are fills."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import tapewire as tw
from tapewire.inputs.books import write_book
from tapewire.market import BookSet
from tapewire.market.records import ACTION_CLEAR, F_LAST, F_SNAPSHOT, F_TOB, MBO_DTYPE
from tapewire.market.snapshots import SnapshotBooks
from tapewire.replay import read_records
from tapewire.replay.convert import convert

DataFile = Callable[[str], Path]
ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
DBEQ = "dbeq/dbeq-basic-20240403.mbo.dbn.zst"
COLUMNS = "ts_ns,action,client_order_id,symbol,side,order_type,price,quantity,time_in_force"


def cut_at(records: np.ndarray, share: float, *, mid_event: bool = False) -> tuple[int, int]:
    """(index, ts_recv) of a record at about this share that is later than the one before it."""
    clocks = records["ts_recv"].astype(np.int64)
    begins = np.append(False, clocks[1:] > clocks[:-1])
    open_before = np.append(False, (records["flags"][:-1] & F_LAST) == 0)
    live = (records["flags"] & F_SNAPSHOT) == 0
    found = np.flatnonzero(begins & live & (open_before == mid_event))
    at = int(found[np.searchsorted(found, int(share * len(records)))])
    return at, int(clocks[at])


# --- data convert --start -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "share"), [(ESH4, 0.2), (ESH4, 0.7), (DBEQ, 0.4)])
def test_a_converted_file_begins_with_the_books_as_they_stood(
    tmp_path: Path, data_file: DataFile, name: str, share: float
) -> None:
    _, records = read_records(data_file(name))
    at, start_ns = cut_at(records, share)
    report = convert([data_file(name)], tmp_path / "late.dbn", start_ns=start_ns)
    _, late = read_records(tmp_path / "late.dbn")
    head, tail = late[: report.snapshot_records], late[report.snapshot_records :]
    assert tail.tobytes() == records[at:].tobytes()
    assert (report.records, report.left_out) == (len(late), at)
    assert (report.start_ns, report.first_ts_recv) == (start_ns, start_ns)
    check_snapshot(head, records[:at], start_ns)
    whole, begun = BookSet(), BookSet()
    whole.apply(records[:at])
    begun.apply(head)
    for key in whole.keys():  # noqa: SIM118
        assert begun.top(*key)[0].size == 1
        for side in "BA":
            assert begun.orders(*key, side).tolist() == whole.orders(*key, side).tolist()


def check_snapshot(head: np.ndarray, before: np.ndarray, start_ns: int) -> None:
    """R, then adds that are each about an order of the records before; one event a book."""
    assert (head["ts_recv"] == start_ns).all()
    assert (head["flags"] & F_SNAPSHOT).all()
    ends = np.flatnonzero(head["flags"] & F_LAST)
    starts = np.append(0, ends[:-1] + 1)
    assert (np.flatnonzero(head["action"] == ACTION_CLEAR) == starts).all()
    keys = head["publisher_id"].astype(int) << 32 | head["instrument_id"]
    assert len(set(keys[starts])) == len(starts)
    assert all(len(set(keys[a : b + 1])) == 1 for a, b in zip(starts, ends, strict=True))
    fields = ["publisher_id", "instrument_id", "order_id", "ts_event", "sequence", "side", "price"]
    known = {tuple(row) for row in before[np.isin(before["action"], (65, 77))][fields].tolist()}
    adds = head[head["action"] != ACTION_CLEAR]
    named = adds[(adds["flags"] & F_TOB) == 0]
    assert len(named) > 20
    assert all(tuple(row) in known for row in named[fields].tolist())


def test_a_cut_in_mid_event_waits_for_the_events_end(tmp_path: Path, data_file: DataFile) -> None:
    _, records = read_records(data_file(ESH4))
    records["ts_recv"] += np.arange(len(records), dtype=np.uint64)  # within events, too
    at, start_ns = cut_at(records, 0.5, mid_event=True)
    path = tmp_path / "day.dbn"
    path.write_bytes(bytes(read_records(data_file(ESH4))[0]) + records.tobytes())
    report = convert([path], tmp_path / "late.dbn", start_ns=start_ns)
    _, late = read_records(tmp_path / "late.dbn")
    end = at + int(np.flatnonzero(records["flags"][at:] & F_LAST)[0]) + 1
    assert late[report.snapshot_records :].tobytes() == records[end:].tobytes()
    assert report.left_out == end > at
    whole, begun = BookSet(), BookSet()
    whole.apply(records)
    begun.apply(late)
    for side in "BA":
        assert begun.orders(1, 17_077, side).tolist() == whole.orders(1, 17_077, side).tolist()


@pytest.mark.parametrize(("name", "share"), [(ESH4, 0.6), (DBEQ, 0.7)])
def test_data_book_writes_the_same_rows_from_the_start_on(
    tmp_path: Path, data_file: DataFile, name: str, share: float
) -> None:
    _, records = read_records(data_file(name))
    at, start_ns = cut_at(records, share)
    report = convert([data_file(name)], tmp_path / "late.dbn", start_ns=start_ns)
    write_book(data_file(name), tmp_path / "whole.parquet", depth=5)
    write_book(tmp_path / "late.dbn", tmp_path / "late.parquet", depth=5)
    whole = pq.read_table(tmp_path / "whole.parquet").slice(at)
    late = pq.read_table(tmp_path / "late.parquet").slice(report.snapshot_records)
    assert late.num_rows == len(records) - at > 10_000
    assert late.combine_chunks().equals(whole.combine_chunks())


def test_a_snapshot_of_a_snapshot_is_the_same(data_file: DataFile) -> None:
    _, records = read_records(data_file(DBEQ))
    books, again = SnapshotBooks(), SnapshotBooks()
    books.apply(records[:150_000])
    keys = books.keys()
    head = np.concatenate([books.snapshot(*key, 5) for key in keys])
    again.apply(head)
    assert head.dtype == MBO_DTYPE
    assert np.concatenate([again.snapshot(*key, 5) for key in keys]).tobytes() == head.tobytes()


# --- run --start ----------------------------------------------------------------------------------


def orders_after(records: np.ndarray, at: int, path: Path, every: int = 400) -> Path:
    """Passive and crossing orders at the touch, some cancelled or replaced, all after the start."""
    source, prices, _, _ = BookSet().depth_rows(records, 1)
    rows = [COLUMNS]
    for n, k in enumerate(np.flatnonzero(source > at)[::every]):
        bid, ask = (f"{int(p) / 10**9:.9f}" for p in prices[k, :, 0])
        ts = int(records["ts_recv"][source[k]]) + 1_000
        side, price = (("BUY", bid), ("SELL", ask))[n % 2]
        if n % 7 == 6:  # crosses
            price = ask if side == "BUY" else bid
        rows.append(f"{ts},new,o{n},ESH4,{side},LIMIT,{price},{1 + n % 5},GTC")
        if n % 3 == 1:
            rows.append(f"{ts + 20 * 10**9},cancel,o{n},ESH4,,,,,")
        if n % 5 == 2:
            rows.append(f"{ts + 10**9},replace,o{n},ESH4,,,{price},1,")
    path.write_text("\n".join(rows) + "\n")
    return path


def run(files: list[Path], log: Path, output: Path, **source: Any) -> tw.RunResult:
    config = {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(f) for f in files], **source}
        },
        "strategy": {"type": "order_log", "parameters": {"path": str(log)}},
    }
    return tw.run(config, output=output)


def test_orders_after_the_start_fare_alike_from_the_whole_day_the_start_and_a_snapshot(
    tmp_path: Path, data_file: DataFile
) -> None:
    path = data_file(ESH4)
    _, records = read_records(path)
    at, start_ns = cut_at(records, 0.6)
    log = orders_after(records, at, tmp_path / "log.csv")
    whole = run([path], log, tmp_path / "whole")
    warm = run([path], log, tmp_path / "warm", start=start_ns)
    snapshot = run([path], log, tmp_path / "snapshot", start=start_ns, warmup="snapshot")
    convert([path], tmp_path / "late.dbn", start_ns=start_ns)
    late = run([tmp_path / "late.dbn"], log, tmp_path / "late")
    none = run([path], log, tmp_path / "none", start=start_ns, warmup="none")
    assert whole.fills.num_rows > 30
    assert len(set(whole.orders["queue_ahead"].to_pylist())) > 10
    for other in (warm, snapshot, late):
        assert other.fills.equals(whole.fills)
        assert other.orders.equals(whole.orders)
        assert other.manifest["digests"] == whole.manifest["digests"]
    assert not none.orders.equals(whole.orders)  # as it was without a warm-up

    manifest = json.loads((tmp_path / "warm" / "manifest.json").read_text())
    assert manifest["warmup"] == {
        "mode": "full", "until_ns": start_ns, "records": at, "books_without_snapshot": 0,
    }  # fmt: skip
    assert manifest["events"] == len(records) - at
    assert manifest["counts"]["warmup_records"] == at
    assert warm.equity["ts"].cast("int64").to_numpy().min() >= start_ns
    report = (tmp_path / "warm" / "report.html").read_text()
    assert f"full: {at:,} records before 2023-12-25 2" in report
    assert none.manifest["warmup"] == {"mode": "none", "records": 0}
    assert whole.manifest["warmup"] == {"mode": "none", "records": 0}
