"""Runs whose records say something of themselves: the error, the manifest, the warnings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams
import tapewire as tw
from stories import START_NS, Line, Tape, merge, ns, px
from tapewire.errors import ConfigError, FlaggedDataError

MAPPINGS = {"TWX": [(7, 0, 100)], "TWY": [(8, 0, 100)]}
TICK = Line("N", "N", 0, px(None), 0)
BAD = TICK._replace(flags=4)
LOST_AT, LOST_THERE_AT = 2_000_000, 1_000_000


def data(folder: Path) -> list[str]:
    """Two files, the later one compressed: TWX lost records at its 4th, TWY in the other one."""
    mine = Tape().add(0, 1, "B", 100, 5).add(1, 2, "A", 101, 5).tick(500_000)
    mine.event(LOST_AT, TICK, BAD).tick(3_000_000)
    there = Tape()
    there.instrument = 8
    there.add(2, 1, "B", 50, 5).add(3, 2, "A", 51, 5).event(LOST_THERE_AT, BAD, last=False)
    records = merge(mine, there.tick(1_500_000))
    cut = int(np.searchsorted(records["ts_recv"], ns(1_200_000)))
    named = []
    for name, part in (("a.mbo.dbn", records[:cut]), ("b.mbo.dbn.zst", records[cut:])):
        content = streams.dbn_bytes(part, mappings=MAPPINGS)
        packed = streams.zstd_bytes(content) if name.endswith("zst") else content
        named.append(streams.write(folder / name, packed))
    assert START_NS < streams.START_NS  # so that no header says where to look
    return named


def run(
    files: list[str], flags: Any, output: Path, symbols: str = "TWX", days: str = "together"
) -> Any:
    return tw.run(
        files=files, strategies=[{"type": "market_maker", "symbols": [symbols]}],
        overrides={"backtest.data_source.flags": flags, "backtest.replay.days": days},
        transport="inproc", output=output,
    )  # fmt: skip


@pytest.mark.long
def test_a_run_counts_marks_or_stops(tmp_path: Path) -> None:
    files = data(tmp_path)
    plain = run(files, "continue", tmp_path / "plain").manifest
    counts = {"bad_ts_recv": 0, "clear": 0}
    assert plain["data_flags"] == {
        "policy": dict.fromkeys(("maybe_bad_book", *counts, "missing_last"), "continue"),
        "instruments": [
            {"symbol": "TWX", "publisher_id": 1, "instrument_id": 7, "maybe_bad_book": 1,
             "missing_last": 0, **counts},
            {"symbol": "TWY", "publisher_id": 1, "instrument_id": 8, "maybe_bad_book": 1,
             "missing_last": 1, **counts},
        ],
    }  # fmt: skip
    assert "data_marked" not in plain
    lost = "2 records are flagged F_MAYBE_BAD_BOOK: the capture may have gaps (TWX (publisher 1): "
    assert any(said.startswith(lost) for said in plain["warnings"])

    marked = run(files, {"maybe_bad_book": "mark"}, tmp_path / "marked").manifest
    assert marked["data_marked"] == [
        {"symbol": "TWX", "publisher_id": 1, "instrument_id": 7, "times": 1, "events": 2,
         "at_the_end": True}
    ]  # fmt: skip
    assert any("TWX (publisher 1): 2); still in doubt" in said for said in marked["warnings"])

    with pytest.raises(FlaggedDataError) as caught:
        run(files, "stop", tmp_path / "stopped")
    # The second file has TWY's tick, TWX's tick and the flagged one.
    assert str(caught.value).startswith(f"{files[1]}: record 2 at byte offset ")
    offset = len(streams.dbn_header(MAPPINGS)) + 2 * 56
    assert f"byte offset {offset} of the decompressed data: TWX (publisher 1), " in str(
        caught.value
    )
    manifest = json.loads((tmp_path / "stopped" / "manifest.json").read_text())
    assert (manifest["status"], manifest["data_flags"]["policy"]["clear"]) == ("failed", "stop")

    with pytest.raises(FlaggedDataError) as caught:
        run(files, "stop", tmp_path / "apart", days="apart")
    place = f"2023-11-14: {files[1]}: record 2 at byte offset {offset} of the decompressed data: "
    assert str(caught.value).startswith(place)

    with pytest.raises(FlaggedDataError) as caught:
        run(files, {"missing_last": "stop"}, tmp_path / "open", "TWY")
    said = str(caught.value)
    assert said.startswith(f"{files[0]}: record 5 at byte offset ")
    assert "TWY (publisher 1), 2023-11-14T22:13:21.000001" in said
    assert "(data_source: flags: missing_last: stop)" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("pause", "backtest.data_source.flags: expected continue, mark, stop, or one of them by"),
        ({"clear": "pause"}, "flags.clear: expected "),
        ({"cleer": "mark"}, "data_source.flags has no 'cleer', did you mean 'clear'?"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_by_its_key(tmp_path: Path, flags: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(["none.dbn"], flags, tmp_path)
    assert said in str(caught.value)
