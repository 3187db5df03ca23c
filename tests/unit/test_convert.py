"""`data convert`: the same records, a true header, and never half a file."""

import datetime
import io
import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento
import databento_dbn
import msgspec
import numpy as np
import pytest
import xxhash
from rich.console import Console

import streams
from naive.dbn import read_mbo
from tapewire.errors import (
    ConfigError,
    FormatError,
    MissingFileError,
    NoDataError,
    OutputError,
)
from tapewire.inputs import telling
from tapewire.inputs.convert import convert_files
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import convert as convert_module
from tapewire.replay import open_source
from tapewire.replay.convert import convert
from tapewire.replay.dbn import inspect
from tapewire.replay.plan import ReplayPlan

DataFile = Callable[[str], Path]
ESH4 = ("glbx/esh4-glbx-mdp3-20231224.mbo.dbn.zst", "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
DBEQ = "dbeq/dbeq-basic-20240403.mbo.dbn.zst"
T0, DAY = streams.START_NS, streams.DAY_NS
FIRST_DAY = datetime.date(1970, 1, 1) + datetime.timedelta(19_700)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def databentos(path: Path) -> databento.DBNStore:
    """A file as Databento's client reads it (from memory: it would leave the file open)."""
    return databento.DBNStore.from_bytes(path.read_bytes())


def in_version_3(metadata: databento_dbn.Metadata) -> databento_dbn.Metadata:
    policy = databento_dbn.VersionUpgradePolicy.UPGRADE_TO_V3
    return databento_dbn.Metadata.decode(bytes(metadata), upgrade_policy=policy)


def header_bytes(path: Path) -> int:
    head = path.read_bytes()[:8]
    assert head[:4] == b"DBN\x03"
    return 8 + int.from_bytes(head[4:], "little")


def header_with(
    mappings: dict[str, list[tuple[str, int, int]]],
    *,
    stype_in: str | None = "raw_symbol",
    stype_out: str = "instrument_id",
    first_day: int = 0,
    days: int | None = 1,
    dataset: str = "GLBX.MDP3",
    **more: Any,
) -> bytes:
    """A header; mappings: name → [(what it stands for, first day, end day)]."""
    start = T0 + first_day * DAY
    return bytes(
        databento_dbn.Metadata(
            dataset=dataset,
            start=start,
            end=None if days is None else start + days * DAY,
            stype_in=None if stype_in is None else databento_dbn.SType.from_str(stype_in),
            stype_out=databento_dbn.SType.from_str(stype_out),
            schema=databento_dbn.Schema.MBO,
            symbols=more.pop("symbols", list(mappings)),
            mappings=[
                SimpleNamespace(
                    raw_symbol=name,
                    intervals=[
                        SimpleNamespace(
                            start_date=FIRST_DAY + datetime.timedelta(a),
                            end_date=FIRST_DAY + datetime.timedelta(b),
                            symbol=other,
                        )
                        for other, a, b in rows
                    ],
                )
                for name, rows in mappings.items()
            ],
            version=3,
            **more,
        )
    )


def spans(path: Path) -> dict[str, list[tuple[str, int, int]]]:
    """The mappings of a file as `header_with` takes them."""
    metadata = databentos(path).metadata
    return {
        name: [
            (i["symbol"], (i["start_date"] - FIRST_DAY).days, (i["end_date"] - FIRST_DAY).days)
            for i in intervals
        ]
        for name, intervals in metadata.mappings.items()
    }


# --- one file -------------------------------------------------------------------------------------


def test_databentos_client_reads_the_same_from_every_fixture(
    tmp_path: Path, data_file: DataFile
) -> None:
    index = data_file("fixtures/index.tsv").parent
    versions = set()
    for i, path in enumerate(sorted(index.rglob("*mbo*.dbn*"))):
        if "frag" in path.name:
            continue
        output = tmp_path / f"{i}.dbn"
        report = convert([path], output)
        versions.add(inspect(str(path)).version)
        original, prepared = (databentos(p) for p in (path, output))
        assert prepared.metadata == in_version_3(original.metadata)
        assert prepared.to_ndarray().tobytes() == original.to_ndarray().tobytes()
        assert report.records == len(original.to_ndarray()) > 0
    assert versions == {1, 2, 3}


def test_a_real_file_keeps_every_byte_of_its_records(tmp_path: Path, data_file: DataFile) -> None:
    path, output = data_file(ESH4[1]), tmp_path / "esh4.mbo.dbn"
    report = convert([path], output)
    assert read_mbo(output).tobytes() == read_mbo(path).tobytes()
    original, prepared = (databentos(p) for p in (path, output))
    assert prepared.metadata == in_version_3(original.metadata)
    assert (str(prepared.schema), prepared.dataset) == ("mbo", "GLBX.MDP3")
    assert (prepared.metadata.version, prepared.metadata.ts_out) == (3, False)
    assert prepared.mappings == original.mappings
    assert (prepared.start, prepared.end) == (original.start, original.end)
    assert prepared.to_df()["symbol"].unique().tolist() == ["ESH4"]
    assert header_bytes(output) % 8 == 0
    raw = output.read_bytes()
    assert (report.file_bytes, report.xxh3_128) == (len(raw), xxhash.xxh3_128_hexdigest(raw))
    assert (report.records, report.symbols) == (68_792, ("ESH4",))
    assert report.inputs[0].content_hash == xxhash.xxh3_128_hexdigest(path.read_bytes())
    assert files_in(tmp_path) == ["esh4.mbo.dbn"]


def test_compressed_again_it_is_the_same_file(tmp_path: Path, synthetic_file: Path) -> None:
    report = convert([synthetic_file], tmp_path / "day.dbn.zst")
    assert report.compressed
    assert report.file_bytes == (tmp_path / "day.dbn.zst").stat().st_size
    convert([tmp_path / "day.dbn.zst"], tmp_path / "day.dbn")
    assert (tmp_path / "day.dbn").read_bytes() == synthetic_file.read_bytes()


def test_clocks_that_step_back_stay_as_they_are(tmp_path: Path) -> None:
    records = streams.make_records(4, ts_recv=[T0 + 5, T0 + 9, T0 + 3, T0 + 12])
    path = streams.write(tmp_path / "a.dbn", streams.dbn_bytes(records))
    report = convert([path], tmp_path / "b.dbn")
    assert read_mbo(tmp_path / "b.dbn").tobytes() == records.tobytes()
    assert (report.clamped_ts_recv, report.left_out) == (1, 0)
    assert (report.first_ts_recv, report.last_ts_recv) == (T0 + 5, T0 + 12)


# --- several files --------------------------------------------------------------------------------


def test_two_real_days_become_one_file(tmp_path: Path, data_file: DataFile) -> None:
    days = [data_file(name) for name in ESH4]
    output = tmp_path / "both.dbn"
    report = convert(days[::-1], output)
    assert read_mbo(output).tobytes() == b"".join(read_mbo(day).tobytes() for day in days)
    store = databentos(output)
    assert (str(store.start), str(store.end)) == (
        "2023-12-24 00:00:00+00:00",
        "2023-12-26 00:00:00+00:00",
    )
    assert store.symbols == ["ESH4"]
    (intervals,) = store.mappings.values()
    assert [(i["start_date"].day, i["end_date"].day, i["symbol"]) for i in intervals] == [
        (24, 25, "17077"),
        (25, 26, "17077"),
    ]
    assert [t.records_kept for t in report.inputs] == [68_792, 8_725]
    assert set(store.to_df()["symbol"]) == {"ESH4"}


@pytest.mark.parametrize("pack", [bytes, streams.zstd_bytes], ids=["plain", "zstd"])
def test_overlapping_files_are_merged_as_the_replay_merges_them(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    rng = np.random.default_rng(5)
    paths = []
    for i, version in enumerate((1, 2, 3)):
        ts_recv = T0 + rng.integers(0, 40_000, 50_000)  # unsorted: clamped within the file
        records = streams.make_records(50_000, ts_recv=ts_recv, first_order_id=1 + i * 10**6)
        data = pack(streams.dbn_bytes(records, version=version))
        paths.append(streams.write(tmp_path / f"{i}.dbn", data))
    report = convert(paths, tmp_path / "merged.dbn")
    expected = np.empty(150_000, MBO_DTYPE)
    for files, counted in ((paths, True), ([report.path], False)):
        with open_source(ReplayPlan(tuple(files))) as source:
            got = np.empty(150_001, MBO_DTYPE)
            assert source.fill(got) == 150_000
        if counted:
            expected = got[:150_000]
        assert got[:150_000].tobytes() == expected.tobytes()
        assert source.clamped_ts_recv == report.clamped_ts_recv > 1_000


def test_headers_are_joined(tmp_path: Path) -> None:
    """AAA is 7, then 8; BBB is found on one day only; CCC is found nowhere."""
    first = header_with(
        {"BBB": [("9", 0, 1)], "AAA": [("7", 0, 1)]},
        symbols=["BBB", "AAA", "CCC"],
        not_found=["CCC"],
        limit=10,
    )
    second = header_with(
        {"AAA": [("8", 1, 2)]}, first_day=1, symbols=["AAA", "BBB", "CCC"], not_found=["BBB", "CCC"]
    )
    paths = []
    for day, header in enumerate((first, second)):
        records = streams.make_records(3, ts_recv=range(T0 + day * DAY, T0 + day * DAY + 3))
        paths.append(streams.write(tmp_path / f"{day}.dbn", header + records.tobytes()))
    convert(paths, tmp_path / "out.dbn")
    metadata = databentos(tmp_path / "out.dbn").metadata
    assert metadata.symbols == ["BBB", "AAA", "CCC"]
    assert (metadata.partial, metadata.not_found, metadata.limit) == (["BBB"], ["CCC"], None)
    assert (metadata.start, metadata.end) == (T0, T0 + 2 * DAY)
    assert str(metadata.stype_in) == "raw_symbol"
    assert spans(tmp_path / "out.dbn") == {
        "AAA": [("7", 0, 1), ("8", 1, 2)],
        "BBB": [("9", 0, 1)],
    }
    whole = (tmp_path / "out.dbn").read_bytes()
    convert(paths, tmp_path / "out.dbn", force=True)
    assert (tmp_path / "out.dbn").read_bytes() == whole  # no order left to chance
    assert (
        inspect(str(tmp_path / "out.dbn")).mappings
        == open_source(ReplayPlan(tuple(paths))).info.mappings
    )


def test_different_symbologies_are_told_by_name(tmp_path: Path) -> None:
    by_name = header_with({"ES.c.0": [("7", 0, 1)]}, stype_in="continuous")
    by_id = header_with({"7": [("AAA", 0, 1)]}, stype_in="instrument_id", stype_out="raw_symbol")
    paths = [
        streams.write(
            tmp_path / f"{i}.dbn",
            header + streams.make_records(2, first_order_id=1 + 2 * i).tobytes(),
        )
        for i, header in enumerate((by_name, by_id))
    ]
    convert(paths, tmp_path / "out.dbn")
    store = databentos(tmp_path / "out.dbn")
    assert (store.stype_in, str(store.stype_out)) == (None, "instrument_id")
    assert spans(tmp_path / "out.dbn") == {"AAA": [("7", 0, 1)], "ES.c.0": [("7", 0, 1)]}
    assert len(store.to_ndarray()) == 4
    # Alone, each keeps its own direction, filtered or not.
    convert([paths[1]], tmp_path / "alone.dbn", symbols=["AAA"])
    assert spans(tmp_path / "alone.dbn") == {"7": [("AAA", 0, 1)]}
    assert str(databentos(tmp_path / "alone.dbn").stype_in) == "instrument_id"


def test_an_unknown_end_stays_unknown(tmp_path: Path) -> None:
    known = header_with({"AAA": [("7", 0, 1)]})
    unknown = header_with({"AAA": [("7", 0, 1)]}, days=None)
    paths = [
        streams.write(
            tmp_path / f"{i}.dbn",
            header + streams.make_records(2, first_order_id=1 + 2 * i).tobytes(),
        )
        for i, header in enumerate((known, unknown))
    ]
    report = convert(paths, tmp_path / "out.dbn")
    assert databentos(tmp_path / "out.dbn").metadata.end is None
    assert report.end_ns == 0


# --- filters --------------------------------------------------------------------------------------


def test_filters_narrow_records_and_header(tmp_path: Path, data_file: DataFile) -> None:
    path, output = data_file(DBEQ), tmp_path / "googl.dbn"
    every = read_mbo(path)
    start, end = (int(every["ts_recv"][i]) for i in (100_000, 200_000))
    window = {"start_ns": start, "end_ns": end, "warmup": "none"}
    report = convert([path], output, symbols=["GOOGL"], publishers=[41], **window)
    wanted = every[
        (every["instrument_id"] == 7_152)
        & (every["publisher_id"] == 41)
        & (every["ts_recv"] >= start)
        & (every["ts_recv"] < end)
    ]
    assert read_mbo(output).tobytes() == wanted.tobytes()
    assert report.records == len(wanted) > 10_000
    metadata = databentos(output).metadata
    assert (metadata.symbols, list(metadata.mappings)) == (["GOOGL"], ["GOOGL"])
    assert (metadata.start, metadata.end) == (start, end)
    assert report.symbols == ("GOOGL",)


# --- the command ----------------------------------------------------------------------------------


def test_it_says_what_it_wrote_and_where(tmp_path: Path, synthetic_file: Path) -> None:
    out = io.StringIO()
    report = convert_files([synthetic_file], tmp_path / "x[1].dbn", console=Console(file=out))
    for words in ("x[1].dbn: 30,000 records, ", f"{report.file_bytes:,} bytes", "M records/s",
                  "2024-03-04T14:30:00.000000000Z to 2024-03-04T14:36:"):  # fmt: skip
        assert words in out.getvalue()
    out = io.StringIO()
    report = convert_files(
        [synthetic_file], tmp_path / "y.dbn", as_json=True, console=Console(file=out, width=40)
    )
    said = json.loads(out.getvalue())
    assert said == json.loads(json.dumps(asdict(report), default=msgspec.structs.asdict))
    assert said["records"] == 30_000
    assert said["inputs"][0]["records_kept"] == 30_000


def test_progress_is_in_bytes_of_the_inputs(
    tmp_path: Path,
    synthetic_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    packed = tmp_path / "day.dbn.zst"
    convert([synthetic_file], packed, on_progress=seen.append)
    assert seen[-1] == synthetic_file.stat().st_size
    convert([packed], tmp_path / "day.dbn", on_progress=seen.append)
    assert seen[-1] == packed.stat().st_size
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(telling, "SHOWN_AFTER_S", 0.0)
    convert_files([synthetic_file], tmp_path / "again.dbn")
    assert "converting, MB read: 1 of 1" in capsys.readouterr().err


def test_refused_before_anything_is_written(tmp_path: Path, synthetic_file: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "there.dbn").write_bytes(b"mine")
    (folder / "folder.dbn").mkdir()
    (folder / "input.dbn").write_bytes(synthetic_file.read_bytes())
    (folder / "link.dbn").symlink_to(folder / "input.dbn")
    other = streams.write(
        tmp_path / "other.dbn",
        header_with({}, dataset="XNAS.ITCH") + synthetic_file.read_bytes()[-56:],
    )
    empty = streams.write(tmp_path / "empty.dbn", streams.dbn_header())
    cut = streams.write(tmp_path / "cut.dbn", synthetic_file.read_bytes()[:-3])
    before = files_in(folder)
    source = str(folder / "input.dbn")
    cases: list[tuple[type[Exception], str, list[str], str, dict[str, Any]]] = [
        (ConfigError, r"ending in \.dbn or \.dbn\.zst, found 'x\.txt'", [source], "x.txt", {}),
        (OutputError, "there already; choose another name with -o", [source], "there.dbn", {}),
        (OutputError, "is a folder", [source], "folder.dbn", {"force": True}),
        (ConfigError, "is the input", [source], "input.dbn", {"force": True}),
        (ConfigError, "is the input", [source], "link.dbn", {"force": True}),
        (ConfigError, "found GLBX.MDP3, XNAS.ITCH", [source, other], "x.dbn", {}),
        (ConfigError, "listed twice", [source, str(folder / "link.dbn")], "x.dbn", {}),
        (ConfigError, "expected 1 to 10000 paths", [], "x.dbn", {}),
        (ConfigError, "expected a time after start", [source], "x.dbn",
         {"start_ns": 9, "end_ns": 9}),
        (MissingFileError, "none", [source, "none.dbn"], "x.dbn", {}),
        (NoDataError, "no records; expected at least one", [empty], "x.dbn", {}),
        (NoDataError, "match end 1970-01-01T00:00:00.000000005Z", [source], "x.dbn", {"end_ns": 5}),
        (NoDataError, "did you mean 'TWA1'", [source], "x.dbn", {"symbols": ["TWA2"]}),
        (FormatError, "truncated", [cut], "x.dbn", {}),
        (OutputError, "cannot write .*No such file", [source], "missing/x.dbn", {}),
    ]  # fmt: skip
    for error, message, files, name, options in cases:
        with pytest.raises(error, match=message):
            convert(files, folder / name, **options)
        assert files_in(folder) == before
    with pytest.raises(ConfigError, match=r"--start: expected a time.*found 'monday'"):
        convert_files([source], folder / "x.dbn", start="monday")
    assert (folder / "there.dbn").read_bytes() == b"mine"
    convert([source], folder / "there.dbn", force=True)
    assert (folder / "there.dbn").read_bytes() == synthetic_file.read_bytes()


@pytest.mark.parametrize("damage", ["cut", "flipped", "another schema within"])
def test_damage_met_on_the_way_leaves_nothing(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = streams.make_records(200_000)
    records["order_id"] = np.random.default_rng(3).integers(0, 2**60, len(records))
    if damage == "another schema within":
        records["rtype"][150_000] = 1
    data = bytearray(streams.zstd_bytes(streams.dbn_bytes(records)))
    if damage == "flipped":
        data[len(data) * 3 // 4] ^= 0x55
    if damage == "cut":
        del data[len(data) * 3 // 4 :]
        monkeypatch.setattr("tapewire.replay.dbn._WALK_BYTES_MAX", 0)  # as for a large file
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    path = streams.write(tmp_path / "in" / "x.dbn.zst", bytes(data))
    seen: list[int] = []
    with pytest.raises(FormatError, match="byte offset"):
        convert([path], tmp_path / "out" / "x.dbn", on_progress=seen.append)
    assert seen  # it was under way
    assert files_in(tmp_path / "out") == []


def test_two_at_once_never_write_into_one_file(
    tmp_path: Path, synthetic_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert_module, "_CHUNK_RECORDS", 2_000)
    under_way, go_on = threading.Event(), threading.Event()

    def wait(done: int) -> None:
        under_way.set()
        assert go_on.wait(20)

    first = threading.Thread(
        target=convert, args=([synthetic_file], tmp_path / "x.dbn"), kwargs={"on_progress": wait}
    )
    first.start()
    try:
        assert under_way.wait(20)
        with pytest.raises(OutputError, match="being written by another process"):
            convert([synthetic_file], tmp_path / "x.dbn")
    finally:
        go_on.set()
        first.join()
    assert (tmp_path / "x.dbn").read_bytes() == synthetic_file.read_bytes()
