"""Folders, patterns, dates and batch downloads in place of files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import streams
from tapewire.config.data_files import expand_files, place_files
from tapewire.config.loading import make_config
from tapewire.config.problems import Problems
from tapewire.errors import ConfigError, FormatError
from tapewire.inputs.batch_folder import check_downloads
from tapewire.replay import ReplayPlan, open_source, read_records
from tapewire.runs.warnings import gap_warnings
from tapewire.wire import FileInfo

DAY = streams.DAY_NS


def data(name: Path, schema: str | None = "mbo", **header: Any) -> str:
    records = streams.make_records(4) if schema == "mbo" else streams.make_records(0)
    return streams.write(name, streams.dbn_bytes(records, schema=schema, **header))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for date in ("20240103", "20240102"):
        data(tmp_path / f"glbx-mdp3-{date}.mbo.dbn")
    data(tmp_path / "glbx-mdp3-20240102.definition.dbn", "definition")
    data(tmp_path / "glbx-mdp3-20240102.status.dbn", "status")
    data(tmp_path / "glbx-mdp3-20240102.trades.dbn", "trades")
    (tmp_path / "notes.txt").write_text("no data")
    return tmp_path


def names(paths: list[str]) -> list[str]:
    return [Path(path).name for path in paths]


def config(source: dict[str, Any], base: Path) -> Any:
    content = {"data_source": {"type": "databento", **source}}
    return make_config({"backtest": content, "strategy": {"type": "market_maker"}}, base=base)


def test_a_folder_stands_for_its_files_each_where_its_schema_belongs(folder: Path) -> None:
    made = config({"files": ["."]}, folder)
    source = made.backtest.data_source
    days = ["glbx-mdp3-20240102.mbo.dbn", "glbx-mdp3-20240103.mbo.dbn"]
    assert names(source.files) == days
    assert names(source.definition_files) == ["glbx-mdp3-20240102.definition.dbn"]
    assert names(source.status_files) == ["glbx-mdp3-20240102.status.dbn"]
    assert made.notes == (".: files of schemas that a run does not use were skipped: 1 of trades",)
    only = config({"files": ["*.mbo.dbn"], "status_files": [str(folder)]}, folder)
    assert names(only.backtest.data_source.files) == days
    assert names(only.backtest.data_source.status_files) == ["glbx-mdp3-20240102.status.dbn"]
    assert only.backtest.data_source.definition_files == []
    assert only.notes == ()


def test_a_file_named_by_itself_stays_where_it_was_named(folder: Path) -> None:
    source = {"files": [str(folder / "glbx-mdp3-20240102.trades.dbn")]}
    assert place_files(source, folder, Problems()) == []
    assert names(source["files"]) == ["glbx-mdp3-20240102.trades.dbn"]


def test_dates_stand_for_the_days_that_have_a_file(folder: Path) -> None:
    found, notes = expand_files([str(folder / "glbx-mdp3-{20240101..20240108}.mbo.dbn")])
    assert names(found) == ["glbx-mdp3-20240102.mbo.dbn", "glbx-mdp3-20240103.mbo.dbn"]
    (note,) = notes  # the 6th and 7th were a weekend
    assert note.endswith("no file for 2024-01-01, 2024-01-04, 2024-01-05, 2024-01-08")
    found, _ = expand_files([str(folder / "*-{20240103..20240103}.mbo.*")])
    assert names(found) == ["glbx-mdp3-20240103.mbo.dbn"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("glbx-mdp3-{20240105..20240108}.mbo.dbn", "no file matches"),
        ("glbx-mdp3-{20240108..20240105}.mbo.dbn", "expected dates in order"),
        ("glbx-mdp3-{20240132..20240205}.mbo.dbn", "expected dates as in"),
        ("*.xyz", "no file matches"),
        ("*.trades.*", r"expected files of schema mbo in '\*\.trades\.\*', found 1 of trades"),
        ("empty", r"expected \.dbn, .* files in the folder 'empty', found none: convert a\.csv"),
    ],
)
def test_names_that_stand_for_nothing(folder: Path, name: str, said: str) -> None:
    (folder / "empty").mkdir()
    (folder / "empty" / "a.csv").write_text("x")
    with pytest.raises(ConfigError, match=said):
        config({"files": [name]}, folder)


# --- batch downloads ------------------------------------------------------------------------------


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A batch download of two days as the vendor packs it."""
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "GLBX-20240105-AB12CD"
    folder.mkdir()
    files = [data(folder / f"glbx-mdp3-2024010{n}.mbo.dbn", mappings={}) for n in (2, 3)]
    listed = [
        {
            "filename": Path(file).name,
            "size": Path(file).stat().st_size,
            "hash": "sha256:" + hashlib.sha256(Path(file).read_bytes()).hexdigest(),
            "urls": {"https": "https://example.com"},
        }
        for file in files
    ]
    write_json(folder / "manifest.json", {"job_id": folder.name, "files": listed})
    days = [("2024-01-02", "available"), ("2024-01-03", "degraded"), ("2024-01-04", "missing")]
    write_json(
        folder / "condition.json",
        [{"date": d, "condition": c, "last_modified_date": None} for d, c in days],
    )
    write_json(
        folder / "symbology.json",
        {
            "result": {"ESH4": [{"d0": "2023-12-09", "d1": "2023-12-11", "s": "7"}]},
            "symbols": ["ESH4"], "stype_in": "raw_symbol", "stype_out": "instrument_id",
            "start_date": "2023-12-09", "end_date": "2023-12-11", "partial": [],
            "not_found": [], "message": "OK", "status": 0,
        },
    )  # fmt: skip
    return folder


def test_what_lies_beside_a_download_is_held_against_it(download: Path) -> None:
    files, _ = expand_files([str(download)])
    said = check_downloads(files)
    assert said == [
        f"the vendor says that data are degraded: 2024-01-03 ({download / 'condition.json'})",
        f"the vendor says that data are missing: 2024-01-04 ({download / 'condition.json'})",
    ]
    midnight = 1_704_326_400 * 10**9  # 2024-01-04
    assert len(check_downloads(files, end_ns=midnight)) == 1
    assert check_downloads(files, start_ns=midnight + DAY) == []
    checked = []

    def working(what: str, total_mb: int) -> Any:
        checked.append(what)
        raise AssertionError("a file that was found right and is as it was is not read again")

    check_downloads(files, working=working)
    assert not checked


def test_a_download_that_is_not_what_its_manifest_says(download: Path) -> None:
    files, _ = expand_files([str(download)])
    first = Path(files[0])
    good = first.read_bytes()
    first.write_bytes(good[:-1] + b"\x01")
    with pytest.raises(FormatError, match=r"expected SHA-256 .*found .*damaged"):
        check_downloads(files)
    first.write_bytes(good[:-5])
    with pytest.raises(
        FormatError, match=r"expected 352 bytes .*found 347: the download is not whole"
    ):
        check_downloads(files)
    assert "expected" in check_downloads(files, allow_truncated=True)[0]
    first.unlink()
    said = check_downloads(files[1:])
    assert said[0] == f"{download / 'manifest.json'} lists files that are not there: {first.name}"
    write_json(download / "manifest.json", {"job_id": "x", "files": [{"filename": "a"}]})
    with pytest.raises(FormatError, match=r"manifest.json: files\[0\]: expected filename, size"):
        check_downloads(files)
    write_json(download / "manifest.json", {"status": "complete"})  # another program's
    assert check_downloads(files) == []


def test_symbols_come_from_beside_where_the_header_has_none(download: Path) -> None:
    path = str(download / "glbx-mdp3-20240102.mbo.dbn")
    assert streams.START_NS == 1_702_080_000 * 10**9  # 2023-12-09
    metadata, records = read_records(path, symbols=["ESH4"])
    assert len(records) == 4
    assert list(metadata.mappings) == ["ESH4"]
    with open_source(ReplayPlan((path,))) as source:
        assert [m.raw_symbol for m in source.info.mappings] == ["ESH4"]
        assert source.headers[0].mapped_beside
    own = data(download / "own.mbo.dbn")  # what the header says comes first
    with open_source(ReplayPlan((own,))) as source:
        assert [m.raw_symbol for m in source.info.mappings] == ["TEST"]
    write_json(download / "symbology.json", {"result": {"ESH4": [{"d0": "x"}]},
               "stype_in": "raw_symbol", "stype_out": "instrument_id"})  # fmt: skip
    with pytest.raises(FormatError, match=r"symbology.json: result.ESH4: expected intervals"):
        open_source(ReplayPlan((path,)))


def test_days_between_files_are_said() -> None:
    monday = 19_723 * DAY  # 2024-01-01

    def file(first: int, days: int, dataset: str = "GLBX.MDP3") -> FileInfo:
        return FileInfo(
            "x", 1, 3, False, dataset, monday + first * DAY, monday + (first + days) * DAY, None
        )

    assert gap_warnings([file(0, 1), file(1, 1)]) == []
    assert gap_warnings([file(4, 1), file(7, 1)]) == []  # a weekend
    assert gap_warnings([file(3, 1), file(0, 1), file(1, 1, "XNAS.ITCH")]) == [
        "GLBX.MDP3: no file covers 2024-01-02, 2024-01-03: books stand still over a gap"
    ]
