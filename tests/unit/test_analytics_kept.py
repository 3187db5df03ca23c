"""A run that a strategy ended: its rows stay, and nobody takes them for a whole run."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tapewire as tw
from analytics_rows import E9, Book, FakeLeg, drained, no_fills, no_orders
from analytics_runs import P, collect, contents, finished, names, story
from tapewire.analytics import load_run
from tapewire.analytics import tables as tables_module
from tapewire.errors import MissingFileError, OutputError

KEPT = ["config.yaml", "equity.parquet", "fills.parquet", "manifest.json", "orders.parquet"]


def failed(path: Path, book: Book | None = None, **options: object) -> Path:
    with collect(path, book, **options) as collector:
        return collector.fail("failed", "no such colour\n  line 3", {"events": 5}, keep_rows=True)


def test_rows_stay_and_say_that_they_are_not_the_whole(tmp_path: Path) -> None:
    assert failed(tmp_path / "run") == tmp_path / "run" / "manifest.json"
    assert names(tmp_path / "run") == KEPT
    run = load_run(tmp_path / "run", incomplete=True)
    run.verify()
    assert run.status == "failed"
    assert "not checked" in run.manifest["rows_kept"]
    assert run.manifest["rows"] == {"fills": 2, "orders": 4, "samples": 1}
    for name, rows in (("fills", 2), ("orders", 4), ("equity", 1)):
        assert getattr(run, name).num_rows == rows
        metadata = pq.read_metadata(tmp_path / "run" / f"{name}.parquet").metadata
        assert metadata[b"tapewire.status"] == b"failed"
    with pytest.raises(MissingFileError, match=r"metrics\.parquet, found no file; the run is fail"):
        _ = run.metrics


def test_the_tables_of_a_whole_run_say_nothing_of_the_kind(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    metadata = pq.read_metadata(tmp_path / "run" / "fills.parquet").metadata
    assert b"tapewire.status" not in metadata


def test_who_does_not_ask_for_them_is_refused(tmp_path: Path) -> None:
    failed(tmp_path / "run")
    result = tw.RunResult.load(tmp_path / "run")
    message = r"fills of a complete run .* is failed: no such colour; load it with incomplete=True"
    with pytest.raises(MissingFileError, match=message):
        _ = result.fills
    with pytest.raises(MissingFileError, match="orders of a complete run"):
        result.to_pandas("orders")
    assert "failed: no such colour" in repr(result)
    assert "up to the failure" in repr(result)
    assert "<pre>no such colour\n  line 3</pre>" in result._repr_html_()
    assert tw.RunResult.load(tmp_path / "run", incomplete=True).to_pandas("fills").shape[0] == 2


def test_the_folder_can_be_used_again_as_it_is(tmp_path: Path) -> None:
    failed(tmp_path / "run")
    failed(tmp_path / "run", story().fill(1, P))
    assert tw.RunResult.load(tmp_path / "run", incomplete=True).fills.num_rows == 3
    with collect(tmp_path / "run") as collector:
        collector.fail("failed", "something else")
    assert names(tmp_path / "run") == ["manifest.json"]
    failed(tmp_path / "run")
    finished(tmp_path / "run")
    assert load_run(tmp_path / "run").status == "complete"


def test_a_file_that_is_not_the_failed_runs_own_is_not_replaced(tmp_path: Path) -> None:
    failed(tmp_path / "run")
    (tmp_path / "run" / "metrics.parquet").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"already holds manifest\.json"):
        finished(tmp_path / "run")


def test_an_earlier_finished_run_stays_and_the_rows_go_beside_it(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    before = contents(tmp_path / "run")
    for _ in range(2):
        where = failed(tmp_path / "run", force=True)
        assert where == tmp_path / "run.failed" / "manifest.json"
        assert contents(tmp_path / "run") == before
        assert names(where.parent) == KEPT
        run = load_run(where.parent, incomplete=True)
        run.verify()
        assert run.fills.num_rows == 2


def test_rows_that_contradict_each_other_are_not_kept_but_told_of(tmp_path: Path) -> None:
    wrong = story()
    wrong.fills[1]["position"] = 7
    failed(tmp_path / "run", wrong)
    assert names(tmp_path / "run") == ["manifest.json"]
    run = load_run(tmp_path / "run")
    assert run.manifest["reason"] == "no such colour\n  line 3"
    assert run.manifest["rows_kept"].startswith("none of the rows could be kept: ")
    assert "position" in run.manifest["rows_kept"]


def test_a_disk_that_is_full_leaves_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, columns: object, rows: object) -> None:
        raise OutputError("cannot write fills.parquet: No space left on device")

    monkeypatch.setattr(tables_module.TableWriter, "write", full)
    failed(tmp_path / "run")
    assert names(tmp_path / "run") == ["manifest.json"]
    assert "No space left" in load_run(tmp_path / "run").manifest["rows_kept"]


def test_row_groups_written_before_the_failure_are_there(tmp_path: Path) -> None:
    book = Book(FakeLeg())
    for k in range(50):
        book.fill(1 if k % 2 else -1, P + k * E9).sample(P)
    path = tmp_path / "run"
    with collect(path, book, row_group_rows=8) as collector:
        samples = drained(book)[2]
        samples["ts"] += 60 * E9
        collector.add(no_fills(), no_orders(), samples[-1:], [book.leg])
        collector.fail("failed", "why not", keep_rows=True)
    run = load_run(path, incomplete=True)
    assert (run.fills.num_rows, run.orders.num_rows, run.equity.num_rows) == (50, 50, 51)
