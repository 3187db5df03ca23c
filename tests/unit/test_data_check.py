"""`tapewire data check`, and what `data inspect` says since: what is odd, and how bad that is."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import streams
from naive.book import UNDEF_PRICE
from tapewire.cli.program import app
from tapewire.errors import InputError
from tapewire.inputs.check import CheckReport, check_file
from tapewire.inputs.inspection import inspect_any, inspect_file
from tapewire.market.records import MBO_DTYPE
from tapewire.replay.levels import SCHEMAS as LEVEL_SCHEMAS
from tapewire.replay.synth import SyntheticSession, synthesize

DataFile = Callable[[str], Path]
ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
T0 = 1_709_562_600 * 10**9
LAST, SNAPSHOT = 128, 32


def sound_records(n: int = 200) -> np.ndarray:
    """A clear, then bids below asks, each with an id of its own."""
    out = np.zeros(n, MBO_DTYPE)
    out["length"], out["rtype"], out["publisher_id"], out["instrument_id"] = 14, 160, 1, 90_001
    out["order_id"] = np.arange(n)
    out["ts_event"] = T0 + np.arange(n) * 1_000_000
    out["ts_recv"] = out["ts_event"] + 100_000
    out["sequence"] = 10_000 + np.arange(n)
    out["size"], out["flags"], out["action"] = 2, LAST, ord("A")
    out["side"] = np.where(np.arange(n) % 2, ord("B"), ord("A"))
    out["price"] = np.where(np.arange(n) % 2, 99, 101) * 10**9
    out["action"][0], out["price"][0], out["size"][0], out["side"][0] = 82, UNDEF_PRICE, 0, 78
    return out


def checked(folder: Path, records: np.ndarray) -> CheckReport:
    path = folder / "x.dbn"
    path.write_bytes(SyntheticSession(1_000).metadata() + records.tobytes())
    return check_file(path)


def found(report: CheckReport) -> dict[str, tuple[str, int, int | None]]:
    return {f.name: (f.level, f.count, f.first_record) for f in report.findings}


def change(at: int, **values: Any) -> Callable[[np.ndarray], None]:
    def do(records: np.ndarray) -> None:
        for name, value in values.items():
            records[name][at] = value

    return do


def test_a_sound_file_has_notes_at_most(tmp_path: Path) -> None:
    report = checked(tmp_path, sound_records())
    assert report.sound
    assert found(report) == {"clears": ("note", 1, None)}
    assert (report.start, report.records, report.events) == ("clear", 200, 200)


#: What is done to record 60 (an ask, id 60) of a sound file, and what is found.
DAMAGE = {
    "ts_recv_backward": ("error", 61, change(60, ts_recv=T0 + 10**10)),
    "undefined_ts_recv": ("error", None, change(60, ts_recv=2**64 - 1)),
    "maybe_bad_book": ("error", None, change(60, flags=LAST | 4)),
    "duplicate_adds": ("error", 60, change(60, order_id=58)),
    "excess_cancels": ("error", 60, change(60, action=67, order_id=58, size=3)),
    "unknown_cancels": ("error", 60, change(60, action=67, order_id=999)),
    "unknown_modifies": ("error", 60, change(60, action=77, order_id=999)),
    "ts_event_after_ts_recv": ("warning", 60, change(60, ts_event=T0 + 10**10)),
    "out_of_order": ("warning", None, change(60, sequence=10_063)),
    "restarts": ("note", None, change(60, sequence=2**31)),
    "missing_last": ("note", None, change(60, flags=0)),
    "bad_ts_recv_live": ("note", None, change(60, flags=LAST | 8)),
    "unknown_fills": ("note", None, change(60, action=70, order_id=999)),
    "crossed_before_trading": ("note", None, change(60, price=98 * 10**9)),
    "negative_prices": ("note", None, change(61, price=-(10**9))),
    "unfinished_events": ("warning", None, change(199, flags=0)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_each_kind_of_damage_is_found_where_it_is(tmp_path: Path, name: str) -> None:
    level, first, do = DAMAGE[name]
    records = sound_records()
    do(records)
    report = checked(tmp_path, records)
    assert found(report)[name][::2] == (level, first)
    assert report.sound == (level != "error")
    beside = set(found(report)) - {"clears", name}
    allowed = {"ts_recv_backward": {"ts_event_after_ts_recv"}, "ts_event_after_ts_recv": set()}
    assert {n for n in beside if found(report)[n][0] != "note"} <= allowed.get(name, set())


def test_unknown_ids_are_no_error_where_the_file_begins_in_mid_session(tmp_path: Path) -> None:
    records = sound_records()[1:]
    change(60, action=67, order_id=999)(records)
    report = checked(tmp_path, records)
    assert report.sound
    assert found(report) == {"unknown_cancels": ("note", 1, 60), "mid_session": ("note", 1, 0)}


def test_a_fill_behind_one_that_stays_jumps(tmp_path: Path) -> None:
    """Of the bids 1 and 3 the second is filled, and the first stays."""
    records = sound_records()
    for at, action, side, order_id in ((60, "T", "A", 0), (61, "F", "B", 3), (62, "C", "B", 3)):
        change(at, action=ord(action), side=ord(side), order_id=order_id, price=99 * 10**9)(records)
    records["flags"][60:62] = 0
    for clock in ("ts_event", "ts_recv"):
        records[clock][60:63] = records[clock][60]
    report = checked(tmp_path, records)
    assert found(report)["fills_jumped"] == ("warning", 1, 62)
    assert (report.fills["jumped"], report.fills["direct"]) == (1, 0)
    records["order_id"][61:63] = 1
    report = checked(tmp_path, records)
    assert (report.fills["jumped"], report.fills["direct"]) == (0, 1)


def test_a_crossed_book_after_trades_is_a_warning(tmp_path: Path) -> None:
    records = sound_records()
    change(50, action=84, side=65, order_id=0)(records)
    change(60, price=98 * 10**9)(records)
    crossed = found(checked(tmp_path, records))
    assert crossed["crossed_trading"] == ("warning", 140, 60)
    assert "crossed_before_trading" not in crossed


def test_real_files_are_sound_and_say_what_the_manifest_says(data_file: DataFile) -> None:
    report = check_file(data_file(ESH4))
    assert report.sound
    assert found(report) == {
        "unknown_fills": ("note", 7, None),
        "excess_fills": ("note", 27, 16_795),
        "fills_auction": ("note", 35, None),
        "crossed_before_trading": ("note", 891, None),
    }
    out = io.StringIO()
    report = check_file(
        data_file("dbeq/dbeq-basic-20240403.mbo.dbn.zst"), console=Console(file=out, width=300)
    )
    assert report.sound
    assert {n: f[:2] for n, f in found(report).items()} == {
        "out_of_order": ("warning", 72), "restarts": ("note", 48), "mid_session": ("note", 1),
    }  # fmt: skip
    text = out.getvalue()
    for words in ("sound: 286,130 records", "98 of 98 fills", "warning: 72 live records"):
        assert words in text


def test_the_command_ends_with_1_where_there_is_an_error(tmp_path: Path) -> None:
    good = tmp_path / "good.dbn"
    synthesize(good, events=2_000, seed=1)
    result = CliRunner().invoke(app, ["data", "check", str(good), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(json.dumps(asdict(check_file(good))))
    records = sound_records()
    change(60, order_id=58)(records)
    checked(tmp_path, records)
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path / "x.dbn")])
    assert result.exit_code == 1
    assert "not sound: 200 records" in result.stdout
    assert "error: 1 adds are of an order id that rests already (first: record 60)" in result.stdout


def test_an_empty_file_is_not_sound(tmp_path: Path) -> None:
    assert found(checked(tmp_path, sound_records()[:0])) == {"empty": ("error", 0, None)}


# --- inspect --------------------------------------------------------------------------------------


def test_inspect_says_the_busiest_second_and_the_longest_pauses(tmp_path: Path) -> None:
    records = sound_records(70_000)
    records["ts_recv"][30_000:] += np.uint64(5 * 10**9)
    records["ts_recv"][65_536:] += np.uint64(7 * 10**9)  # where a chunk begins
    path = tmp_path / "x.dbn"
    path.write_bytes(SyntheticSession(1_000).metadata() + records.tobytes())
    report = inspect_file(path)
    assert [p["seconds"] for p in report.pauses[:2]] == [7.001, 5.001]
    assert report.pauses[1]["from"] == records["ts_recv"][29_999]
    seconds, counts = np.unique(records["ts_recv"] // 10**9, return_counts=True)
    assert report.peak_records_per_s == counts.max() == 1_000
    assert counts[list(seconds).index(report.peak_second // 10**9)] == 1_000


def test_inspect_of_esh4(data_file: DataFile) -> None:
    out = io.StringIO()
    inspect_any(data_file(ESH4), console=Console(file=out, width=200))
    text = " ".join(out.getvalue().split())
    for words in (
        "at most 698 in the second of 2023-12-25T23:00:00",
        "the longest 993.043 s from 2023-12-25T22:13:50",
        "891 events left a book crossed, 1,204.9 s in all", "a snapshot: the books are whole",
        "891 events before a book's first trade left it crossed: a pre-open",
    ):  # fmt: skip
        assert words in text


def test_inspect_opens_every_fixture_or_says_why_not(data_file: DataFile) -> None:
    index = data_file("fixtures/index.tsv").parent
    opened, refused = 0, []
    for path in sorted(index.rglob("test_data*")) + sorted(index.rglob("*.frag*")):
        try:
            report = inspect_any(path)
        except InputError as error:
            refused.append(str(error))
        else:
            opened += 1
            assert report.records > 0 or "ohlcv-1d" in path.name
    assert opened > 90
    assert all(
        any(w in text for w in ("fragment", "legacy DBZ", "mixes schemas")) for text in refused
    )


def test_inspect_of_other_schemas(data_file: DataFile) -> None:
    out = io.StringIO()
    report: Any = inspect_any(
        data_file("glbx/esu4-20240701.mbp-1.dbn.zst"), console=Console(file=out, width=200)
    )
    assert (report.schema, report.records, report.backward) == ("mbp-1", 2_288, 0)
    assert report.actions == {"A": 1_061, "C": 989, "M": 118, "T": 120}
    assert report.first_ns == 1_719_878_281_218_485_389
    assert "queue places are guessed" in out.getvalue()
    bars: Any = inspect_any(data_file("glbx/esu4-nqu4-20240701.ohlcv-1m.dbn.zst"))
    assert (bars.records, bars.clock, bars.books, bars.rtypes) == (60, "ts_event", 2, {"0x21": 60})
    assert [b["symbol"] for b in bars.top_books] == ["ESU4", "NQU4"]
    out = io.StringIO()
    again = inspect_any(
        data_file("glbx/esu4-20240701.trades.dbn.zst"), as_json=True, console=Console(file=out)
    )
    assert json.loads(out.getvalue()) == asdict(again)


def test_inspect_says_what_a_run_does_with_each_schema(tmp_path: Path) -> None:
    played = dict.fromkeys(LEVEL_SCHEMAS, "a run plays it where there is no mbo")
    others = {
        "statistics": "data_source.statistics_files", "ohlcv-1d": "data_source.volume_files",
        "definition": "data_source.definition_files", "trades": "no book",
        "imbalance": "this file is not for it",
    }  # fmt: skip
    for schema, words in (played | others).items():
        path = tmp_path / f"x.{schema}.dbn"
        path.write_bytes(streams.dbn_header(schema=schema))
        report: Any = inspect_any(path)
        assert words in report.meaning, schema
        assert ("tapewire data derive" in report.meaning) == (
            schema in ("mbp-10", "mbp-1", "tbbo", "trades")
        ), schema
