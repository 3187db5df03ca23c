"""What `data inspect`, `data synth` and `data book` find, write and refuse."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from naive.book import UNDEF_PRICE, NaiveBooks, rows
from naive.dbn import read_mbo
from tapewire.errors import (
    ConfigError,
    FormatError,
    InputError,
    MissingFileError,
    NoDataError,
    OutputError,
)
from tapewire.inputs import books as book_rows
from tapewire.inputs import telling
from tapewire.inputs.books import write_book
from tapewire.inputs.inspection import inspect_file
from tapewire.inputs.synthetic import synth_file
from tapewire.market.records import MBO_DTYPE
from tapewire.replay.synth import SyntheticSession, synthesize

DataFile = Callable[[str], Path]


def write_dbn(path: Path, records: np.ndarray) -> Path:
    """A file with the header of a synthetic session and the given records."""
    path.write_bytes(SyntheticSession(1_000).metadata() + records.tobytes())
    return path


def plain_records(n: int) -> np.ndarray:
    out = np.zeros(n, MBO_DTYPE)
    out["length"], out["rtype"], out["publisher_id"], out["instrument_id"] = 14, 160, 1, 90_001
    out["order_id"] = np.arange(1, n + 1)
    out["ts_event"] = 1_709_562_600_000_000_000 + np.arange(n) * 1_000_000
    out["ts_recv"] = out["ts_event"] + 100_000
    out["price"], out["size"], out["flags"] = 5_000_000_000_000, 1, 128
    out["action"], out["side"] = ord("A"), ord("B")
    return out


# --- inspect --------------------------------------------------------------------------------------


def test_esh4(data_file: DataFile) -> None:
    report = inspect_file(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))
    assert (report.dbn_version, report.dataset, report.schema) == (1, "GLBX.MDP3", "mbo")
    assert [(s["symbol"], s["instrument_id"]) for s in report.symbols] == [("ESH4", 17_077)]
    assert (report.records, report.live_records, report.start) == (68_792, 60_067, "snapshot")
    assert report.actions == {"A": 29_216, "C": 17_999, "F": 6_371, "M": 12_233, "T": 2_973}
    assert (report.flags["snapshot"], report.flags["last"], report.flags["tob"]) == (
        8_725,
        47_022,
        0,
    )
    assert report.book["crossed_events"] + report.book["locked_events"] == 891
    assert report.book["unknown_cancels"] == report.book["missing_last"] == 0
    assert report.ts_recv_backward == report.ts_event_backward == 0
    assert report.records_per_s == pytest.approx(60_067 / report.live_seconds)
    assert 7_198 < report.live_seconds < 7_200


def test_dbeq_has_six_books_and_starts_in_mid_session(data_file: DataFile) -> None:
    report = inspect_file(data_file("dbeq/dbeq-basic-20240403.mbo.dbn.zst"))
    assert (report.dbn_version, report.records, report.books) == (3, 286_130, 6)
    assert report.start == "mid-session"
    assert report.top_books[0] == {
        "publisher_id": 41, "instrument_id": 7_152, "symbol": "GOOGL", "records": 137_645,
    }  # fmt: skip
    assert report.ts_recv_backward == 0
    assert report.ts_event_backward > 0


def test_every_mbo_fixture_of_versions_1_to_3(data_file: DataFile) -> None:
    index = data_file("fixtures/index.tsv").parent
    seen = set()
    for path in sorted(index.rglob("*mbo*.dbn*")):
        if "frag" in path.name:
            continue
        try:
            report = inspect_file(path)
        except InputError:
            continue
        assert report.records == len(read_mbo(path)) > 0
        seen.add(report.dbn_version)
    assert seen == {1, 2, 3}


def test_json_is_the_report(tmp_path: Path) -> None:
    path = tmp_path / "day.dbn"
    synthesize(path, events=2_000, instruments=2, seed=1)
    out = io.StringIO()
    report = inspect_file(path, as_json=True, console=Console(file=out, width=40))
    assert json.loads(out.getvalue()) == asdict(report)
    assert report.records == 2_000
    assert report.start == "snapshot"


def test_the_table_says_what_matters(tmp_path: Path) -> None:
    path = tmp_path / "day[1].dbn"
    synthesize(path, events=2_000, seed=1)
    out = io.StringIO()
    inspect_file(path, console=Console(file=out, width=200))
    text = out.getvalue()
    for words in ("day[1].dbn", "DBN version 3, GLBX.MDP3, mbo", "TWA1", "2,000", "snapshot",
                  "nothing unusual", "2024-03-04T14:30:00.000000000Z"):  # fmt: skip
        assert words in text


def test_clocks_that_step_back_and_events_that_never_close(tmp_path: Path) -> None:
    records = plain_records(70_000)
    records["ts_recv"][[10, 65_536]] -= np.uint64(5_000_000)  # the second begins a chunk
    records["ts_event"][[20, 30, 65_536]] -= np.uint64(5_000_000)
    records["flags"][[40, 41, 50]] = 0
    report = inspect_file(write_dbn(tmp_path / "x.dbn", records))
    assert report.ts_recv_backward == 2
    assert report.ts_event_backward == 3
    assert report.book["missing_last"] == 3
    assert report.start == "mid-session"


def test_a_file_that_begins_with_a_clear(tmp_path: Path) -> None:
    records = plain_records(10)
    records["action"][0], records["price"][0] = ord("R"), UNDEF_PRICE
    assert inspect_file(write_dbn(tmp_path / "x.dbn", records)).start == "clear"


def test_a_file_without_records(tmp_path: Path) -> None:
    out = io.StringIO()
    report = inspect_file(
        write_dbn(tmp_path / "x.dbn", plain_records(0)), console=Console(file=out)
    )
    assert (report.records, report.start) == (0, "empty")
    assert "0, of them 0 live" in out.getvalue()


def test_inspect_refuses(tmp_path: Path, data_file: DataFile) -> None:
    with pytest.raises(MissingFileError, match=r"none\.dbn"):
        inspect_file(tmp_path / "none.dbn")
    with pytest.raises(FormatError, match="mbo"):
        inspect_file(data_file("glbx/esu4-20240701.trades.dbn.zst"))
    records = plain_records(20)
    path = write_dbn(tmp_path / "cut.dbn", records)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FormatError, match="record 19"):
        inspect_file(path)
    records["rtype"][7] = 1
    with pytest.raises(FormatError, match="record 7 at byte offset"):
        inspect_file(write_dbn(tmp_path / "mixed.dbn", records))


# --- synth ----------------------------------------------------------------------------------------


def test_synth_says_what_it_wrote(tmp_path: Path) -> None:
    out = io.StringIO()
    summary = synth_file(
        tmp_path / "day.dbn.zst", events=1_000, instruments=3, seed=8, console=Console(file=out)
    )
    assert len(read_mbo(summary.path)) == 1_000
    assert "1,000 records" in out.getvalue()
    assert "TWA1 to TWA3, seed 8" in out.getvalue()


def test_progress_appears_only_after_two_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    synth_file(tmp_path / "a.dbn", events=1_000)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(telling, "SHOWN_AFTER_S", 0.0)
    synth_file(tmp_path / "b.dbn", events=1_000)
    assert "making records: " in capsys.readouterr().err


# --- book -----------------------------------------------------------------------------------------


def naive_rows(
    tape: np.ndarray, depth: int, instrument_id: int | None, *, events_only: bool = False
) -> list[dict[str, Any]]:
    books, out = NaiveBooks(), []
    for r in rows(tape):
        closes = books.step(r)
        if (events_only and not closes) or instrument_id not in (None, r.instrument_id):
            continue
        row = {n: getattr(r, n) for n in ("publisher_id", "instrument_id", "sequence")}
        row |= {"ts_event": r.ts_event, "ts_recv": r.ts_recv}
        book = books.books[r.publisher_id, r.instrument_id]
        for side, letter in (("bid", "B"), ("ask", "A")):
            levels = book.levels(letter, depth)
            levels += [(UNDEF_PRICE, 0, 0)] * (depth - len(levels))
            for k, level in enumerate(levels):
                for what, value in zip(("px", "sz", "ct"), level, strict=True):
                    row[f"{side}_{what}_{k:02d}"] = value
        out.append(row | {"action": chr(r.action), "flags": r.flags})
    return out


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    table = pq.read_table(path)
    for name in ("ts_event", "ts_recv"):
        assert str(table[name].type) == "timestamp[ns, tz=UTC]"
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast("int64"))
    return table.to_pylist()


@pytest.mark.parametrize("every", ["record", "event"])
@pytest.mark.parametrize("symbol", [None, "TWA2"])
def test_book_rows_equal_the_naive_book(
    tmp_path: Path, symbol: str | None, every: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_rows, "_CHUNK_RECORDS", 2_000)  # several row groups
    path = tmp_path / "day.dbn"
    synthesize(path, events=12_000, instruments=3, seed=2)
    summary = write_book(path, tmp_path / "book.parquet", symbol=symbol, depth=3, every=every)
    expected = naive_rows(
        read_mbo(path), 3, 90_002 if symbol else None, events_only=every == "event"
    )
    assert parquet_rows(summary.path) == expected
    assert summary.rows == len(expected)
    assert pq.ParquetFile(summary.path).num_row_groups > 1


def test_book_columns_are_databentos_in_the_documented_order(tmp_path: Path) -> None:
    path = tmp_path / "day.dbn.zst"
    synthesize(path, events=500)
    out = io.StringIO()
    write_book(path, tmp_path / "b.parquet", console=Console(file=out, width=400))
    names = pq.read_schema(tmp_path / "b.parquet").names
    assert names[:12] == [
        "publisher_id", "instrument_id", "sequence", "ts_event", "ts_recv", "bid_px_00",
        "bid_sz_00", "bid_ct_00", "ask_px_00", "ask_sz_00", "ask_ct_00", "bid_px_01",
    ]  # fmt: skip
    assert names[-3:] == ["ask_ct_09", "action", "flags"]
    assert len(names) == 67
    assert "10 levels a side" in out.getvalue()


def test_book_of_real_quotes_and_orders(tmp_path: Path, data_file: DataFile) -> None:
    source = data_file("truth/dbeq-20240131/mbo.dbn.zst")
    summary = write_book(source, tmp_path / "b.parquet", symbol="VOO")
    assert parquet_rows(summary.path) == naive_rows(read_mbo(source), 10, 17_039)


def test_events_without_f_last_are_told(tmp_path: Path) -> None:
    every: Any
    records = plain_records(50)
    records["flags"][10:13] = 0
    for every, written in (("event", 47), ("record", 50)):
        out = io.StringIO()
        summary = write_book(
            write_dbn(tmp_path / f"{every}.dbn", records),
            tmp_path / f"{every}.parquet",
            every=every,
            console=Console(file=out, width=200),
        )
        assert (summary.rows, summary.missing_last) == (written, 3)
        assert "warning: 3 events ended without F_LAST" in out.getvalue()


def test_book_refuses_and_leaves_nothing(tmp_path: Path, synthetic_file: Path) -> None:
    output = tmp_path / "out" / "b.parquet"
    output.parent.mkdir()
    cases: list[tuple[type[Exception], str, Path, dict[str, Any]]] = [
        (ConfigError, "depth: expected 1 to 100 levels, found 0", synthetic_file, {"depth": 0}),
        (ConfigError, "depth: expected 1 to 100 levels, found 101", synthetic_file, {"depth": 101}),
        (NoDataError, "TWA9", synthetic_file, {"symbol": "TWA9"}),
        (MissingFileError, "none", tmp_path / "none.dbn", {}),
    ]
    for error, message, path, arguments in cases:
        with pytest.raises(error, match=message):
            write_book(path, output, **arguments)
    records = plain_records(100)
    records["flags"] = 0
    with pytest.raises(NoDataError, match="none of its 100 records closes an event"):
        write_book(write_dbn(tmp_path / "open.dbn", records), output, every="event")
    whole = write_dbn(tmp_path / "cut.dbn", plain_records(3_000))
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(FormatError):
        write_book(whole, output)
    assert list(output.parent.iterdir()) == []
    with pytest.raises(OutputError, match="cannot write"):
        write_book(synthetic_file, tmp_path / "missing" / "b.parquet")
