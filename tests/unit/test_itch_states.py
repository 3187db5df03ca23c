"""Halts of NASDAQ ITCH files: a status file beside the records, and what it does to a run."""

import datetime as dt
from pathlib import Path

import databento_dbn
import pytest
import zstandard

import tapewire as tw
from itch_files import message
from tapewire.errors import FormatError, OutputError
from tapewire.market.status import TradingState
from tapewire.replay.conversions import convert_itch
from tapewire.replay.status import read_status, transitions_in
from tapewire.replay.trading_days import midnight_ns

NS = 10**9
OPEN_NS = 34_200 * NS  # 9:30 in New York
DAY = dt.date(2019, 5, 30)


def state(locate: int, s: float, kind: str, reason: str = "") -> bytes:
    stock = {13: "AAPL", 14: "MSFT"}[locate]
    return message(
        "H", locate, OPEN_NS + int(s * NS), stock=stock, state=kind, reserved=" ", reason=reason
    )


def order(s: float, number: int, side: str, price: int) -> bytes:
    return message(
        "A", 13, OPEN_NS + int(s * NS), order=number, side=side, shares=100, stock="AAPL",
        price=price,
    )  # fmt: skip


def day() -> bytes:
    """AAPL trades, is paused at 60 s, quoted from 360 s, trades at 365 s; MSFT is halted."""
    return b"".join([
        message("S", 0, OPEN_NS - NS, event="O"),
        message("R", 13, OPEN_NS - NS, stock="AAPL", round_lot=100),
        message("R", 14, OPEN_NS - NS, stock="MSFT", round_lot=100),
        state(13, -1, "T"), state(14, -1, "T"),
        order(0, 1, "B", 1_000_000), order(0.1, 2, "S", 1_000_100),
        state(13, 60, "P", "LUDP"), order(61, 3, "B", 999_900), state(14, 62, "H", "T1"),
        order(63, 4, "S", 1_000_200), state(13, 360, "Q", "LUDP"), state(13, 365, "T", "LUDP"),
        order(366, 5, "B", 999_800), order(400, 6, "B", 999_700),
        message("S", 0, OPEN_NS + 500 * NS, event="C"),
    ])  # fmt: skip


def written(folder: Path, data: bytes) -> Path:
    path = folder / "05302019.NASDAQ_ITCH50"
    path.write_bytes(data + bytes(2))
    return path


def test_states_become_status_records(tmp_path: Path) -> None:
    report = convert_itch(written(tmp_path, day()), tmp_path / "all.mbo.dbn.zst")
    assert report.status_path == str(tmp_path / "all.status.dbn.zst")
    assert (report.states, report.messages["H"], report.notes) == (6, 6, ())
    file = read_status(report.status_path)
    zero = midnight_ns(DAY) + OPEN_NS
    assert [
        (int(row["instrument_id"]), (int(row["ts_event"]) - zero) // NS, int(row["action"]),
         int(row["reason"]), chr(row["is_trading"]), chr(row["is_quoting"]))
        for row in file.records
    ] == [
        (13, -1, 7, 0, "Y", "Y"), (14, -1, 7, 0, "Y", "Y"), (13, 60, 9, 50, "N", "N"),
        (14, 62, 8, 30, "N", "N"), (13, 360, 3, 50, "N", "Y"), (13, 365, 7, 50, "Y", "Y"),
    ]  # fmt: skip
    assert (file.records["ts_event"] == file.records["ts_recv"]).all()
    assert set(file.records["publisher_id"].tolist()) == {2}
    packed = zstandard.ZstdDecompressor().stream_reader(
        (tmp_path / "all.status.dbn.zst").read_bytes()
    )
    decoder = databento_dbn.DBNDecoder()
    decoder.write(packed.read())
    _, *theirs = decoder.decode()
    assert [row.reason.name.lower() for row in theirs] == [
        "none", "none", "luld_pause", "news_pending", "luld_pause", "luld_pause",
    ]  # fmt: skip
    one = convert_itch(tmp_path / "05302019.NASDAQ_ITCH50", tmp_path / "a.dbn", symbols=["MSFT"])
    assert (one.status_path, one.states) == (str(tmp_path / "a.status.dbn"), 2)
    assert transitions_in([read_status(one.status_path)])["state"].tolist() == [
        TradingState.OPEN, TradingState.HALTED,
    ]  # fmt: skip


def test_what_is_wrong_leaves_neither_file(tmp_path: Path) -> None:
    bad = day() + state(13, 500, "X")
    with pytest.raises(FormatError, match="expected a trading state H, P, Q or T, found 'X'"):
        convert_itch(written(tmp_path, bad), tmp_path / "out.mbo.dbn")
    (tmp_path / "out.status.dbn").write_text("mine")
    with pytest.raises(OutputError, match=r"out.status.dbn: is there already"):
        convert_itch(written(tmp_path, day()), tmp_path / "out.mbo.dbn")
    assert not (tmp_path / "out.mbo.dbn").exists()


@pytest.mark.long
def test_a_run_of_the_folder_waits_while_it_is_paused(tmp_path: Path) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    convert_itch(written(tmp_path, day()), folder / "aapl.mbo.dbn", symbols=["AAPL"])
    manifest = tw.run(
        folder, strategies=["market_maker"], transport="inproc", output=tmp_path / "run"
    ).manifest
    assert manifest["counts"]["entered_halted"] == 1
    assert manifest["counts"]["entered_pre_open"] == 1
    assert [Path(one["file"]).name for one in manifest["inputs"]] == [
        "aapl.mbo.dbn", "aapl.status.dbn",
    ]  # fmt: skip
