"""What fuzzers found, one by one: each was a traceback, a shorter result or a text that steers."""

import json
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import itch_files
import streams
from analytics_runs import run_of, story
from fuzzing.texts import Exports
from models import request
from tapewire.analytics import load_run
from tapewire.bridge import protocol as msg
from tapewire.bridge.answers import signals_of
from tapewire.candles import read_candles
from tapewire.config.loading import load_config
from tapewire.errors import ConfigError, FormatError, InputError, ProtocolError, TapewireError
from tapewire.replay.conversions import convert_itch
from tapewire.replay.dbz import dbz_metadata
from tapewire.replay.exports import export_to_dbn
from tapewire.replay.status import read_status
from tapewire.strategies.order_log_file import read_order_log


def test_an_error_shows_no_letter_that_steers_a_terminal(tapewire_here: Any) -> None:
    error = InputError("a\x1b[2J\u202eb\ud800\0c\nd\te é")
    assert str(error) == f"{error}" == "a\\x1b[2J\\u202eb\\ud800\\x00c\nd\te é"
    said = tapewire_here("data", "inspect", "no\x1b[2J.dbn")
    assert said.returncode == 3
    assert "no\\x1b[2J.dbn" in said.stderr
    assert "\x1b" not in said.stderr


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("{type: market_maker}", r"fees\.1\.5"),
        ("{type: market_maker, name: {a: 1}}", r"strategy\[0\]\.name: expected"),
    ],
    ids=["a number for a key", "a mapping for a name"],
)
def test_a_configuration(tmp_path: Path, strategy: str, said: str) -> None:
    fees = "{type: per_contract, 1.5: 2}" if "name" not in strategy else "{type: per_contract}"
    (tmp_path / "x.yaml").write_text(
        "backtest:\n  data_source: {type: synthetic}\n"
        f"  execution: {{fees: {fees}}}\nstrategy: [{strategy}]\n"
    )
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / "x.yaml")


def test_lots_of_a_model_are_bounded_on_both_sides() -> None:
    head = msg.SignalBatch(5, 1, False, 1, 0)
    arrays = [np.full(1, msg.NO_TARGET)]
    rows, books = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for lots in (2**31, -(2**31), -(2**63), 2**63 - 1):
        asked = request(
            msg.SUBMIT, side=1, quantity=lots, order_type=msg.MARKET, time_in_force=msg.IOC
        )
        with pytest.raises(ProtocolError, match=f"row 5: expected lots .*found quantity {lots}"):
            signals_of(head, [*arrays, asked], rows, books, [True])
    asked["quantity"] = 1 - 2**31  # the other checks are the loop's
    assert len(signals_of(head, [*arrays, asked], rows, books, [True])[0]) == 1


def test_nothing_lies_behind_an_itch_session_that_ends_too_soon(tmp_path: Path) -> None:
    day = itch_files.session({"AAPL": 13}, 3, 40)
    path, out = tmp_path / "05302019.NASDAQ_ITCH50", tmp_path / "out.dbn"
    for behind in (b"", bytes(2), bytes(5_000), bytes(2) + b"none of it"):
        path.write_bytes(day + behind)
        whole = convert_itch(path, out, force=True)
    half = 0
    for _ in range(30):
        half += 2 + int.from_bytes(day[half : half + 2], "big")
    path.write_bytes(day[:half] + bytes(2) + day[half:])
    with pytest.raises(FormatError, match=f"message 31 at byte offset {half} has length 0"):
        convert_itch(path, out, force=True)
    path.write_bytes(day.replace(b"AAPL", b"A\xffPL"))
    with pytest.raises(FormatError, match=r"expected a symbol in ASCII, found b'A\\xffPL"):
        convert_itch(path, out, force=True)
    assert whole.records > 20


def _csv(text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "x.csv").write_bytes(text.encode("latin-1"))
        return folder / "x.csv"

    return write


@pytest.mark.parametrize("read", [read_order_log, read_candles])
def test_columns_have_names_and_different_ones(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    with pytest.raises(FormatError, match=r"x\.csv: expected columns of different names, found ''"):
        read(_csv("a,,\n1,2,3\n")(tmp_path))
    with pytest.raises(FormatError, match=r"x\.csv: expected names of columns in UTF-8"):
        read(_csv("a,b\x80\n1,2\n")(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"symbol": "\ufeff"}, "symbol: expected ASCII"),
        ({"symbol": "x" * 71}, "symbol: expected ASCII of at most 70 letters"),
        ({"action": "é"}, "action: expected one letter"),
        ({"publisher_id": None}, "publisher_id: expected a number in every row"),
        ({"instrument_id": None}, "instrument_id: expected a number in every row"),
        ({"ts_recv": None}, "ts_recv: expected a time up to the year 2262"),
    ],
)
def test_an_export(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    table = Exports(tmp_path).table()
    for name, value in change.items():
        values = [value, *table[name].to_pylist()[1:]]
        kind = pa.string() if isinstance(value, str) else table[name].type
        table = table.set_column(table.column_names.index(name), name, pa.array(values, kind))
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(FormatError, match=re.escape(said)):
        export_to_dbn(str(tmp_path / "x.parquet"), tmp_path / "x.dbn")


def test_an_export_that_is_no_csv(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"ts_recv,ts_event\r\r1,2\n")
    with pytest.raises(FormatError, match=r"x\.csv: expected CSV, found none in its first lines"):
        export_to_dbn(str(tmp_path / "x.csv"), tmp_path / "x.dbn")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"legs": [{"symbol": "ESH4"}]}, r"strategy_id"),
        ({"events": "many"}, r"\$\.events"),
        ({"files": []}, r"\$\.files"),
        ({"digest": None}, r"\$\.digest"),
        ({"results": {"total": {"net_pnl": "a lot"}}}, r"net_pnl|\$\.results"),
        ({"status": "perfect"}, r"\$\.status"),
    ],
)
def test_a_manifest_of_another_shape(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = run_of(tmp_path, story()).path
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | change))
    with pytest.raises(FormatError, match=rf"manifest\.json, found another: .*({said})"):
        load_run(path)


def test_a_table_of_a_run_that_is_damaged(tmp_path: Path) -> None:
    path = run_of(tmp_path, story()).path
    data = bytearray((path / "fills.parquet").read_bytes())
    data[-8:-4] = (len(data) // 2).to_bytes(4, "little")  # where its description begins
    (path / "fills.parquet").write_bytes(data)
    with pytest.raises(FormatError, match=r"fills\.parquet to be Parquet, found a damaged file"):
        _ = load_run(path).fills


def test_the_errors_of_all_kinds_are_shown_alike() -> None:
    assert str(TapewireError("a\x07")) == "a\\x07"


def test_a_bomb_behind_states_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    header = streams.dbn_header(schema="status")
    bomb = zstandard.ZstdCompressor(level=1).compress(header + bytes(1 << 27))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=f"record 0 at byte offset {len(header)}"):
            read_status(streams.write(tmp_path / "x.dbn.zst", bomb))
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", range(1, 4))
def test_a_legacy_header_that_claims_more_than_it_has(tmp_path: Path, place: int) -> None:
    """Databento's decoder would reserve the memory, fail and end the process."""
    words = [0, 0, 0, 0, 0]  # a schema definition's length, then three counts, then mappings
    words[place] = 2**31
    packed = zstandard.ZstdCompressor().compress(np.array(words, "<u4").tobytes())
    length = 96 + len(packed)
    frame = b"Q*M\x18" + length.to_bytes(4, "little") + b"DBZ\x01" + bytes(92) + packed
    path = tmp_path / "x.dbz"
    path.write_bytes(frame + bytes(64))
    at = 4 * place
    said = f"DBZ header is corrupt: at byte offset {at} of its symbols it claims 2147483648"
    with path.open("rb") as file, pytest.raises(FormatError, match=said):
        dbz_metadata(str(path), file.fileno(), path.stat().st_size)
