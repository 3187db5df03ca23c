"""Rows on their way to the collector's process: cut, counted, put together again, or refused."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics_rows import FakeLeg
from tapewire.errors import OutputError, PeerLostError, ProtocolError
from tapewire.processes.collecting import (
    TABLES,
    WALL_DTYPE,
    WINDOW,
    CollectRows,
    byte_view,
    pieces_of,
    read_rows,
)
from tapewire.processes.collector_line import CollectorLine
from tapewire.processes.collector_process import CollectorProcess
from tapewire.processes.transports import chosen_collector


def batch_of(*counts: int) -> list[np.ndarray]:
    """Tables of so many rows, which are numbered through."""
    batch = []
    for dtype, n in zip(TABLES.values(), counts, strict=True):
        rows = np.zeros(n, dtype)
        rows["leg" if "leg" in rows.dtype.names else "book"] = np.arange(n)
        batch.append(rows)
    return batch


@pytest.mark.parametrize("bytes_max", [1, 500, 1_000, 10_000, 1 << 20])
def test_a_batch_is_cut_where_a_piece_is_full(bytes_max: int) -> None:
    batch = batch_of(7, 0, 20, 3, 0, 1, 4)
    pieces = pieces_of(batch, bytes_max)
    for k, rows in enumerate(batch):
        together = np.concatenate([piece[k] for piece in pieces])
        assert together.tobytes() == rows.tobytes()
    sizes = [sum(rows.nbytes for rows in piece) for piece in pieces]
    largest = max(dtype.itemsize for dtype in TABLES.values())
    assert all(0 < size <= max(bytes_max, largest) for size in sizes)
    if bytes_max == 1:
        assert len(pieces) == 35  # a row each
    if bytes_max == 1 << 20:
        assert len(pieces) == 1


def message(batches: list[list[np.ndarray]]) -> tuple[CollectRows, list[memoryview]]:
    latencies = np.array([(0, 5, 1), (1, 7, 2)], WALL_DTYPE)
    tables = [np.concatenate([batch[k] for batch in batches]) for k in range(len(TABLES))]
    counts = tuple(len(rows) for batch in batches for rows in batch)
    return CollectRows(3, counts, 2, False), [byte_view(rows) for rows in [*tables, latencies]]


def test_batches_come_out_as_they_went_in() -> None:
    sent = [batch_of(1, 2, 3, 0, 0, 0, 2), batch_of(0, 5, 0, 0, 1, 0, 9)]
    batches, latencies = read_rows(*message(sent))
    assert latencies.tolist() == [(0, 5, 1), (1, 7, 2)]
    for found, expected in zip(batches, sent, strict=True):
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype
            assert one.tobytes() == other.tobytes()


def test_a_message_that_is_not_what_it_says_is_refused() -> None:
    header, parts = message([batch_of(1, 2, 3, 0, 0, 0, 2)])
    with pytest.raises(ProtocolError, match=r"rows 3: 7 counts and 7 frames, expected 7 .* and 8"):
        read_rows(header, parts[:-1])
    short = [parts[0][:-1], *parts[1:]]
    size = TABLES["fills"].itemsize
    with pytest.raises(ProtocolError, match=f"a frame of {size - 1} bytes, expected {size} for 1"):
        read_rows(header, short)
    with pytest.raises(ProtocolError, match="rows 3: 6 counts"):
        read_rows(CollectRows(3, header.counts[:-1], 2, False), parts)


def test_a_third_core_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for n, transport, expected in (
        (2, "ipc", "inline"), (3, "ipc", "process"), (3, "inproc", "inline"), (8, "tcp", "process"),
    ):  # fmt: skip
        monkeypatch.setattr("tapewire.processes.transports.cores", lambda n=n: n)
        assert chosen_collector("auto", transport) == expected
        assert chosen_collector("process", transport) == "process"
        assert chosen_collector("inline", transport) == "inline"


class WindowFull(Exception):
    pass


def add(collector: CollectorProcess, orders: int) -> None:
    batch = batch_of(0, orders, 0, 0, 0, 0, 0)
    batch[1]["leg"] = 0
    legs: Any = [FakeLeg()]
    tables = dict(zip(TABLES, batch, strict=True))
    collector.add(**tables, legs=legs, series_names=(), fee_names=())


def add_until_full(collector: CollectorProcess) -> int:
    """Add rows until it would have to wait; how many messages that took."""
    for sent in range(WINDOW + 1):
        try:
            add(collector, 1)
        except WindowFull:
            return sent
    return WINDOW + 1


def test_what_is_under_way_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapewire.processes.collector_process._HELD_BYTES", 1)

    def tick() -> None:
        if stopped:
            raise WindowFull

    stopped = False
    with CollectorProcess(tick) as collector:
        collector.begin(tmp_path / "out", "")
        add(collector, 1)  # names the leg
        os.kill(collector.pid, signal.SIGSTOP)
        stopped = True
        sent = add_until_full(collector)
        assert WINDOW - 3 <= sent <= WINDOW  # three were sent before it was stopped
        stopped = False
        os.kill(collector.pid, signal.SIGKILL)
        with pytest.raises(PeerLostError, match=r"^the collector process \(pid \d+\) was killed"):
            collector.finish({})
        assert collector.is_lost
        path = collector.fail("failed", "it was", {"events": 1})
    assert path == tmp_path / "out" / "manifest.json"
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["manifest.json"]


def test_a_gap_in_the_numbers_is_the_collectors_error(tmp_path: Path) -> None:
    line = CollectorLine(lambda: None)
    try:
        line.wait_there(lambda: None)
        line.send_document("begin", b'{"out_dir":"%s","config_yaml":"","force":false,'
                           b'"event_log":false,"markouts":false,"initial_capital":null}'
                           % str(tmp_path / "out").encode())  # fmt: skip
        line.wait_answer()
        line._window.sent += 1
        line.send_document("names", b"{}")
        with pytest.raises(ProtocolError, match=r"expected message 1 of the run, found 2$"):
            line.wait_answer()
    finally:
        line.close()
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused_as_it_is_inline(tmp_path: Path) -> None:
    with CollectorProcess() as first, CollectorProcess() as second:
        first.begin(tmp_path / "out", "")
        with pytest.raises(OutputError, match="is being written by another run"):
            second.begin(tmp_path / "out", "")
    deadline_s = time.monotonic() + 5
    while (tmp_path / "out").exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not (tmp_path / "out").exists()  # no trace of a run that did not begin
