"""One run, however its data are given: a file, parts, a folder, overlaps, an end cut off."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

import streams
import tapewire as tw
from naive.dbn import read_mbo
from tapewire.errors import FormatError
from tapewire.replay import ReplayPlan, open_source

PARTS = 3


def parts(file: Path, folder: Path, overlap: int = 0) -> list[Path]:
    """Write a file's records as three files, each beginning ``overlap`` records early."""
    folder.mkdir()
    records = read_mbo(file)
    header = file.read_bytes()[: file.stat().st_size - records.nbytes]
    made = []
    for i in range(PARTS):
        begin = max(0, i * len(records) // PARTS - overlap)
        content = header + records[begin : (i + 1) * len(records) // PARTS].tobytes()
        path = folder / f"day{i}.mbo.dbn{'.zst' if i % 2 else ''}"
        path.write_bytes(zstandard.compress(content) if i % 2 else content)
        made.append(path)
    return made


def run(files: Any, output: Path, **source: Any) -> tw.RunResult:
    overrides = {f"backtest.data_source.{key}": value for key, value in source.items()}
    return tw.run(
        files=files, strategies="market_maker", transport="inproc", output=output,
        overrides=overrides,
    )  # fmt: skip


def test_the_same_digest_however_the_files_are_given(tmp_path: Path, synthetic_file: Path) -> None:
    whole = run(synthetic_file, tmp_path / "whole")
    listed = parts(synthetic_file, tmp_path / "days")
    by_list = run(listed, tmp_path / "list")
    (tmp_path / "days" / "day.trades.dbn").write_bytes(streams.dbn_header(schema="trades"))
    by_folder = run(tmp_path / "days", tmp_path / "folder")
    skipped = "files of schemas that a run does not use were skipped: 1 of trades"
    assert f"{tmp_path / 'days'}: {skipped}" in by_folder.manifest["warnings"]
    assert whole.digest == by_list.digest == by_folder.digest
    assert whole.manifest["events"] == by_folder.manifest["events"] == 30_000
    assert [Path(i["file"]) for i in by_folder.manifest["inputs"]] == listed
    assert by_folder.manifest["config"] == by_list.manifest["config"]

    parts(synthetic_file, tmp_path / "overlapping", overlap=500)
    pattern = str(tmp_path / "overlapping" / "*.dbn*")
    with pytest.raises(FormatError, match="overlap: both have the record of order"):
        run(pattern, tmp_path / "refused")
    dropped = run(pattern, tmp_path / "dropped", duplicates="drop")
    assert dropped.digest == whole.digest
    said = "1,000 records were left out: another file had given them (duplicates: drop)"
    assert said in dropped.manifest["warnings"]


def test_what_is_whole_of_a_cut_file_is_played_and_the_run_says_so(
    tmp_path: Path, synthetic_file: Path
) -> None:
    good = 20_000
    records = read_mbo(synthetic_file)
    header = synthetic_file.stat().st_size - records.nbytes
    content = synthetic_file.read_bytes()
    short, cut = tmp_path / "short.dbn", tmp_path / "cut.dbn"
    short.write_bytes(content[: header + good * 56])
    cut.write_bytes(content[: header + good * 56 + 30])
    with pytest.raises(FormatError, match=rf"after {good} good records: .*--allow-truncated"):
        run(cut, tmp_path / "refused")
    played = run(cut, tmp_path / "played", allow_truncated=True)
    assert played.digest == run(short, tmp_path / "short").digest
    manifest = played.manifest
    assert manifest["events"] == good
    assert manifest["data_complete"] is False
    missing = f"{cut}: ends inside record {good} at byte offset {header + good * 56}"
    assert manifest["inputs"][0]["truncated"].startswith(missing)
    assert any(w.startswith(f"the data are incomplete: {missing}") for w in manifest["warnings"])
    page = (tmp_path / "played" / "report.html").read_text()
    assert "no: cut.dbn ended too soon" in page


def test_a_cut_zstd_file_gives_what_is_whole_whatever_the_batches(tmp_path: Path) -> None:
    records = streams.make_records(60_000)
    whole = streams.zstd_bytes(streams.dbn_bytes(records))
    path = streams.write(tmp_path / "cut.dbn.zst", whole[: len(whole) // 2])
    given = set()
    for batch in (1_000, 65_536):
        out, count = np.empty(batch, records.dtype), 0
        with open_source(ReplayPlan((path,), allow_truncated=True)) as source:
            while n := source.fill(out):
                assert out[:n].tobytes() == records[count : count + n].tobytes()
                count += n
            assert "inside the zstd frame" in source.file_totals[0].truncated
        given.add(count)
    (count,) = given
    assert 0 < count < len(records)
