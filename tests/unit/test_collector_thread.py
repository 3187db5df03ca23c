"""A collector in a thread: the same files, a bound on what waits, and errors that are told."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analytics_rows import E9, Book, FakeLeg, drained, manifest
from analytics_runs import P, contents, names
from tapewire.analytics import Collector, load_run
from tapewire.analytics import tables as tables_module
from tapewire.errors import OutputError
from tapewire.processes import collector_thread
from tapewire.processes.collector_thread import HANDED_MAX, CollectorThread

FULL = "cannot write fills.parquet: No space left on device"


def busy() -> Book:
    book = Book(FakeLeg())
    for k in range(60):
        book.fill(1 if k % 2 else -1, P + k * E9, E9).sample(P + k * E9)
    return book


def feed(collector: Collector | CollectorThread, book: Book, step: int = 1) -> None:
    fills, orders, samples = drained(book)
    for at in range(0, len(orders), step):
        part = slice(at, at + step)
        some = {"fills": fills[part], "orders": orders[part], "samples": samples[part]}
        collector.add(**some, legs=[book.leg])
        collector.record_latency("batch_wall", 1_000 + at)


def feed_often(collector: CollectorThread) -> None:
    for _ in range(50):
        feed(collector, busy())


@pytest.fixture
def hands_over_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector_thread, "HANDED_BYTES", 1)


def in_thread(path: Path) -> CollectorThread:
    return CollectorThread(Collector(path, "seed: 0\n", row_group_rows=8))


@pytest.mark.parametrize("handed_bytes", [1, 2_000, 1 << 30])
def test_the_files_are_those_of_a_collector_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed_bytes: int
) -> None:
    monkeypatch.setattr(collector_thread, "HANDED_BYTES", handed_bytes)
    with Collector(tmp_path / "plain", "seed: 0\n", row_group_rows=8) as plain:
        feed(plain, busy())
        plain.finish(manifest=manifest())
    with in_thread(tmp_path / "thread") as behind:
        feed(behind, busy())
        behind.finish(manifest())
    found, expected = contents(tmp_path / "thread"), contents(tmp_path / "plain")
    for written in (found, expected):  # times are in there
        written.pop("latency.hdr"), written.pop("report.html")
    assert found == expected
    assert load_run(tmp_path / "thread").manifest["rows"] == {
        "fills": 60, "orders": 60, "samples": 60,
    }  # fmt: skip


class Held:
    """A collector's `add` that waits until it is let go, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.reached, self.calls = threading.Event(), threading.Event(), 0
        real = Collector.add

        def add(collector: Collector, **rows: Any) -> None:
            self.calls += 1
            self.reached.set()
            assert self.go.wait(30)
            real(collector, **rows)

        monkeypatch.setattr(Collector, "add", add)


@pytest.mark.usefixtures("hands_over_each_batch")
def test_what_waits_is_bounded_and_nothing_of_it_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, held = busy(), Held(monkeypatch)
    fills, orders, samples = drained(book)
    with in_thread(tmp_path / "run") as behind:

        def add(at: int) -> None:
            part = slice(at, at + 1)
            some = {"fills": fills[part], "orders": orders[part], "samples": samples[part]}
            behind.add(**some, legs=[book.leg])

        for at in range(HANDED_MAX):
            add(at)
        rest = threading.Thread(target=lambda: [add(at) for at in range(HANDED_MAX, 60)])
        rest.start()
        rest.join(0.2)
        assert rest.is_alive()  # it waits
        assert held.calls == 1
        held.go.set()
        rest.join(30)
        behind.finish(manifest())
    assert load_run(tmp_path / "run").fills.num_rows == 60


@pytest.mark.usefixtures("hands_over_each_batch")
def test_of_large_batches_no_more_bytes_wait_than_of_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    monkeypatch.setattr(collector_thread, "_UNDER_WAY_BYTES_MAX", 1_000)
    with in_thread(tmp_path / "run") as behind:
        rest = threading.Thread(target=lambda: feed(behind, busy(), step=10))
        rest.start()
        assert held.reached.wait(30)
        rest.join(0.2)
        assert rest.is_alive()  # the first of six is under way: it waits
        assert held.calls == 1
        assert not behind._handed
        held.go.set()
        rest.join(30)
        behind.finish(manifest())
    assert load_run(tmp_path / "run").fills.num_rows == 60


@pytest.mark.usefixtures("hands_over_each_batch")
def test_who_stops_waits_for_what_is_being_done_and_for_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    with in_thread(tmp_path / "run") as behind:
        feed(behind, busy(), step=10)
        assert held.reached.wait(30)
        threading.Timer(0.2, held.go.set).start()
        behind.fail("incomplete", "stopped")
    assert held.calls == 1
    assert names(tmp_path / "run") == ["manifest.json"]
    assert load_run(tmp_path / "run").manifest["rows"]["fills"] == 60  # that were taken


def until_told(call: Callable[[], None]) -> None:
    with pytest.raises(OutputError, match=f"^{FULL}$"):
        call()


@pytest.mark.usefixtures("hands_over_each_batch")
def test_an_error_is_told_by_a_later_call_and_nothing_is_written_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def full(self: object, columns: object, rows: int) -> None:
        written.append(rows)
        raise OutputError(FULL)

    monkeypatch.setattr(tables_module.TableWriter, "write", full)
    with in_thread(tmp_path / "at_add") as behind:
        until_told(lambda: feed_often(behind))
        until_told(lambda: feed_often(behind))
        until_told(lambda: behind.finish(manifest()) and None)
        behind.fail("failed", FULL, keep_rows=True)
    assert written == [8]
    with in_thread(tmp_path / "at_end") as behind:
        feed(behind, busy(), step=60)
        until_told(lambda: behind.finish(manifest()) and None)
        behind.fail("failed", FULL)
    with in_thread(tmp_path / "kept") as behind:
        feed(behind, busy(), step=60)
        behind.fail("failed", "no such colour", {"events": 5}, keep_rows=True)
    run = load_run(tmp_path / "kept")
    assert run.manifest["reason"] == "no such colour"
    assert run.manifest["rows_kept"] == f"none of the rows could be kept: {FULL}"
    for name in ("at_add", "at_end", "kept"):
        assert names(tmp_path / name) == ["manifest.json"]


def test_rows_are_kept_where_a_strategy_fails(tmp_path: Path) -> None:
    with in_thread(tmp_path / "run") as behind:
        feed(behind, busy())
        behind.fail("failed", "no such colour", keep_rows=True)
    run = load_run(tmp_path / "run", incomplete=True)
    assert (run.fills.num_rows, run.orders.num_rows, run.equity.num_rows) == (60, 60, 60)


def test_left_without_an_end_there_is_no_trace_and_no_thread(tmp_path: Path) -> None:
    with in_thread(tmp_path / "run") as behind:
        feed(behind, busy())
    assert not (tmp_path / "run").exists()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("collector")]
