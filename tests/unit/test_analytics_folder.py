"""The run folder: what is in it, when it is in it, and what a fault leaves behind."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

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
from tapewire.analytics import RUN_FILES, Collector, load_run
from tapewire.analytics import run_folder as run_folder_module
from tapewire.atomic import atomic_file, atomic_write
from tapewire.errors import FormatError, InterruptedRunError, MissingFileError, OutputError
from tapewire.execution.codes import OrderEvent, OrderStatus, Reason, Side
from tapewire.execution.rows import EVENT_DTYPE
from tapewire.market.records import UNDEF_PRICE

P = 4800 * E9
#: Of a run without a log of its orders' changes.
PLAIN_FILES = sorted(set(RUN_FILES) - {"events.parquet"})
UTC_NS = pa.timestamp("ns", tz="UTC")


def story(labels: list[str] | None = None) -> Book:
    book = Book(FakeLeg(client_order_labels=labels))
    book.fill(2, P, 4 * E9).order(OrderStatus.NEW).order(OrderStatus.DENIED, Reason.MAX_POSITION)
    return book.fill(-1, P + E9, 2 * E9, maker=False).sample(P + E9)


def collect(path: Path, book: Book | None = None, **options: object) -> Collector:
    book = book or story()
    collector = Collector(path, "seed: 0\n", **options)
    collector.add(*drained(book), [book.leg])
    return collector


def finished(path: Path, book: Book | None = None, **options: object) -> None:
    with collect(path, book, **options) as collector:
        collector.record_latency("batch_wall", 1_000_000, 3)
        assert collector.finish("complete", manifest()) == path / "manifest.json"


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


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
    assert set(names(path)) == {*RUN_FILES, "manifest.json"}
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


def test_a_finished_run_holds_every_file_and_nothing_else(tmp_path):
    finished(tmp_path / "deep" / "run")
    run = load_run(tmp_path / "deep" / "run")
    assert names(run.path) == sorted([*PLAIN_FILES, "manifest.json"])
    assert run.status == "complete"
    assert set(run.manifest["files"]) == set(PLAIN_FILES)
    assert run.manifest["rows"] == {"fills": 2, "orders": 4, "samples": 1}
    with pytest.raises(MissingFileError, match=r"set backtest\.output\.detailed_log to true"):
        _ = run.events
    assert run.manifest["legs"][0]["multiplier_num"] == 50
    assert (run.path / "config.yaml").read_text() == "seed: 0\n"
    run.verify()


def test_fills_have_the_documented_columns_and_types(tmp_path):
    finished(tmp_path / "run")
    fills = load_run(tmp_path / "run").fills
    types = {f.name: f.type for f in fills.schema}
    text = dict.fromkeys(
        ("strategy_id", "client_order_id", "symbol", "order_side", "liquidity_side", "reason"),
        pa.string(),
    )
    exact = dict.fromkeys(("last_px", "last_qty", "commission", "position"), pa.int64())
    times = dict.fromkeys(("ts_event", "ts_known"), UTC_NS)
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
            assert sum(r.size for r in collector._tables._held["fills"]) < 4
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


def test_latencies_are_an_hdr_log(tmp_path):
    finished(tmp_path / "run")
    reader = HistogramLogReader(str(tmp_path / "run" / "latency.hdr"), HdrHistogram(1, 2, 3))
    found = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found[histogram.get_tag()] = histogram
    reader.close()
    assert set(found) == {"batch_wall", "sim_order_entry", "sim_fill_notice"}
    assert found["batch_wall"].get_total_count() == 3
    assert found["batch_wall"].get_value_at_percentile(50) == pytest.approx(1_000_000, rel=1e-3)
    assert found["sim_order_entry"].get_total_count() == 3
    assert found["sim_fill_notice"].get_max_value() == pytest.approx(60_000, rel=1e-3)


def test_a_latency_beyond_an_hour_is_counted_and_said(tmp_path):
    with collect(tmp_path / "run") as collector:
        collector.record_latency("batch_wall", 2 * 3600 * E9, 3)
        collector.finish("complete", manifest())
    (warning,) = load_run(tmp_path / "run").manifest["warnings"]
    assert warning == "3 latencies above an hour are recorded as one hour"


@pytest.mark.parametrize(
    ("tag", "value", "count"),
    [("a,b", 1, 1), ("", 1, 1), ("x" * 65, 1, 1), ("ok", -1, 1), ("ok", 1, 0)],
)
def test_a_latency_out_of_range_is_refused(tmp_path, tag, value, count):
    with Collector(tmp_path / "run", "") as collector, pytest.raises(ValueError, match="expected"):
        collector.record_latency(tag, value, count)


def test_an_earlier_run_is_refused_early_and_left_alone(tmp_path):
    finished(tmp_path / "run")
    before = {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")}
    with pytest.raises(OutputError, match=r"already holds manifest\.json.*--force"):
        Collector(tmp_path / "run", "")
    assert {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")} == before


def test_force_replaces_an_earlier_run_at_the_end(tmp_path):
    finished(tmp_path / "run")
    other = Book(FakeLeg(strategy_id="other")).sample(P)
    with collect(tmp_path / "run", other, force=True) as collector:
        assert load_run(tmp_path / "run").metrics["strategy_id"].to_pylist()[1] == "maker"
        collector.finish("complete", manifest())
    run = load_run(tmp_path / "run")
    run.verify()
    assert run.metrics["strategy_id"].to_pylist()[1] == "other"


def test_foreign_files_in_the_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    finished(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_two_runs_cannot_share_a_folder(tmp_path):
    with (
        Collector(tmp_path / "run", ""),
        pytest.raises(OutputError, match="written by another run"),
    ):
        Collector(tmp_path / "run", "")


def test_leaving_without_an_end_leaves_no_trace(tmp_path):
    with collect(tmp_path / "run"):
        assert any(n.endswith(".tmp") for n in names(tmp_path / "run"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_a_run_that_fails_leaves_only_its_manifest(tmp_path, status):
    with collect(tmp_path / "run") as collector:
        collector.fail(status, "the replay process died", {"events": 5, "status": "complete"})
        collector.fail("failed", "said again by an outer handler")
    run = load_run(tmp_path / "run")
    assert names(run.path) == ["manifest.json"]
    assert run.status == status
    assert run.manifest["reason"] == "the replay process died"
    assert run.manifest["events"] == 5
    assert run.manifest["rows"] == {"fills": 2, "orders": 4, "samples": 1}
    with pytest.raises(MissingFileError, match="the replay process died"):
        _ = run.fills


def contents(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()}


def test_a_forced_run_that_fails_leaves_the_earlier_one_and_stands_beside(tmp_path):
    finished(tmp_path / "run")
    before = contents(tmp_path / "run")
    for reason in ("why not", "why not again"):
        with collect(tmp_path / "run", force=True) as collector:
            where = collector.fail("failed", reason)
        assert contents(tmp_path / "run") == before
        assert where == tmp_path / "run.failed" / "manifest.json"
        assert load_run(where.parent).manifest["reason"] == reason
        assert names(tmp_path) == ["run", "run.failed"]
        assert names(where.parent) == ["manifest.json"]


def test_what_stands_beside_never_replaces_another_run(tmp_path):
    finished(tmp_path / "run")
    finished(tmp_path / "run.failed")  # called so by its owner
    before = contents(tmp_path / "run.failed")
    with collect(tmp_path / "run", force=True) as collector:
        where = collector.fail("incomplete", "stopped")
    assert where == tmp_path / "run.failed-2" / "manifest.json"
    assert contents(tmp_path / "run.failed") == before


def test_the_folder_one_stands_in_has_a_name_for_what_stands_beside(tmp_path, monkeypatch):
    finished(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    with collect(Path(), force=True) as collector:
        where = collector.fail("failed", "why not")
    assert where == tmp_path / "run.failed" / "manifest.json"


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_a_failed_runs_folder_can_be_used_again(tmp_path, status):
    with collect(tmp_path / "run") as collector:
        collector.fail(status, "why not")
    finished(tmp_path / "run")
    assert load_run(tmp_path / "run").status == "complete"
    with pytest.raises(OutputError, match="--force"):
        Collector(tmp_path / "run", "")


@pytest.mark.parametrize("text", ["[]", "", '{"status": "complete"}'])
def test_a_manifest_that_does_not_say_it_failed_is_a_run(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(OutputError, match=r"already holds manifest\.json"):
        Collector(tmp_path, "")


@pytest.mark.parametrize("victim", [*PLAIN_FILES, "manifest.json"])
def test_a_replacement_that_fails_puts_the_earlier_run_back(tmp_path, monkeypatch, victim):
    finished(tmp_path / "run")
    before = contents(tmp_path / "run")
    real = run_folder_module.AtomicFile.publish

    def publish(self: run_folder_module.AtomicFile) -> None:
        if self.path == tmp_path / "run" / victim:
            with run_folder_module.output_errors(self.path):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(self)

    monkeypatch.setattr(run_folder_module.AtomicFile, "publish", publish)
    other = Book(FakeLeg(strategy_id="other")).sample(P)
    with (
        collect(tmp_path / "run", other, force=True) as collector,
        pytest.raises(OutputError, match=f"{victim}: Input/output error"),
    ):
        collector.finish("complete", manifest())
    assert contents(tmp_path / "run") == before
    assert names(tmp_path / "run") == sorted(before)
    assert load_run(tmp_path / "run.failed").status == "failed"


@pytest.mark.parametrize("calls", [0, 1, 2, 8, 9, 10, 12, 16])
def test_a_replacement_that_is_killed_leaves_the_earlier_run(tmp_path, monkeypatch, calls):
    finished(tmp_path / "run")
    before = contents(tmp_path / "run")
    done = []
    real = Path.rename, Path.replace

    class Killed(BaseException):
        pass

    def counted(original: object) -> object:
        def rename(self: Path, target: Path) -> Path:
            if len(done) >= calls:
                raise Killed
            done.append(target)
            return original(self, target)

        return rename

    other = Book(FakeLeg(strategy_id="other")).sample(P)
    collector = collect(tmp_path / "run", other, force=True)
    folder = collector._folder
    monkeypatch.setattr(folder._earlier, "put_back", lambda: None)  # nobody is left to do it
    monkeypatch.setattr(Path, "rename", counted(real[0]))
    monkeypatch.setattr(Path, "replace", counted(real[1]))
    with pytest.raises(Killed):
        collector.finish("complete", manifest())
    monkeypatch.undo()
    collector.close()
    with pytest.raises(OutputError, match="already holds"):
        Collector(tmp_path / "run", "")
    assert contents(tmp_path / "run") == before
    assert names(tmp_path / "run") == sorted(before)


def test_a_run_that_was_complete_when_it_was_killed_stays(tmp_path, monkeypatch):
    finished(tmp_path / "run")
    other = Book(FakeLeg(strategy_id="other")).sample(P)
    collector = collect(tmp_path / "run", other, force=True)
    monkeypatch.setattr(collector._folder._earlier, "forget", lambda: None)
    collector.finish("complete", manifest())
    with pytest.raises(OutputError, match="already holds"):
        Collector(tmp_path / "run", "")
    run = load_run(tmp_path / "run")
    run.verify()
    assert run.metrics["strategy_id"].to_pylist()[1] == "other"
    assert names(run.path) == sorted([*PLAIN_FILES, "manifest.json"])


@pytest.mark.parametrize("victim", [*PLAIN_FILES, "manifest.json"])
def test_a_rename_that_fails_leaves_no_file_under_a_final_name(tmp_path, monkeypatch, victim):
    real = run_folder_module.AtomicFile.publish
    broken = []

    def publish(self: run_folder_module.AtomicFile) -> None:
        if self.path.name == victim and not broken:
            broken.append(victim)
            with run_folder_module.output_errors(self.path):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(self)

    monkeypatch.setattr(run_folder_module.AtomicFile, "publish", publish)
    with (
        collect(tmp_path / "run") as collector,
        pytest.raises(OutputError, match=f"{victim}: Input/output error"),
    ):
        collector.finish("complete", manifest())
    assert names(tmp_path / "run") == ["manifest.json"]
    assert load_run(tmp_path / "run").status == "failed"


def test_a_process_killed_between_two_files_leaves_no_manifest(tmp_path):
    script = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
import test_analytics_folder as t
from tapewire.analytics import run_folder
real = run_folder.AtomicFile.publish
def publish(self):
    if self.path.name == "metrics.parquet":
        os._exit(9)
    real(self)
run_folder.AtomicFile.publish = publish
t.finished(Path({str(tmp_path / "run")!r}))
"""
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": here},
        timeout=60,
        check=False,
    )
    assert done.returncode == 9
    with pytest.raises(MissingFileError, match="No such file"):
        load_run(tmp_path / "run")
    for name in ("fills", "orders", "equity"):  # what has its final name is whole
        assert pq.read_table(tmp_path / "run" / f"{name}.parquet").num_rows > 0
    finished(tmp_path / "run", force=True)  # and the next run clears up
    assert names(tmp_path / "run") == sorted([*PLAIN_FILES, "manifest.json"])


class FullDisk:
    """A file on a disk that fills up after some bytes."""

    def __init__(self, file: object, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 100, 3000, 20_000, 2_000_000])
def test_a_full_disk_is_one_sentence_and_touches_nothing(tmp_path, monkeypatch, room):
    finished(tmp_path / "run")
    before = {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")}
    real = run_folder_module.AtomicFile.__init__
    left = [room]

    def opened(self: run_folder_module.AtomicFile, path: Path) -> None:
        real(self, path)
        disk = FullDisk(self.file, left[0])
        plain = disk.write

        def write(data: bytes) -> int:
            disk.room = left[0]
            try:
                return plain(data)
            finally:
                left[0] = disk.room

        disk.write = write
        self.file = disk

    monkeypatch.setattr(run_folder_module.AtomicFile, "__init__", opened)
    with pytest.raises(OutputError, match=r"cannot write .*: No space left on device; "):
        finished(tmp_path / "run", force=True)
    assert {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")} == before


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OutputError, match=r"cannot use the run folder .*: Not a directory; a file is in"
    ):
        Collector(tmp_path / "file" / "run", "")
    with pytest.raises(
        OutputError, match=r"cannot use the run folder .*: File exists; a file is in the"
    ):
        Collector(tmp_path / "file", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_at_the_start(tmp_path):
    (tmp_path / "run").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        Collector(tmp_path / "run", "")


def test_a_write_refused_by_the_system_is_refused_at_the_start(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(run_folder_module.os, "open", refuse)
    with pytest.raises(OutputError, match=r"run folder .*: Read-only file system"):
        Collector(tmp_path / "run", "")


def test_an_interrupt_while_finishing_is_an_incomplete_run(tmp_path, monkeypatch):
    def stopped(self: Collector) -> None:
        raise InterruptedRunError("stopped")

    monkeypatch.setattr(Collector, "_analyse", stopped)
    with collect(tmp_path / "run") as collector, pytest.raises(InterruptedRunError):
        collector.finish("complete", manifest())
    assert load_run(tmp_path / "run").status == "incomplete"


def test_a_missing_manifest_key_is_the_callers_bug(tmp_path):
    short = {k: v for k, v in manifest().items() if k != "digest"}
    with collect(tmp_path / "run") as collector, pytest.raises(ValueError, match="digest"):
        collector.finish("complete", short)


def test_nan_never_enters_the_manifest(tmp_path):
    with collect(tmp_path / "run") as collector, pytest.raises(ValueError, match="JSON"):
        collector.finish("complete", manifest(counts={"x": float("nan")}))
    assert load_run(tmp_path / "run").status == "failed"


def test_rows_of_another_shape_are_refused(tmp_path):
    with Collector(tmp_path / "run", "") as collector, pytest.raises(TypeError, match="fills rows"):
        collector.add(no_samples(), no_orders(), no_samples(), [])


def test_a_leg_nobody_knows_is_refused(tmp_path):
    with (
        collect(tmp_path / "run", Book(FakeLeg(leg=3)).fill(1, P)) as collector,
        pytest.raises(Exception, match=r"orders of legs 0 to 0|fills of legs 0 to 0"),
    ):
        collector.finish("complete", manifest())


def test_verify_notices_a_changed_and_a_missing_file(tmp_path):
    finished(tmp_path / "run")
    run = load_run(tmp_path / "run")
    with (run.path / "config.yaml").open("a") as file:
        file.write("#")
    with pytest.raises(FormatError, match=r"config\.yaml"):
        run.verify()
    (run.path / "config.yaml").unlink()
    with pytest.raises(MissingFileError, match=r"config\.yaml"):
        run.verify()


@pytest.mark.parametrize("text", ["{", "[]", "{}", ""])
def test_a_manifest_that_is_none_is_named(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FormatError, match="expected"):
        load_run(tmp_path)


def test_a_single_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "trades.parquet"
    atomic_write(target, b"one")

    def interrupted() -> None:
        with atomic_file(target) as file:
            file.write(b"half of tw")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert target.read_bytes() == b"one"
    assert names(tmp_path) == ["trades.parquet"]
    atomic_write(target, "two")
    assert target.read_text() == "two"
    with pytest.raises(OutputError, match="No such file"):
        atomic_write(tmp_path / "gone" / "x", "")


def test_importing_the_room_stays_cheap():
    code = (
        "import sys, tapewire.analytics as _; heavy = 'plotly jinja2 pandas pyarrow hdrh'; "
        "print([m for m in heavy.split() if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert out.stdout.strip() == "[]"


def test_adding_nothing_costs_next_to_nothing(tmp_path):
    """Ten thousand empty drains pass without a row, a flush or a file growing."""
    with Collector(tmp_path / "run", "") as collector:
        for _ in range(10_000):
            collector.add(no_fills(), no_orders(), no_samples(), [])
        assert collector.rows == {"fills": 0, "orders": 0, "samples": 0}


def test_the_manifest_is_plain_json_in_a_stable_order(tmp_path):
    finished(tmp_path / "run")
    keys = list(json.loads((tmp_path / "run" / "manifest.json").read_text()))
    assert keys[:2] == ["status", "schema_version"]
    assert keys[-1] == "files"
